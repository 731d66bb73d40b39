//! The replicated state of a member: the real rules over the core's state in memory, written to the volume now and then.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use confman_core::apply::apply;
use confman_core::ids::Timestamp;
use confman_core::memory::MemoryState;
use confman_core::state::{Change, StateView as _};
use futures::{Stream, TryStreamExt as _};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::planted::{Mistake, is_planted};
use crate::record::{AppliedEntry, Event, Record};
use crate::runtime;
use crate::types::{Answer, Entry, LogId, NodeId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig, position_of};
use crate::volume::Volume;

/// One batch of so many is written to the volume.
const BATCHES_A_WRITE: u32 = 8;

/// The state, how far it is applied, and a hash of all that led to it.
#[derive(Clone, Debug, Default)]
pub struct StoredState {
    /// What the rules have written.
    pub memory: MemoryState,
    /// The last applied entry.
    pub applied: Option<LogId>,
    /// The last applied membership.
    pub membership: StoredMembership,
    /// Differs where entries, verdicts or changes before it did.
    pub history: u64,
}

impl StoredState {
    /// Applies `entry`.
    pub fn apply(&mut self, entry: &Entry) -> AppliedEntry {
        let position = position_of(&entry.log_id);
        let mut verdict = None;
        let mut changes = Vec::new();
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(proposed) => {
                let Ok(applied) = apply(&self.memory, position, &proposed.0);
                verdict = Some(applied.result);
                changes = applied.changes;
                self.memory.commit(changes.clone());
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            }
        }
        self.applied = Some(entry.log_id);
        let mut hash = Hashed(DefaultHasher::new());
        hash.0.write_u64(self.history);
        // Writing to a hash never fails.
        let _ = write!(hash, "{:?}{verdict:?}{changes:?}", entry.log_id);
        self.history = hash.0.finish();
        AppliedEntry {
            entry: entry.clone(),
            verdict,
            changes,
            history: self.history,
        }
    }

    /// Index of the last applied entry; 0 before the first.
    pub fn index(&self) -> u64 {
        self.applied.map_or(0, |log_id| log_id.index)
    }

    /// Drops what came of every call.
    pub fn forget_calls(&mut self) {
        let Ok(calls) = self
            .memory
            .ended_idempotency(Timestamp::from_millis(i64::MAX), usize::MAX);
        let gone = calls
            .into_iter()
            .map(|(ends_at, key)| Change::DeleteIdempotency { ends_at, key });
        self.memory.commit(gone.collect());
    }
}

struct Hashed(DefaultHasher);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The state of a running process, as its readers see it.
pub type Visible = Arc<Mutex<StoredState>>;

/// What openraft drives.
pub struct StateMachine {
    member: NodeId,
    visible: Visible,
    volume: Volume,
    record: Record,
    random: SmallRng,
}

impl StateMachine {
    /// The state that is on `volume`.
    pub fn open(member: NodeId, volume: Volume, record: Record) -> Self {
        Self {
            member,
            visible: Arc::new(Mutex::new(StoredState::clone(&volume.state()))),
            volume,
            record,
            random: runtime::random(),
        }
    }

    /// What readers see.
    pub fn visible(&self) -> Visible {
        Arc::clone(&self.visible)
    }

    fn apply_one(&self, entry: &Entry) -> io::Result<Answer> {
        let is_proposal = matches!(entry.payload, EntryPayload::Normal(_));
        let position = position_of(&entry.log_id);
        if is_proposal && self.volume.is_damaged() {
            if !is_planted(Mistake::DamagedEntrySkipped) {
                return Err(io::Error::other("an entry is damaged"));
            }
            self.volume.repair();
            self.visible.lock().applied = Some(entry.log_id);
            let verdict = None;
            return Ok(Answer { position, verdict });
        }
        let applied = self.visible.lock().apply(entry);
        let verdict = applied.verdict.clone();
        self.record.add(Event::Applied {
            member: self.member,
            applied: Box::new(applied),
        });
        Ok(Answer { position, verdict })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = Arc<StoredState>;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = self.visible.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        while let Some((entry, responder)) = entries.try_next().await? {
            answers.push((self.apply_one(&entry)?, responder));
        }
        if self.random.random_ratio(1, BATCHES_A_WRITE) {
            self.volume.write_state(&self.visible.lock());
        }
        for (answer, responder) in answers {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            state: Arc::new(self.visible.lock().clone()),
            volume: self.volume.clone(),
        }
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta, snapshot: Arc<StoredState>) -> io::Result<()> {
        if is_planted(Mistake::SnapshotHalfInstalled) {
            let memory = self.visible.lock().memory.clone();
            let half = StoredState {
                memory,
                ..StoredState::clone(&snapshot)
            };
            self.volume.write_snapshot(&Arc::new(half));
        }
        runtime::sleep(Duration::from_millis(self.random.random_range(1..400))).await;
        self.volume.write_snapshot(&snapshot);
        *self.visible.lock() = StoredState::clone(&snapshot);
        self.record.count("snapshots installed");
        self.record.add(Event::Installed {
            member: self.member,
            index: snapshot.index(),
        });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        Ok(self.volume.snapshot().map(whole))
    }
}

/// Makes a snapshot of the state as it was when it was asked for.
pub struct SnapshotBuilder {
    state: Arc<StoredState>,
    volume: Volume,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = Arc<StoredState>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        runtime::sleep(Duration::from_millis(20)).await;
        if self
            .volume
            .snapshot()
            .is_none_or(|newest| newest.index() < self.state.index())
        {
            self.volume.write_snapshot(&self.state);
        }
        Ok(whole(Arc::clone(&self.state)))
    }
}

fn whole(state: Arc<StoredState>) -> Snapshot {
    Snapshot {
        meta: SnapshotMeta {
            last_log_id: state.applied,
            last_membership: state.membership.clone(),
        },
        snapshot: state,
    }
}
