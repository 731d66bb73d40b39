//! The replicated state on RocksDB: applies committed entries in chunks, one batch a chunk, and answers who proposed.

mod generation;
mod overlay;
mod replay;
mod replica_hash;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use confman_core::apply::apply;
use confman_core::cluster::ClusterRecord;
use confman_core::ids::LogPosition;
use confman_core::proposal::Command;
use futures::{Stream, TryStreamExt as _};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use parking_lot::Mutex;
use rocksdb::Cache;
use tokio::sync::watch;

#[cfg(test)]
pub(crate) use self::generation::LARGE_VALUE_BYTES;
pub(crate) use self::generation::{Generation, decode_row};
pub use self::generation::{GenerationError, ReadError};
use self::overlay::Overlay;
pub(crate) use self::replay::Replay;
pub use self::replay::ReplayError;
pub use self::replica_hash::ReplicaHash;
use self::replica_hash::{Diverged, RowHash};
use crate::Options;
use crate::apply_observer::{ApplyStep, Observed};
use crate::codec::{AppliedRow, CodecError};
use crate::fault::FaultHandle;
use crate::identity::FolderLock;
use crate::keys::{self, Family};
use crate::snapshot::{SnapshotBuilder, SnapshotDir, install};
use crate::stats::Counters;
use crate::types::{Answer, Entry, LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig, Verdict, log_position};
use crate::view::rows::{NamespaceMap, View};

/// Most entries that one batch takes: bounds how long the first of them waits for its answer, and how long apply holds
/// its thread.
const CHUNK_ENTRIES: usize = 256;
/// Bytes after which a batch is written.
const CHUNK_BYTES: usize = 4 << 20;

/// One state that readers may see: database, namespaces and position that belong together.
pub(crate) struct Published {
    pub(crate) generation: Arc<Generation>,
    pub(crate) namespaces: Arc<NamespaceMap>,
    pub(crate) cluster: Option<Arc<ClusterRecord>>,
    pub(crate) applied: AppliedRow,
}

impl Published {
    /// What `generation` holds.
    pub(crate) fn load(generation: Arc<Generation>) -> Result<Self, ReadError> {
        let applied = generation.applied()?;
        let mut namespaces = NamespaceMap::new();
        let mut rows = generation.database().raw_iterator_cf(generation.family(Family::State));
        rows.seek([keys::NAMESPACES]);
        while let Some((key, value)) = rows.item() {
            if key.first() != Some(&keys::NAMESPACES) {
                break;
            }
            let namespace: confman_core::namespace::ConfigNamespace = generation::decode_row(key, value)?;
            namespaces.insert(namespace.path.clone(), Arc::new(namespace));
            rows.next();
        }
        rows.status().map_err(ReadError::Access)?;
        drop(rows);
        let cluster = generation.record(Family::State, keys::CLUSTER)?.map(Arc::new);
        Ok(Self {
            generation,
            namespaces: Arc::new(namespaces),
            cluster,
            applied,
        })
    }

    /// Position of the last applied entry.
    pub(crate) fn position(&self) -> Option<LogPosition> {
        self.applied.last_applied.as_ref().map(log_position)
    }
}

/// What state machine, readers and snapshot builders share.
pub(crate) struct StateShared {
    published: ArcSwap<Published>,
    position: watch::Sender<Option<LogPosition>>,
    /// The newest snapshot.
    pub(crate) snapshot: Mutex<Option<SnapshotDir>>,
    /// Held while a snapshot is built or installed, which may take seconds.
    pub(crate) making_snapshot: Mutex<()>,
    pub(crate) state_folder: PathBuf,
    pub(crate) snapshots_folder: PathBuf,
    pub(crate) options: Options,
    pub(crate) cache: Cache,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultHandle,
    /// Who looks on while entries are applied.
    pub(crate) observed: Observed,
    _lock: Arc<FolderLock>,
}

/// What the state is opened with.
pub(crate) struct StateParts {
    pub(crate) state_folder: PathBuf,
    pub(crate) snapshots_folder: PathBuf,
    pub(crate) options: Options,
    pub(crate) cache: Cache,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultHandle,
    pub(crate) lock: Arc<FolderLock>,
}

impl StateShared {
    pub(crate) fn new(parts: StateParts, published: Published, snapshot: Option<SnapshotDir>) -> Arc<Self> {
        let StateParts {
            state_folder,
            snapshots_folder,
            options,
            cache,
            counters,
            fault,
            lock,
        } = parts;
        Arc::new(Self {
            position: watch::Sender::new(published.position()),
            published: ArcSwap::from_pointee(published),
            snapshot: Mutex::new(snapshot),
            making_snapshot: Mutex::new(()),
            state_folder,
            snapshots_folder,
            options,
            cache,
            counters,
            fault,
            observed: Observed::default(),
            _lock: lock,
        })
    }

    /// The state that readers see now.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Lets readers see `state`.
    pub(crate) fn publish(&self, state: Published) {
        let position = state.position();
        self.published.store(Arc::new(state));
        self.position.send_replace(position);
    }

