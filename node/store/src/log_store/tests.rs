//! A crash at every step of every write: what is on disk is a prefix of what was asked for, with all that was answered.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use openraft::entry::RaftEntry as _;
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftStateMachine as _};
use openraft::type_config::TypeConfigExt as _;
use openraft::{RaftLogReader as _, RaftSnapshotBuilder as _};

use super::flusher::Write;
use crate::Store;
use crate::test_store::{child_folder, crash_in, log_id, open};
use crate::types::{CommittedLeaderId, Entry, LogId, TypeConfig, Vote};

/// One call of the log.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// Entries from and up to these indexes, of this term.
    Append(u64, u64, u64),
    Vote(u64),
    TruncateAfter(u64),
    /// Builds a snapshot of the state as of this index first.
    Purge(u64),
    /// Waits until everything is durable, the floor included.
    Settle,
}

const SCRIPT: [Call; 13] = [
    Call::Append(0, 3, 3),
    Call::Vote(3),
    Call::Append(4, 6, 3),
    // From here on the floor knows of entry 6, so the truncation must lower it first.
    Call::Settle,
    Call::TruncateAfter(4),
    Call::Settle,
    Call::Append(5, 7, 4),
    Call::Vote(5),
    Call::Purge(3),
    Call::Append(8, 8, 5),
    Call::Settle,
    Call::TruncateAfter(7),
    Call::Append(8, 9, 6),
];
const STEPS: [&str; 4] = [
    "log-before-write",
    "log-after-write",
    "log-before-floor",
    "file-before-rename",
];

/// What a log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    entries: Vec<LogId>,
    vote: Option<Vote>,
    purged: Option<LogId>,
}

fn id(term: u64, index: u64) -> LogId {
    LogId {
        leader_id: CommittedLeaderId { term, node_id: 1 },
        index,
    }
}

impl Content {
    fn after(mut self, call: Call) -> Self {
        match call {
            Call::Append(first, last, term) => self.entries.extend((first..=last).map(|index| id(term, index))),
            Call::Vote(term) => self.vote = Some(Vote::new(term, 1)),
            Call::TruncateAfter(last) => self.entries.retain(|entry| entry.index <= last),
            Call::Purge(upto) => {
                self.purged = self.entries.iter().find(|entry| entry.index == upto).copied();
                self.entries.retain(|entry| entry.index > upto);
            }
            Call::Settle => {}
        }
        self
    }

    async fn of(store: &mut Store) -> Self {
        let state = store.log.get_log_state().await.expect("the log's bounds");
        let entries = store.log.try_get_log_entries(..).await.expect("the entries");
        let entries: Vec<LogId> = entries.iter().map(Entry::log_id).collect();
        let last = entries.last().copied().or(state.last_purged_log_id);
        assert_eq!(state.last_log_id, last, "bounds and entries differ");
        Self {
            entries,
            vote: store.log.read_vote().await.expect("the vote"),
            purged: state.last_purged_log_id,
        }
    }
}

async fn run(store: &mut Store, call: Call) {
    match call {
        Call::Append(first, last, term) => {
            let entries: Vec<Entry> = (first..=last).map(|index| Entry::new_blank(id(term, index))).collect();
            let (flushed, done) = TypeConfig::oneshot();
            let appended = store.log.append(entries, IOFlushed::signal(flushed)).await;
            appended.expect("the log takes entries");
            done.await.expect("an answer").expect("durable entries");
        }
        Call::Vote(term) => store.log.save_vote(&Vote::new(term, 1)).await.expect("a durable vote"),
        Call::TruncateAfter(last) => {
            let truncated = store.log.truncate_after(Some(id(3, last))).await;
            truncated.expect("a truncation");
        }
        Call::Purge(upto) => {
            let applied = (0..=upto).map(|index| Ok((Entry::new_blank(log_id(index)), None)));
            let applied = futures::stream::iter(applied.collect::<Vec<_>>());
            store.state_machine.apply(applied).await.expect("an applied log");
            let mut builder = store.state_machine.get_snapshot_builder().await;
            builder.build_snapshot().await.expect("a snapshot");
            store.log.purge(log_id(upto)).await.expect("a purge");
        }
        Call::Settle => store.log.close().await.expect("settled"),
    }
}

fn is_answered_when_durable(call: Call) -> bool {
    match call {
        Call::Append(..) | Call::Vote(_) | Call::Settle => true,
        Call::TruncateAfter(_) | Call::Purge(_) => false,
    }
}

#[tokio::test]
async fn child_writes() {
    let Some(folder) = child_folder() else { return };
    let mut answered = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("answered"))
        .expect("a file");
    let mut store = open(&folder.join("data"));
    for (number, call) in SCRIPT.into_iter().enumerate() {
        run(&mut store, call).await;
        if is_answered_when_durable(call) {
            writeln!(answered, "{}", number + 1).expect("a line");
        }
    }
    store.log.close().await.expect("a clean end");
}

