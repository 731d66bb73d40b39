//! Opens a data folder: lock, identity, floor, log, state, in this order, each checked against the ones before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rocksdb::Cache;

use crate::backup::BackupSource;
use crate::fault::FaultHandle;
use crate::identity::{FolderLock, IdentityError, IdentityFile};
use crate::log_store::{FloorFile, LogParts, LogStore, OpenLogError, OpenedLog};
use crate::snapshot::{SnapshotError, SnapshotInbox, build, open_state};
use crate::state_machine::{StateMachine, StateParts, StateShared};
use crate::stats::{Counters, StoreStats, property};
use crate::types::LogId;
use crate::view::StateReader;
use crate::{Options, durable};

/// Folder in which a recovery makes the new data.
pub(crate) const RECOVERED: &str = "recovered";

/// Why a data folder was refused. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder cannot be made.
    #[error("failed to create {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The identity or the lock.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The durability floor.
    #[error(
        "failed to read {}, which says what this node has acknowledged; restore the file, or empty the data folder, so \
         that this node joins as a new member",
        path.display()
    )]
    Floor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The log.
    #[error("failed to open the log of this node")]
    Log(#[from] OpenLogError),
    /// The state or its snapshot.
    #[error("failed to open the state of this node")]
    State(#[source] SnapshotError),
    /// A recovery did not end.
    #[error("a recovery or restore of {} was interrupted; run `confman-node recover` or `restore` again as before, it goes on where it was", folder.display())]
    Recovering {
        /// The folder.
        folder: PathBuf,
    },
    /// The state ends before the log begins.
    #[error(
        "the state of this node ends at {applied}, but its log was purged up to {purged}: what lies between is gone; \
         empty the data folder, so that this node joins as a new member"
    )]
    StateBehindLog {
        /// End of the state.
        applied: String,
        /// What was purged.
        purged: LogId,
    },
}

/// An open data folder. Every part but the log and the state machine is cheap to clone; the folder is free again once
/// all of them are gone.
pub struct Store {
    /// The log, for openraft.
    pub log: LogStore,
    /// The state machine, for openraft.
    pub state_machine: StateMachine,
    /// Reads the state.
    pub reader: StateReader,
    /// Who this node is.
    pub identity: IdentityFile,
    /// What a backup holds.
    pub backup: BackupSource,
    /// Where snapshots of others are received.
    pub inbox: SnapshotInbox,
    /// Numbers for metrics.
    pub stats: StoreStats,
    /// Tells when the process must end.
    pub fault: FaultHandle,
}

/// Opens the data folder `folder`, or makes a new one. Blocking; takes as long as the log has to replay.
pub fn open(folder: &Path, options: &Options) -> Result<Store, OpenError> {
    make_folder(folder)?;
    let lock = Arc::new(FolderLock::take(folder)?);
    if folder.join(RECOVERED).exists() {
        return Err(OpenError::Recovering {
            folder: folder.to_owned(),
        });
    }
    open_locked(folder, options, lock)
}

/// The same for who holds the lock.
pub(crate) fn open_locked(folder: &Path, options: &Options, lock: Arc<FolderLock>) -> Result<Store, OpenError> {
    let [log_folder, state_folder, snapshots_folder] = ["log", "state", "snapshots"].map(|name| folder.join(name));
    let is_new = !log_folder.exists() && !state_folder.exists();
    // Before the floor: a new one would overwrite what this node has acknowledged.
    IdentityFile::check_not_lost(folder, is_new)?;
    let floor = open_floor(folder)?;
    let identity = IdentityFile::open(folder)?;
    for folder in [&log_folder, &state_folder, &snapshots_folder] {
        make_folder(folder)?;
    }
    let counters = Arc::new(Counters::default());
    let fault = FaultHandle::new();
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let log_parts = LogParts {
        folder: &log_folder,
        options,
        cache: &cache,
        counters: Arc::clone(&counters),
        fault: fault.clone(),
        lock: Arc::clone(&lock),
    };
    let log = LogStore::open(log_parts, floor)?;
    let (published, snapshot) =
        open_state(&state_folder, &snapshots_folder, options, &cache).map_err(OpenError::State)?;
    let parts = StateParts {
        state_folder,
        snapshots_folder,
        options: options.clone(),
        cache,
        counters: Arc::clone(&counters),
        fault: fault.clone(),
        lock,
    };
    let state = StateShared::new(parts, published, snapshot);
    match_state_and_log(&state, &log)?;
    estimate_log_bytes(&counters, &log);
    Ok(Store {
        reader: StateReader::new(Arc::clone(&state)),
        backup: BackupSource::new(Arc::clone(&state), log.store.clone()),
        inbox: SnapshotInbox::new(Arc::clone(&state)),
        state_machine: StateMachine::new(Arc::clone(&state)),
        stats: StoreStats {
            counters,
            log: log.database,
            log_options: Arc::new(log.database_options),
            state,
        },
        log: log.store,
        identity,
        fault,
    })
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    durable::create_dir(folder).map_err(|source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

/// A folder with an identity has a floor: that is written first.
fn open_floor(folder: &Path) -> Result<FloorFile, OpenError> {
    let floor = if IdentityFile::exists(folder) {
        FloorFile::open(folder)
    } else {
        FloorFile::create(folder)
    };
    floor.map_err(|source| OpenError::Floor {
        path: folder.join("floor"),
        source,
    })
}

fn match_state_and_log(state: &StateShared, log: &OpenedLog) -> Result<(), OpenError> {
    let applied = state.published().applied.last_applied;
    let in_snapshot = state
        .snapshot
        .lock()
        .as_ref()
        .and_then(|snapshot| snapshot.manifest().meta.last_log_id);
    let covered = applied.max(in_snapshot);
    if let Some(purged) = log.purged.filter(|purged| covered < Some(*purged)) {
        let applied = covered.map_or_else(|| "nothing".to_owned(), |covered| covered.to_string());
        return Err(OpenError::StateBehindLog { applied, purged });
    }
    // A leader applies what a quorum has, also before its own disk does. If it crashes then, openraft purges the log up
    // to the state, and a purged log needs a snapshot that is as new.
    if applied > log.last && in_snapshot < applied {
        build(state).map_err(OpenError::State)?;
    }
    Ok(())
}

/// Nobody counted before this start, so the bytes on disk stand for what the log holds.
fn estimate_log_bytes(counters: &Counters, log: &OpenedLog) {
    let on_disk = property(&log.database, rocksdb::properties::ESTIMATE_LIVE_DATA_SIZE)
        + property(&log.database, rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES);
    counters.log_bytes.store(on_disk, Ordering::Relaxed);
}
