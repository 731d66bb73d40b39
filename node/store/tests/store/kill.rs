//! `kill -9` while the log, the state and snapshots are written: nothing that was acknowledged is gone afterwards.
//!
//! A kill loses nothing that reached the kernel, so this says nothing about fsync: that is counted (see the tests of the
//! log) and cut off by real power cuts elsewhere.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use confman_store::types::{Entry, Vote};
use confman_store::{EncodedProposal, Store, TypeConfig};
use futures::stream;
use openraft::entry::RaftEntry as _;
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftStateMachine as _};
use openraft::type_config::TypeConfigExt as _;
use openraft::{EntryPayload, RaftLogReader as _, RaftSnapshotBuilder as _, StorageHelper};

use crate::fixtures::{entry, log_id, open};
use crate::samples::{proposal, put};

const FOLDER: &str = "CONFMAN_STORE_CHILD";
const TERM: &str = "CONFMAN_STORE_TERM";
const ROUNDS: u64 = 25;

/// Entry `index` as every leader writes it, so that its content can be checked.
fn written(term: u64, index: u64) -> Entry {
    let value = "v".repeat(usize::try_from(index * 37 % 3000).expect("small"));
    let proposal = proposal(put("/a", &format!("K{index}"), &value));
    entry(term, index, EntryPayload::Normal(EncodedProposal::encode(&proposal)))
}

async fn apply_up_to(store: &mut Store, index: u64) {
    let (applied, _) = store.state_machine.applied_state().await.expect("the state");
    let first = applied.map_or(0, |applied| applied.index + 1);
    let entries = store.log.try_get_log_entries(first..=index).await.expect("the log");
    let last = entries.last().map(Entry::log_id);
    let entries = stream::iter(entries.into_iter().map(|entry| Ok((entry, None))));
    store.state_machine.apply(entries).await.expect("applied");
    store.log.save_committed(last).await.expect("queued");
}

/// Writes until it is killed, up to eight appends at a time, and says what was acknowledged.
#[tokio::test]
async fn child_writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let term: u64 = std::env::var(TERM).expect("a term").parse().expect("a number");
    let mut store = open(&folder);
    recover(&mut store).await;
    let said = std::io::stdout();
    let say = |line: String| writeln!(said.lock(), "{line}").expect("the parent listens");
    store
        .log
        .save_vote(&Vote::new_committed(term, 1))
        .await
        .expect("a vote");
    say(format!("vote {term}"));
    let last = store.log.get_log_state().await.expect("bounds").last_log_id;
    let mut next = last.map_or(0, |last| last.index + 1);
    let mut waiting = VecDeque::new();
    loop {
        let count = 1 + next % 7;
        let entries: Vec<Entry> = (next..next + count).map(|index| written(term, index)).collect();
        next += count;
        let (flushed, done) = TypeConfig::oneshot();
        store
            .log
            .append(entries, IOFlushed::signal(flushed))
            .await
            .expect("taken");
        waiting.push_back((next - 1, done));
        if waiting.len() < 8 {
            continue;
        }
        let (index, done) = waiting.pop_front().expect("there are eight");
        done.await.expect("an answer").expect("durable");
        say(format!("ack {index}"));
        apply_up_to(&mut store, index).await;
        if index % 20 == 0 {
            let mut builder = store.state_machine.get_snapshot_builder().await;
            let snapshot = builder.build_snapshot().await.expect("a snapshot");
            let upto = snapshot.meta.last_log_id.expect("something was applied");
            store.log.purge(upto).await.expect("purged");
        }
    }
}

fn spawn(folder: &Path, term: u64) -> Child {
    Command::new(std::env::current_exe().expect("the test knows its own program"))
        .args(["--exact", "kill::child_writes_until_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(TERM, term.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test starts itself")
}

/// What a child said before it was killed, after about `acks` acknowledgements.
fn run_and_kill(folder: &Path, term: u64, acks: u64) -> (Option<u64>, u64) {
    let mut child = spawn(folder, term);
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut last, mut count) = (None, 0);
    for line in said.lines() {
        let line = line.expect("a line");
        if let Some(index) = line.strip_prefix("ack ") {
            last = Some(index.parse().expect("a number"));
            count += 1;
            if count == acks {
                child.kill().expect("the child is killed");
            }
        }
    }
    child.wait().expect("the child is gone");
    assert!(
        count >= acks,
        "the child ended by itself after {count} acknowledgements"
    );
    (last, count)
}

/// What openraft does at start, the replay of the state included.
async fn recover(store: &mut Store) {
    StorageHelper::new(&mut store.log, &mut store.state_machine)
        .with_id(1)
        .get_initial_state()
        .await
        .expect("openraft accepts what it finds");
}

async fn check(store: &mut Store, acknowledged: u64, term: u64) {
    recover(store).await;
    let state = store.log.get_log_state().await.expect("bounds");
    let last = state.last_log_id.expect("a log").index;
    assert!(
        last >= acknowledged,
        "the log ends at {last}, acknowledged was {acknowledged}"
    );
    let vote = store.log.read_vote().await.expect("a vote");
    assert_eq!(vote, Some(Vote::new_committed(term, 1)));
    let first = state.last_purged_log_id.map_or(0, |purged| purged.index + 1);
    let entries = store.log.try_get_log_entries(first..=last).await.expect("the log");
    assert_eq!(entries.len() as u64, last + 1 - first);
    for entry in entries {
        let found = entry.log_id();
        assert_eq!(entry, written(found.leader_id.term, found.index));
    }
    let (applied, _) = store.state_machine.applied_state().await.expect("the state");
    assert!(
        applied >= state.last_purged_log_id,
        "the state is behind the purged log"
    );
    assert!(applied <= Some(log_id(term, last)), "the state is ahead of the log");
}

#[tokio::test]
async fn killed_writer_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut total = 0;
    for round in 1..=ROUNDS {
        let acks = 1 + round * 31 % 97;
        let (last, count) = run_and_kill(folder.path(), round, acks);
        total += count;
        let mut store = open(folder.path());
        check(&mut store, last.expect("something was acknowledged"), round).await;
    }
    assert!(
        total > ROUNDS * 20,
        "{total} acknowledgements are too few to say anything"
    );
}
