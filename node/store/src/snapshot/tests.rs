//! Snapshots from end to end, and what a crash at each step leaves behind.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use confman_core::entry::ConfigEntry;
use confman_core::state::Change;
use openraft::storage::RaftStateMachine as _;
use openraft::{RaftSnapshotBuilder as _, StorageHelper};
use tempfile::TempDir;

use super::{SnapshotChunk, SnapshotDir, SnapshotError, SnapshotFile, SnapshotManifest};
use crate::Store;
use crate::samples::{key, namespace, path, version};
use crate::test_store::{append_up_to, child_folder, crash_in, dump, log_id, open, write};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A state of `values` values, large ones among them, as of entry `index`, and a log up to there.
async fn fill(store: &mut Store, index: u64, values: u64) {
    append_up_to(store, index).await;
    let mut changes = vec![Change::PutNamespace(Box::new(namespace("/a")))];
    for number in 0..values {
        let name = format!("K{number}");
        let value = "x".repeat(usize::try_from(number % 9).expect("small") * 1000);
        changes.push(Change::PutVersion(Box::new(version("/a", &name, index, &value))));
        changes.push(Change::PutEntry(ConfigEntry {
            namespace: path("/a"),
            key: key(&name),
            live: Some(index),
            last_version: index,
            oldest_version: 1,
            meta: confman_core::entry::EntryMeta::default(),
            rotation_noted: 0,
        }));
    }
    write(store, index, changes);
}

async fn build(store: &mut Store) -> SnapshotDir {
    let mut builder = store.state_machine.get_snapshot_builder().await;
    builder.build_snapshot().await.expect("a snapshot").snapshot
}

fn send(from: &SnapshotDir, to: &Store) -> Result<SnapshotDir, SnapshotError> {
    let mut receiver = to.inbox.begin(from.manifest().clone())?;
    for chunk in from.chunks(1000) {
        receiver.write(&chunk.expect("the snapshot can be read"))?;
    }
    receiver.finish()
}

