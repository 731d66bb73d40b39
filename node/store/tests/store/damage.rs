//! Damaged, cut and missing files: a node that may have forgotten what it promised must not start.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use confman_core::ids::ClusterId;
use confman_store::types::Vote;
use confman_store::{EncodedProposal, IdentityError, OpenError, OpenLogError, Options, Store, TypeConfig};
use openraft::EntryPayload;
use openraft::RaftLogReader as _;
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftStateMachine as _};
use openraft::type_config::TypeConfigExt as _;
use openraft::{RaftSnapshotBuilder as _, entry::RaftEntry as _};
use tempfile::TempDir;

use crate::fixtures::{entry, log_id, open, try_open};
use crate::samples::{proposal, put};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

async fn append(store: &mut Store, indexes: std::ops::Range<u64>) {
    for index in indexes {
        let proposal = proposal(put("/a", "K", &"v".repeat(500)));
        let payload = EntryPayload::Normal(EncodedProposal::encode(&proposal));
        let (flushed, done) = TypeConfig::oneshot();
        let appended = store.log.append([entry(1, index, payload)], IOFlushed::signal(flushed));
        appended.await.expect("taken");
        done.await.expect("an answer").expect("durable");
    }
}

/// A store with a hundred entries and a vote; the floor knows of all of it.
async fn filled(folder: &Path) {
    let mut store = open(folder);
    store.log.save_vote(&Vote::new(1, 1)).await.expect("a vote");
    append(&mut store, 0..100).await;
    store.log.close().await.expect("a clean end");
}

/// The floor of entries is written when the store is closed, and not before.
fn lazy_floor() -> Options {
    Options {
        floor_lag_ms: 600_000,
        ..Options::default()
    }
}

