//! A cluster that is made of what another one has left.

use confman_core::audit::AuditAction;
use confman_core::cluster::RecoveryCause;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::proposal::{Command, CompareReplicas, RecoverCluster};
use confman_core::publish_request::RequestState;
use confman_core::state::StateView as _;

use crate::builders::{cluster_id, workflow};
use crate::world::World;

fn recovery(world: &World, id: &str) -> Command {
    Command::RecoverCluster(RecoverCluster {
        cluster_id: cluster_id(id),
        kept_index: world.position().index - 1,
        cause: RecoveryCause::Backup,
    })
}

#[test]
fn a_recovered_cluster_has_a_new_identity_and_no_open_request() {
    let mut world = World::with_payments(workflow(1));
    for id in ["published", "open"] {
        world.submit("ada", id, id).expect("a request");
    }
    world.approve("bob", "published").expect("an approval publishes");
    let command = recovery(&world, "c2");
    let kept = world.position().index - 1;
    let outcome = world.apply(command).expect("a recovery");
    assert_eq!(
        outcome,
        Outcome::ClusterRecovered {
            cluster_id: cluster_id("c2")
        }
    );
    assert_eq!(
        world.last_events(),
        [AuditAction::ClusterRecovered, AuditAction::RequestWithdrawn]
    );
    let cluster = world.state.cluster().expect("memory is always readable");
    let cluster = cluster.expect("it has a record");
    assert_eq!(cluster.cluster_id, cluster_id("c2"));
    assert_eq!(cluster.recoveries[0].from, cluster_id("c1"));
    assert_eq!(cluster.recoveries[0].kept_index, kept);
    let state = |id| world.request(id).map(|request| request.state);
    assert_eq!(state("published"), Some(RequestState::Published));
    assert_eq!(state("open"), Some(RequestState::Withdrawn));
    assert!(world.live("/payments", "rate").is_some(), "what was published stays");
}

#[test]
fn the_new_cluster_needs_an_id_of_its_own_and_keeps_only_what_was_before() {
    let mut world = World::with_payments(workflow(1));
    let field = |refused: Result<Outcome, Rejection>| match refused {
        Err(Rejection::InvalidField { field, .. }) => field,
        other => unreachable!("{other:?}"),
    };
    let same = recovery(&world, "c1");
    assert_eq!(field(world.apply(same)), "clusterId");
    let later = Command::RecoverCluster(RecoverCluster {
        cluster_id: cluster_id("c2"),
        kept_index: world.position().index,
        cause: RecoveryCause::Volume,
    });
    assert_eq!(field(world.apply(later)), "keptIndex");
    let mut empty = World::empty();
    let command = Command::RecoverCluster(RecoverCluster {
        cluster_id: cluster_id("c2"),
        kept_index: 0,
        cause: RecoveryCause::Volume,
    });
    assert_eq!(empty.apply(command), Err(Rejection::ClusterNotInitialised));
}

#[test]
fn only_what_lies_between_the_kept_entries_and_the_recovery_is_lost() {
    let mut world = World::with_payments(workflow(1));
    let command = Command::RecoverCluster(RecoverCluster {
        cluster_id: cluster_id("c2"),
        kept_index: 1,
        cause: RecoveryCause::Volume,
    });
    let at = world.position().index;
    world.apply(command).expect("a recovery");
    let cluster = world.state.cluster().expect("memory is always readable");
    let cluster = cluster.expect("it has a record");
    assert!(!cluster.has_lost(1));
    assert!(cluster.has_lost(at - 1));
    assert!(!cluster.has_lost(at));
    assert!(!cluster.has_lost(at + 1));
}

#[test]
fn a_comparison_changes_nothing_and_leaves_no_event() {
    let mut world = World::with_payments(workflow(1));
    let applied = world.propose(Command::CompareReplicas(CompareReplicas { agreed: None }));
    assert_eq!(applied.result, Ok(Outcome::ReplicasCompared));
    assert_eq!(applied.changes, []);
}