fn entries_of(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn installed_snapshot_is_the_state_it_was_built_from() {
    let (leader_folder, follower_folder) = (folder(), folder());
    let (mut leader, mut follower) = (open(leader_folder.path()), open(follower_folder.path()));
    fill(&mut leader, 50, 100).await;
    fill(&mut follower, 7, 3).await;
    let before = dump(&leader);
    let built = build(&mut leader).await;
    fill(&mut leader, 51, 1).await;
    let received = send(&built, &follower).expect("the transfer");
    follower
        .state_machine
        .install_snapshot(&built.manifest().meta, received)
        .await
        .expect("the installation");
    assert_eq!(dump(&follower), before);
    assert_eq!(follower.reader.applied().map(|position| position.index), Some(50));
    assert!(follower.reader.namespace(&path("/a")).is_some());
    drop(follower);
    let mut follower = open(follower_folder.path());
    assert_eq!(dump(&follower), before);
    let current = follower.state_machine.get_current_snapshot().await.expect("a read");
    assert_eq!(
        current.map(|snapshot| snapshot.meta),
        Some(built.manifest().meta.clone())
    );
    assert_eq!(entries_of(&follower_folder.path().join("state")), ["CURRENT", "gen-2"]);
    assert_eq!(entries_of(&follower_folder.path().join("snapshots")), ["50-3-1"]);
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept_and_only_as_long_as_needed() {
    let place = folder();
    let mut store = open(place.path());
    let snapshots = place.path().join("snapshots");
    fill(&mut store, 9, 3).await;
    let older = build(&mut store).await;
    fill(&mut store, 10, 3).await;
    let newer = build(&mut store).await;
    assert_eq!(
        entries_of(&snapshots),
        ["10-3-1", "9-3-1"],
        "somebody still reads the older one"
    );
    assert!(older.chunks(1 << 20).all(|chunk| chunk.is_ok()));
    drop(older);
    assert_eq!(entries_of(&snapshots), ["10-3-1"]);
    let again = build(&mut store).await;
    assert_eq!(again.manifest(), newer.manifest(), "nothing was applied in between");
    drop((again, newer, store));
    let mut store = open(place.path());
    let current = store.state_machine.get_current_snapshot().await.expect("a read");
    assert_eq!(current.and_then(|snapshot| snapshot.meta.last_log_id), Some(log_id(10)));
}

#[tokio::test]
async fn reader_of_the_replaced_state_is_not_disturbed() {
    let (leader_folder, follower_folder) = (folder(), folder());
    let (mut leader, mut follower) = (open(leader_folder.path()), open(follower_folder.path()));
    fill(&mut leader, 50, 10).await;
    fill(&mut follower, 7, 2).await;
    let built = build(&mut leader).await;
    let reader = follower.reader.clone();
    let old = follower.stats.state.published();
    let install = follower
        .state_machine
        .install_snapshot(&built.manifest().meta, built.clone());
    install.await.expect("the installation");
    assert_eq!(
        reader
            .live(&path("/a"), &key("K1"))
            .expect("a read")
            .map(|version| version.number),
        Some(50)
    );
    assert!(
        old.generation
            .applied()
            .expect("the old state is still open")
            .last_applied
            == Some(log_id(7))
    );
    let state = follower_folder.path().join("state");
    assert_eq!(entries_of(&state), ["CURRENT", "gen-1", "gen-2"]);
    drop(old);
    assert_eq!(entries_of(&state), ["CURRENT", "gen-2"]);
}

#[tokio::test]
async fn damaged_or_disordered_transfer_is_refused_and_leaves_nothing() {
    let (leader_folder, follower_folder) = (folder(), folder());
    let (mut leader, follower) = (open(leader_folder.path()), open(follower_folder.path()));
    fill(&mut leader, 50, 10).await;
    let built = build(&mut leader).await;
    let chunks: Vec<SnapshotChunk> = built.chunks(100).map(|chunk| chunk.expect("a piece")).collect();
    let begin = || follower.inbox.begin(built.manifest().clone()).expect("a receiver");

    let mut damaged = begin();
    let flipped = chunks.iter().map(|chunk| {
        let mut bytes = chunk.bytes.to_vec();
        bytes[0] ^= 1;
        SnapshotChunk {
            bytes: bytes.into(),
            ..chunk.clone()
        }
    });
    let result = flipped.map(|chunk| damaged.write(&chunk)).find(Result::is_err);
    assert!(matches!(result, Some(Err(SnapshotError::Damaged { .. }))), "{result:?}");

    let result = begin().write(&chunks[1]);
    assert!(matches!(result, Err(SnapshotError::OutOfOrder { .. })), "{result:?}");

    let mut incomplete = begin();
    for chunk in &chunks[..chunks.len() - 1] {
        incomplete.write(chunk).expect("a piece");
    }
    let result = incomplete.finish();
    assert!(matches!(result, Err(SnapshotError::Incomplete { .. })), "{result:?}");

    let mut endless = begin();
    endless.write(&chunks[0]).expect("a piece");
    let length = built.manifest().files[0].length;
    let too_much = SnapshotChunk {
        file: 0,
        offset: chunks[0].bytes.len() as u64,
        bytes: Bytes::from(vec![0; usize::try_from(length).expect("a small file")]),
    };
    let result = endless.write(&too_much);
    assert!(matches!(result, Err(SnapshotError::OutOfOrder { .. })), "{result:?}");

    drop((damaged, endless));
    assert_eq!(entries_of(&follower_folder.path().join("snapshots")), [""; 0]);
}

#[test]
fn manifest_cannot_name_files_elsewhere() {
    let place = folder();
    let store = open(place.path());
    let file = |name: &str| SnapshotFile {
        name: name.to_owned(),
        length: 0,
        crc32c: 0,
    };
    let bad = [
        "../CURRENT",
        "/etc/passwd",
        "",
        "LOCK",
        "a.sst",
        "000001.sst/../../x",
        "000001.SST",
    ];
    for name in bad {
        let manifest = SnapshotManifest {
            meta: crate::types::SnapshotMeta::default(),
            files: vec![file("CURRENT"), file(name)],
        };
        let refused = store.inbox.begin(manifest);
        assert!(matches!(refused, Err(SnapshotError::Refused { .. })), "{name}");
    }
}

#[tokio::test]
async fn snapshot_of_another_state_than_announced_is_refused() {
    let (leader_folder, follower_folder) = (folder(), folder());
    let (mut leader, mut follower) = (open(leader_folder.path()), open(follower_folder.path()));
    fill(&mut leader, 50, 1).await;
    fill(&mut follower, 7, 1).await;
    let built = build(&mut leader).await;
    let mut meta = built.manifest().meta.clone();
    meta.last_log_id = Some(log_id(51));
    let refused = follower.state_machine.install_snapshot(&meta, built).await;
    assert!(refused.is_err());
    assert!(follower.fault.current().is_some(), "the node must stop");
    drop(follower);
    assert_eq!(
        open(follower_folder.path())
            .reader
            .applied()
            .map(|position| position.index),
        Some(7)
    );
}

/// Where a crash leaves the state: as it was, or with what was being done.
const BUILD_STEPS: [&str; 4] = [
    "build-after-checkpoint",
    "snapshot-before-manifest",
    "build-before-rename",
    "snapshot-after-rename",
];
const INSTALL_STEPS: [(&str, bool); 5] = [
    ("snapshot-before-manifest", false),
    ("snapshot-after-rename", false),
    ("install-before-open", false),
    ("install-before-current", false),
    ("install-after-current", true),
];

async fn recover(store: &mut Store) {
    StorageHelper::new(&mut store.log, &mut store.state_machine)
        .with_id(1)
        .get_initial_state()
        .await
        .expect("openraft accepts what it finds");
}

#[tokio::test]
async fn child_builds() {
    let Some(place) = child_folder() else { return };
    build(&mut open(&place)).await;
}

#[tokio::test]
async fn crash_while_building_leaves_the_state_and_a_whole_snapshot_or_none() {
    for step in BUILD_STEPS {
        let place = folder();
        let mut store = open(place.path());
        fill(&mut store, 9, 20).await;
        let before = dump(&store);
        drop(store);
        let status = crash_in("snapshot::tests::child_builds", step, place.path());
        assert!(!status.success(), "{step} was not reached");
        let mut store = open(place.path());
        assert_eq!(dump(&store), before, "{step}");
        let renamed = step == "snapshot-after-rename";
        let kept: &[&str] = if renamed { &["9-3-1"] } else { &[] };
        assert_eq!(entries_of(&place.path().join("snapshots")), kept, "{step}");
        recover(&mut store).await;
        assert_eq!(
            build(&mut store).await.manifest().meta.last_log_id,
            Some(log_id(9)),
            "{step}"
        );
    }
}

#[tokio::test]
async fn child_installs() {
    let Some(place) = child_folder() else { return };
    let mut leader = open(&place.join("leader"));
    let mut follower = open(&place.join("follower"));
    let snapshot = leader.state_machine.get_current_snapshot().await.expect("a read");
    let snapshot = snapshot.expect("the leader has a snapshot");
    let install = follower
        .state_machine
        .install_snapshot(&snapshot.meta, snapshot.snapshot);
    install.await.expect("the installation");
}

#[tokio::test]
async fn crash_while_installing_leaves_the_old_state_or_the_new_one() {
    for (step, is_new) in INSTALL_STEPS {
        let place = folder();
        let (leader_folder, follower_folder) = (place.path().join("leader"), place.path().join("follower"));
        let mut leader = open(&leader_folder);
        fill(&mut leader, 50, 20).await;
        build(&mut leader).await;
        let new = dump(&leader);
        drop(leader);
        let mut follower = open(&follower_folder);
        fill(&mut follower, 7, 2).await;
        let old = dump(&follower);
        drop(follower);
        let status = crash_in("snapshot::tests::child_installs", step, place.path());
        assert!(!status.success(), "{step} was not reached");
        let mut follower = open(&follower_folder);
        assert_eq!(
            dump(&follower),
            if is_new { new.clone() } else { old.clone() },
            "{step}"
        );
        recover(&mut follower).await;
        let kept = step != "snapshot-before-manifest";
        assert_eq!(
            dump(&follower),
            if kept { new } else { old },
            "{step}, after openraft's own recovery"
        );
        let generations = entries_of(&follower_folder.join("state")).len() - 1;
        assert_eq!(generations, 1, "{step}");
    }
}