    pub(crate) fn watch_position(&self) -> watch::Receiver<Option<LogPosition>> {
        self.position.subscribe()
    }

    /// Opens the generation in `folder`.
    pub(crate) fn open_generation(&self, folder: &Path) -> Result<Generation, GenerationError> {
        Generation::open(folder, &self.options, &self.cache)
    }
}

/// Why a committed entry could not be applied. Each of these stops the node: skipping the entry would make it differ.
#[derive(Debug, thiserror::Error)]
enum ApplyError {
    #[error("failed to decode the proposal at index {index}")]
    Decode {
        index: u64,
        #[source]
        source: CodecError,
    },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("failed to write the state")]
    Write(#[source] rocksdb::Error),
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

impl ApplyError {
    /// The text with those of its causes.
    fn with_causes(&self) -> String {
        let mut detail = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            detail = format!("{detail}: {error}");
            cause = error.source();
        }
        detail
    }
}

/// Entries of one batch.
struct Chunk {
    started: Instant,
    view: View<Overlay>,
    applied: AppliedRow,
    answers: Vec<(Option<ApplyResponder<TypeConfig>>, Answer)>,
    /// Nobody is left that could be right instead.
    is_alone: bool,
}

impl Chunk {
    fn over(base: Arc<Published>) -> Self {
        Self {
            started: Instant::now(),
            applied: base.applied.clone(),
            view: View::over(base),
            answers: Vec::new(),
            is_alone: false,
        }
    }

    /// For what is left of a cluster.
    fn alone(base: Arc<Published>) -> Self {
        Self {
            is_alone: true,
            ..Self::over(base)
        }
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= CHUNK_ENTRIES || self.view.batch_bytes() >= CHUNK_BYTES
    }

    fn add(
        &mut self,
        entry: Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
        observed: &Observed,
    ) -> Result<(), ApplyError> {
        let position = log_position(&entry.log_id);
        if self.answers.is_empty() {
            self.started = Instant::now();
        }
        let mut written = RowHash::default();
        let verdict = match entry.payload {
            EntryPayload::Blank => None,
            EntryPayload::Normal(proposal) => {
                let proposal = proposal.decode().map_err(|source| ApplyError::Decode {
                    index: position.index,
                    source,
                })?;
                let started = Instant::now();
                let applied = apply(&self.view, position, &proposal)?;
                observed.step(ApplyStep::Decided {
                    position,
                    command: &proposal.command,
                    applied: &applied,
                    started,
                });
                if let Command::CompareReplicas(comparison) = proposal.command {
                    if self.is_alone {
                        self.applied.replica_hash.note(position.index);
                    } else {
                        self.applied.replica_hash.compare(position.index, comparison)?;
                    }
                }
                written = self.view.write(applied.changes)?;
                Some(applied.result) as Option<Verdict>
            }
            EntryPayload::Membership(membership) => {
                self.applied.membership = StoredMembership::new(Some(entry.log_id), membership);
                None
            }
        };
        self.applied.replica_hash.add(position.index, written);
        self.applied.last_applied = Some(entry.log_id);
        self.answers.push((responder, Answer { position, verdict }));
        Ok(())
    }

    fn commit(self, shared: &StateShared) -> Result<(), ApplyError> {
        let published = self.view.commit(self.applied).map_err(ApplyError::Write)?;
        shared.publish(published);
        shared.observed.step(ApplyStep::Written { started: self.started });
        for (responder, answer) in self.answers {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }
}

/// The state machine that openraft drives.
pub struct StateMachine {
    shared: Arc<StateShared>,
}

impl StateMachine {
    pub(crate) fn new(shared: Arc<StateShared>) -> Self {
        Self { shared }
    }

    fn failed(&self, error: &ApplyError) -> io::Error {
        self.shared.fault.raise("apply the log", &error.with_causes()).into()
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotDir;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let AppliedRow {
            last_applied,
            membership,
            replica_hash: _,
        } = self.shared.published().applied.clone();
        Ok((last_applied, membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        self.shared.fault.check()?;
        let mut at_end = false;
        while !at_end {
            let mut chunk = Chunk::over(self.shared.published());
            while !at_end && !chunk.is_full() {
                match entries.try_next().await? {
                    Some((entry, responder)) => chunk
                        .add(entry, responder, &self.shared.observed)
                        .map_err(|error| self.failed(&error))?,
                    None => at_end = true,
                }
            }
            if !chunk.answers.is_empty() {
                chunk.commit(&self.shared).map_err(|error| self.failed(&error))?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(Arc::clone(&self.shared))
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotDir) -> io::Result<()> {
        self.shared.fault.check()?;
        let shared = Arc::clone(&self.shared);
        let meta = meta.clone();
        let installed = tokio::task::spawn_blocking(move || install(&shared, &meta, &snapshot)).await;
        installed
            .map_err(io::Error::other)?
            .map_err(|error| self.shared.fault.raise("install a snapshot", &error).into())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let current = self.shared.snapshot.lock().clone();
        Ok(current.map(|snapshot| Snapshot {
            meta: snapshot.manifest().meta.clone(),
            snapshot,
        }))
    }
}