/// The WAL files of the log, oldest first.
fn wal_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("log")).expect("the log's folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

fn newest_wal(folder: &Path) -> PathBuf {
    wal_files(folder).pop().expect("a WAL")
}

async fn last_index(store: &mut Store) -> Option<u64> {
    let state = store.log.get_log_state().await.expect("the log's bounds");
    state.last_log_id.map(|last| last.index)
}

/// Everything an error says, causes included.
fn told(error: &OpenError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn flipped_bit_in_the_middle_of_the_wal_is_refused() {
    let place = folder();
    filled(place.path()).await;
    let wal = newest_wal(place.path());
    let pristine = fs::read(&wal).expect("the WAL");
    let written = pristine.iter().rposition(|byte| *byte != 0).expect("something") + 1;
    for part in 1..10 {
        let at = written * part / 10;
        let mut damaged = pristine.clone();
        damaged[at] ^= 0x10;
        fs::write(&wal, &damaged).expect("damaged");
        let refused = try_open(place.path()).err().expect("an error");
        assert!(matches!(refused, OpenError::Log(_)), "byte {at}: {refused:?}");
        assert!(
            told(&refused).contains("empty"),
            "it says what to do: {}",
            told(&refused)
        );
    }
    fs::write(&wal, &pristine).expect("restored");
    assert_eq!(last_index(&mut open(place.path())).await, Some(99));
}

#[tokio::test]
async fn torn_end_of_the_wal_that_nobody_acknowledged_is_dropped() {
    let place = folder();
    filled(place.path()).await;
    let wal = newest_wal(place.path());
    let before = fs::metadata(&wal).expect("the WAL").len();
    let mut store = confman_store::open(place.path(), &lazy_floor()).expect("the folder opens");
    append(&mut store, 100..101).await;
    // The floor of the last entry is written with a delay, or when the store is closed; copying before is a crash.
    let copy = folder();
    copy_folder(place.path(), copy.path());
    drop(store);
    let torn = newest_wal(copy.path());
    let length = fs::metadata(&torn).expect("the WAL").len();
    assert!(
        torn.file_name() != wal.file_name() || length > before,
        "the entry went to the WAL"
    );
    let file = OpenOptions::new().write(true).open(&torn).expect("the WAL");
    file.set_len(length - 20).expect("cut");
    assert_eq!(last_index(&mut open(copy.path())).await, Some(99));
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[tokio::test]
async fn cut_wal_behind_the_floor_is_refused() {
    let place = folder();
    filled(place.path()).await;
    let wal = newest_wal(place.path());
    let length = fs::metadata(&wal).expect("the WAL").len();
    let file = OpenOptions::new().write(true).open(&wal).expect("the WAL");
    file.set_len(length / 2).expect("cut");
    let refused = try_open(place.path()).err().expect("an error");
    let OpenError::Log(OpenLogError::BehindFloor { complaint }) = &refused else {
        unreachable!("{refused:?}")
    };
    assert!(complaint.contains("up to"), "{complaint}");
    assert!(told(&refused).contains("joins as a new member"), "it says what to do");
}

#[tokio::test]
async fn missing_wal_behind_the_floor_is_refused() {
    let place = folder();
    filled(place.path()).await;
    for wal in wal_files(place.path()) {
        fs::remove_file(wal).expect("removed");
    }
    let refused = try_open(place.path()).err().expect("an error");
    assert!(matches!(refused, OpenError::Log(_)), "{refused:?}");
    assert!(
        told(&refused).contains("empty"),
        "it says what to do: {}",
        told(&refused)
    );
}

#[tokio::test]
async fn missing_log_is_refused() {
    let place = folder();
    filled(place.path()).await;
    fs::remove_dir_all(place.path().join("log")).expect("removed");
    let refused = try_open(place.path()).err().expect("an error");
    assert!(
        matches!(refused, OpenError::Log(OpenLogError::BehindFloor { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn forgotten_vote_is_refused_however_soon_after_it_was_given() {
    let place = folder();
    let mut store = confman_store::open(place.path(), &lazy_floor()).expect("the folder opens");
    store.log.save_vote(&Vote::new(1, 1)).await.expect("a vote");
    let (before, after) = (folder(), folder());
    copy_folder(&place.path().join("log"), before.path());
    store.log.save_vote(&Vote::new(2, 1)).await.expect("a vote");
    copy_folder(place.path(), after.path());
    fs::remove_dir_all(after.path().join("log")).expect("removed");
    fs::create_dir(after.path().join("log")).expect("a folder");
    copy_folder(before.path(), &after.path().join("log"));
    let refused = try_open(after.path()).err().expect("an error");
    assert!(told(&refused).contains("vote"), "{}", told(&refused));
}

#[tokio::test]
async fn floor_is_written_soon_after_the_last_entry_without_a_clean_end() {
    let place = folder();
    let mut store = open(place.path());
    append(&mut store, 0..10).await;
    let copy = folder();
    // Wait for the flusher to raise the floor: then a copy with a cut WAL is refused.
    for _ in 0..1000 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        fs::remove_dir_all(copy.path()).expect("removed");
        fs::create_dir(copy.path()).expect("a folder");
        copy_folder(place.path(), copy.path());
        let wal = newest_wal(copy.path());
        let length = fs::metadata(&wal).expect("the WAL").len();
        let file = OpenOptions::new().write(true).open(&wal).expect("the WAL");
        file.set_len(length - 20).expect("cut");
        // A copy of files that are being written may be refused for other reasons.
        if let Err(OpenError::Log(OpenLogError::BehindFloor { .. })) = try_open(copy.path()) {
            return;
        }
    }
    unreachable!("the floor was never raised");
}

#[tokio::test]
async fn damaged_floor_is_refused() {
    let place = folder();
    filled(place.path()).await;
    let floor = place.path().join("floor");
    let file = OpenOptions::new().write(true).open(&floor).expect("the floor");
    file.write_all_at(&[0xff; 8192], 0).expect("damaged");
    let refused = try_open(place.path()).err().expect("an error");
    assert!(matches!(refused, OpenError::Floor { .. }), "{refused:?}");
    fs::remove_file(&floor).expect("removed");
    let refused = try_open(place.path()).err().expect("an error");
    assert!(matches!(refused, OpenError::Floor { .. }), "{refused:?}");
}

#[tokio::test]
async fn damaged_or_missing_identity_is_refused() {
    let place = folder();
    filled(place.path()).await;
    let identity = place.path().join("identity");
    let mut bytes = fs::read(&identity).expect("the identity");
    bytes[10] ^= 1;
    fs::write(&identity, &bytes).expect("damaged");
    let refused = try_open(place.path()).err().expect("an error");
    assert!(
        matches!(refused, OpenError::Identity(IdentityError::Unreadable { .. })),
        "{refused:?}"
    );
    bytes[10] ^= 1;
    fs::remove_file(&identity).expect("removed");
    let floor = fs::read(place.path().join("floor")).expect("the floor");
    let refused = try_open(place.path()).err().expect("an error");
    assert!(
        matches!(refused, OpenError::Identity(IdentityError::Missing { .. })),
        "{refused:?}"
    );
    // So that restoring the file, as the message says, brings back all that this node has acknowledged.
    assert_eq!(fs::read(place.path().join("floor")).expect("the floor"), floor);
    fs::write(&identity, &bytes).expect("restored");
    assert_eq!(last_index(&mut open(place.path())).await, Some(99));
}

#[tokio::test]
async fn state_that_ends_before_the_log_begins_is_refused() {
    let place = folder();
    let mut store = open(place.path());
    append(&mut store, 0..20).await;
    let entries = store.log.try_get_log_entries(0..20).await.expect("the log");
    let entries = futures::stream::iter(entries.into_iter().map(|entry| Ok((entry, None))));
    store.state_machine.apply(entries).await.expect("applied");
    let mut builder = store.state_machine.get_snapshot_builder().await;
    let snapshot = builder.build_snapshot().await.expect("a snapshot");
    store.log.purge(log_id(1, 15)).await.expect("purged");
    store.log.close().await.expect("a clean end");
    drop((store, builder, snapshot));
    let mut store = open(place.path());
    let left: Vec<u64> = store
        .log
        .try_get_log_entries(..)
        .await
        .expect("the log")
        .iter()
        .map(|entry| entry.log_id().index)
        .collect();
    assert_eq!(left, [16, 17, 18, 19], "the purge is on disk");
    drop(store);
    for part in ["state", "snapshots"] {
        fs::remove_dir_all(place.path().join(part)).expect("removed");
    }
    let refused = try_open(place.path()).err().expect("an error");
    assert!(matches!(refused, OpenError::StateBehindLog { .. }), "{refused:?}");
}

#[tokio::test]
async fn second_process_is_kept_out_of_the_folder() {
    let place = folder();
    let store = open(place.path());
    let refused = confman_store::open(place.path(), &Options::default())
        .err()
        .expect("an error");
    assert!(
        matches!(refused, OpenError::Identity(IdentityError::Locked { .. })),
        "{refused:?}"
    );
    let reader = store.reader.clone();
    drop(store);
    assert!(
        confman_store::open(place.path(), &Options::default()).is_err(),
        "a reader still uses it"
    );
    drop(reader);
    open(place.path());
}

#[tokio::test]
async fn identity_stays_and_counts_its_starts() {
    let place = folder();
    let first = open(place.path()).identity.get();
    assert!(first.node_id > 0 && first.node_id < 1 << 53);
    let store = open(place.path());
    let second = store.identity.get();
    assert_eq!(
        (second.node_id, second.incarnation),
        (first.node_id, first.incarnation + 1)
    );
    let cluster = ClusterId::parse("c1").expect("an id");
    store.identity.set_cluster_id(&cluster).expect("bound");
    store.identity.set_cluster_id(&cluster).expect("bound already");
    let other = ClusterId::parse("c2").expect("an id");
    assert!(matches!(
        store.identity.set_cluster_id(&other),
        Err(IdentityError::OtherCluster { .. })
    ));
    drop(store);
    assert_eq!(open(place.path()).identity.get().cluster_id, Some(cluster));
}