/// How many calls of the script are known to be done.
fn answered(folder: &Path) -> usize {
    let lines = std::fs::read_to_string(folder.join("answered")).unwrap_or_default();
    lines.lines().last().map_or(0, |last| last.parse().expect("a number"))
}

#[tokio::test]
async fn crash_at_any_step_of_any_write_keeps_what_was_answered() {
    let mut states = vec![Content::default()];
    for call in SCRIPT {
        let before = states.last().cloned().unwrap_or_default();
        states.push(before.after(call));
    }
    for step in STEPS {
        let mut crashes = 0;
        loop {
            let folder = tempfile::tempdir().expect("a folder");
            let at = format!("{step}:{}", crashes + 1);
            let finished = crash_in("log_store::tests::child_writes", &at, folder.path()).success();
            let found = Content::of(&mut open(&folder.path().join("data"))).await;
            let done = answered(folder.path());
            assert!(
                states[done..].contains(&found),
                "{at}: {done} answered, found {found:?}"
            );
            if finished {
                assert_eq!(found, states[SCRIPT.len()], "{at}");
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 1, "{step} was reached {crashes} times");
    }
}

#[tokio::test]
async fn committed_is_durable_with_the_next_append() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    run(&mut store, Call::Append(0, 3, 3)).await;
    store.log.save_committed(Some(id(3, 2))).await.expect("queued");
    run(&mut store, Call::Append(4, 4, 3)).await;
    drop(store);
    let committed = open(folder.path()).log.read_committed().await.expect("a read");
    assert_eq!(committed, Some(id(3, 2)));
}

#[tokio::test]
async fn entry_that_does_not_follow_the_log_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    run(&mut store, Call::Append(0, 3, 3)).await;
    let gap = store.log.append([Entry::new_blank(id(3, 5))], IOFlushed::noop()).await;
    assert_eq!(gap.map_err(|error| error.kind()), Err(std::io::ErrorKind::InvalidInput));
    let state = store.log.get_log_state().await.expect("the log's bounds");
    assert_eq!(state.last_log_id, Some(id(3, 3)));
}

#[tokio::test]
async fn every_answered_write_was_synced_by_rocksdb() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let before = store.stats.wal_syncs();
    for index in 0..10 {
        run(&mut store, Call::Append(index, index, 3)).await;
        assert!(store.stats.wal_syncs() > before + index, "append {index}");
    }
    let before = store.stats.wal_syncs();
    run(&mut store, Call::Vote(4)).await;
    assert!(store.stats.wal_syncs() > before, "vote");
}

#[tokio::test]
async fn nothing_is_accepted_after_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    run(&mut store, Call::Append(0, 3, 3)).await;
    let first = store.fault.raise("write the log", &"no space left");
    assert_eq!(
        store.fault.raise("write the log", &"another"),
        first,
        "the first fault stays"
    );
    let (flushed, _done) = TypeConfig::oneshot();
    let appended = store
        .log
        .append([Entry::new_blank(id(3, 4))], IOFlushed::signal(flushed))
        .await;
    assert!(appended.is_err());
    assert!(store.log.save_vote(&Vote::new(9, 1)).await.is_err());
    assert!(store.log.close().await.is_err());
    let entries = futures::stream::iter([Ok((Entry::new_blank(log_id(0)), None))]);
    assert!(store.state_machine.apply(entries).await.is_err());
    assert_eq!(store.fault.wait().await, first);
    drop(store);
    let found = Content::of(&mut open(folder.path())).await;
    assert_eq!(found, Content::default().after(Call::Append(0, 3, 3)));
}

/// An append as the thread finds it when the fault came between the check and the queue: however fast the thread is, it
/// comes to this one after the fault.
fn queue_unchecked(store: &Store, index: u64, done: IOFlushed<TypeConfig>) {
    let write = Write::Append {
        entries: vec![Entry::new_blank(id(3, index))],
        bytes: 0,
        number: index + 1,
        done,
    };
    store.log.shared.queue.send(write).expect("the thread runs");
}

#[tokio::test]
async fn append_that_was_queued_before_a_fault_is_answered_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let mut answers = Vec::new();
    for index in 0..100 {
        let (flushed, done) = TypeConfig::oneshot();
        let appended = store
            .log
            .append([Entry::new_blank(id(3, index))], IOFlushed::signal(flushed))
            .await;
        if appended.is_ok() {
            answers.push(done);
        }
        if index == 50 {
            store.fault.raise("write the log", &"no space left");
            let (flushed, done) = TypeConfig::oneshot();
            queue_unchecked(&store, 51, IOFlushed::signal(flushed));
            answers.push(done);
        }
    }
    let (mut durable, mut refused) = (0, 0);
    for answer in answers {
        match answer.await.expect("everybody is answered") {
            Ok(()) => durable += 1,
            Err(error) => {
                assert!(error.to_string().contains("no space left"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "somebody waited behind the fault");
    drop(store);
    let found = Content::of(&mut open(folder.path())).await.entries.len();
    assert!(found >= durable, "{durable} were acknowledged, {found} are there");
}
