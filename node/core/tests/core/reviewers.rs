//! What readers are told about who may agree is what apply then lets happen.

use std::sync::Arc;

use confman_core::identity::Identity;
use confman_core::namespace::ConfigNamespace;
use confman_core::outcome::Rejection;
use confman_core::publish_request::{Decision, PublishRequest, RequestState};
use confman_core::reviewers::{approvals, eligible_subjects, waits_for};
use confman_core::state::StateView as _;
use proptest::prelude::*;

use crate::acts::{PEOPLE, any_history};
use crate::builders::{KEY, path, reviewing, sign, spec, user, workflow};
use crate::history::play;
use crate::world::World;

fn lineage(world: &World, request: &PublishRequest) -> Vec<Arc<ConfigNamespace>> {
    let at = &request.namespace;
    let places = at.self_and_ancestors();
    places
        .filter_map(|place| world.state.namespace(&place).expect("memory is always readable"))
        .collect()
}

fn identity(world: &World) -> Identity {
    let cluster = world.state.cluster().expect("memory is always readable");
    cluster.expect("a cluster").identity.clone()
}

fn waits_for_name(world: &World, request: &PublishRequest, name: &str) -> bool {
    let actor = user(name).actor();
    waits_for(request, &lineage(world, request), &identity(world), &actor)
}

/// Whether an approval by `name` would be counted now, or is refused for the sake of the key alone, which a namespace above
/// has come to keep: that is no matter of who approves.
fn would_be_counted(world: &World, request: &PublishRequest, name: &str) -> bool {
    let id = request.id.as_str();
    let statement = world.review_statement(name, id, Decision::Approve);
    let mut tried = world.clone();
    let applied = tried.propose(reviewing(id, sign(statement, KEY)));
    !applied.changes.is_empty() || matches!(applied.result, Err(Rejection::FinalKey { .. }))
}

fn eligible(world: &World, id: &str) -> Vec<String> {
    let request = world.request(id).expect("a request");
    let subjects = eligible_subjects(&request, &lineage(world, &request), &identity(world));
    subjects.iter().map(ToString::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_waits_for_exactly_those_whose_approval_would_be_counted(history in any_history()) {
        let world = play(&history);
        let open = world.state.requests().filter(|request| request.state == RequestState::PendingReview);
        for request in open.filter(|request| request.object.is_some()) {
            for name in PEOPLE {
                let (told, counted) = (waits_for_name(&world, request, name), would_be_counted(&world, request, name));
                prop_assert_eq!(told, counted, "{} and {}", name, request.id);
            }
        }
    }
}

#[test]
fn those_who_may_review_are_listed_without_machines_and_contributors() {
    let mut world = World::with_payments(workflow(2));
    world.submit("ada", "r1", "1").expect("ada is editor");
    assert_eq!(
        eligible(&world, "r1"),
        [
            "user:ann",
            "user:bob",
            "user:carol",
            "user:dan",
            "user:root",
            "user:ruth"
        ]
    );
    world.submit("bob", "r2", "2").expect("publishers are editors, too");
    assert_eq!(
        eligible(&world, "r2"),
        ["user:ann", "user:carol", "user:dan", "user:root", "user:ruth"]
    );
    let for_carol = confman_core::publish_request::RequestSpec {
        on_behalf_of: std::iter::once("carol".to_owned()).collect(),
        ..spec("payments", "rate", "3")
    };
    world.submit_spec("ada", "r3", for_carol).expect("ada is editor");
    assert_eq!(
        eligible(&world, "r3"),
        ["user:ann", "user:bob", "user:dan", "user:root", "user:ruth"]
    );
}

#[test]
fn nothing_waits_for_who_has_approved_or_asked() {
    let mut world = World::with_payments(workflow(2));
    world.submit("ada", "r1", "1").expect("ada is editor");
    world.approve("bob", "r1").expect("bob is publisher");
    let request = world.request("r1").expect("a request");
    let waits = |name| waits_for_name(&world, &request, name);
    assert_eq!(
        ["ada", "bob", "carol", "eve", "root"].map(waits),
        [false, false, true, false, true]
    );
    let counted = approvals(&request, &lineage(&world, &request), &identity(&world));
    assert_eq!((counted.approvers.len(), counted.required), (1, 2));
    assert!(!counted.are_enough());
    assert_eq!(request.namespace, path("/payments"));
}
