//! A recovery that dies at any step, and is run again.

use std::path::Path;

use confman_core::cluster::{ClusterRecord, RecoveryCause};
use confman_core::identity::Identity;
use confman_core::ids::ClusterId;
use confman_core::state::Change;

use super::{recover, resume};
use crate::open::OpenError;
use crate::rebuild::{NewCluster, RebuildError};
use crate::samples::{cluster_id, time};
use crate::test_store::{append_up_to, child_folder, crash_in, open, write};
use crate::{Options, Rebuilt};

/// Every step, with what a run after it finds: nothing of use, or something complete.
const STEPS: [(&str, bool); 8] = [
    ("snapshot-before-manifest", false),
    ("recover-before-move", true),
    ("recover-between-moves:1", true),
    ("recover-between-moves:2", true),
    ("recover-between-moves:3", true),
    ("recover-between-moves:4", true),
    ("recover-between-moves:5", true),
    ("recover-before-end", true),
];

fn new_cluster() -> NewCluster {
    NewCluster {
        cluster_id: ClusterId::parse("new-cluster").expect("an id"),
        address: "confman-0:8445".to_owned(),
        cause: RecoveryCause::Volume,
        time: time(1_700_000_000),
        keep_until: None,
    }
}

/// A volume of a cluster, applied up to entry 5 with a log that ends at 9.
async fn volume(folder: &Path) {
    let mut store = open(folder);
    store
        .identity
        .set_cluster_id(&cluster_id())
        .expect("the identity can be written");
    append_up_to(&mut store, 9).await;
    let record = ClusterRecord {
        cluster_id: cluster_id(),
        kubernetes_namespace: "confman".to_owned(),
        name: "main".to_owned(),
        initialised_at: time(0),
        identity: Identity::default(),
        recoveries: Vec::new(),
    };
    write(&store, 5, vec![Change::PutCluster(record)]);
}

async fn run(folder: &Path) -> Result<Option<Rebuilt>, RebuildError> {
    recover(folder, &Options::default(), &cluster_id(), &new_cluster()).await
}

fn assert_recovered(folder: &Path, step: &str) {
    let store = open(folder);
    let new = new_cluster().cluster_id;
    assert_eq!(store.identity.get().cluster_id.as_ref(), Some(&new), "{step}");
    let cluster = store.reader.cluster().expect("a record");
    assert_eq!(
        (&cluster.cluster_id, cluster.recoveries[0].kept_index),
        (&new, 9),
        "{step}"
    );
    let applied = store.reader.applied().expect("an entry");
    assert_eq!(
        (applied.term, applied.index),
        (4, cluster.recoveries[0].at_index),
        "{step}"
    );
    assert!(applied.index > 1 << 50, "{step}");
}

#[tokio::test]
async fn child_recovers() {
    let Some(place) = child_folder() else { return };
    run(&place).await.expect("a recovery");
}

#[tokio::test]
async fn a_recovery_that_dies_at_any_step_is_run_again() {
    for (step, is_complete) in STEPS {
        let place = tempfile::tempdir().expect("a folder");
        volume(place.path()).await;
        let status = crash_in("recover::tests::child_recovers", step, place.path());
        assert!(!status.success(), "{step} was not reached");
        if step != "snapshot-before-manifest" {
            let refused = crate::open(place.path(), &Options::default()).err();
            assert!(
                matches!(refused, Some(OpenError::Recovering { .. })),
                "{step}: {refused:?}"
            );
        }
        let recovered = run(place.path()).await.expect(step);
        assert_eq!(recovered.is_none(), is_complete, "{step}");
        assert_recovered(place.path(), step);
        let again = run(place.path()).await;
        assert!(
            matches!(again, Err(RebuildError::OtherCluster { .. })),
            "{step}: {again:?}"
        );
    }
}

#[tokio::test]
async fn an_interrupted_run_is_gone_on_with_by_the_same_arguments_only() {
    let place = tempfile::tempdir().expect("a folder");
    volume(place.path()).await;
    crash_in("recover::tests::child_recovers", "recover-before-move", place.path());
    let other = NewCluster {
        address: "confman-1:8445".to_owned(),
        ..new_cluster()
    };
    let refused = resume(place.path(), Some(&cluster_id()), &other);
    assert!(matches!(refused, Err(RebuildError::OtherRun { .. })), "{refused:?}");
    assert_eq!(run(place.path()).await.expect("it goes on"), None);
    assert_recovered(place.path(), "other arguments");
}
