//! openraft's storage suite on RocksDB, and once more with the store closed and opened again before every read.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use confman_store::snapshot::SnapshotBuilder;
use confman_store::types::{Entry, LogId, Snapshot, SnapshotMeta, StoredMembership, Vote};
use confman_store::{LogStore, SnapshotDir, StateMachine, Store, TypeConfig};
use futures::{Stream, stream};
use openraft::entry::RaftEntry as _;
use openraft::storage::{EntryResponder, IOFlushed, LogState, RaftLogStorage, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt as _;
use openraft::{OptionalSend, RaftLogReader, RaftSnapshotBuilder, StorageError};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::fixtures::open;

type BuildError = StorageError<TypeConfig>;

fn build_error(error: &io::Error) -> BuildError {
    StorageError::read(TypeConfig::err_from_error(error))
}

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), BuildError> {
        let folder = tempfile::tempdir().map_err(|error| build_error(&error))?;
        let Store { log, state_machine, .. } = open(folder.path());
        Ok((folder, log, state_machine))
    }
}

#[tokio::test]
async fn openraft_finds_no_fault() {
    Suite::test_all(Fresh).await.expect("the storage contract holds");
}

#[tokio::test]
async fn openraft_finds_no_fault_after_reopening() {
    Suite::test_all(Reopened)
        .await
        .expect("the storage contract holds on disk alone");
}

/// A store that reads nothing from memory: only what is on disk counts.
#[derive(Clone)]
struct Forgetful {
    folder: Arc<Path>,
    store: Arc<Mutex<Option<Store>>>,
}

struct Reopened;

impl StoreBuilder<TypeConfig, Forgetful, Forgetful, [TempDir; 2]> for Reopened {
    async fn build(&self) -> Result<([TempDir; 2], Forgetful, Forgetful), BuildError> {
        // The suite purges logs whose state was never applied, which a real node refuses to open: two folders.
        let new = || tempfile::tempdir().map_err(|error| build_error(&error));
        let folders = [new()?, new()?];
        let [log, state] = folders.each_ref().map(|folder| Forgetful {
            folder: folder.path().into(),
            store: Arc::new(Mutex::new(Some(open(folder.path())))),
        });
        Ok((folders, log, state))
    }
}

impl Forgetful {
    /// The store as it is, for a write.
    async fn lock(&self) -> MutexGuard<'_, Option<Store>> {
        self.store.lock().await
    }

    /// The store opened anew, for a read.
    async fn reopen(&self) -> MutexGuard<'_, Option<Store>> {
        let mut store = self.store.lock().await;
        // Dropping the old one frees the folder.
        *store = None;
        *store = Some(open(&self.folder));
        store
    }
}

fn opened<'s>(store: &'s mut MutexGuard<'_, Option<Store>>) -> &'s mut Store {
    store.as_mut().expect("opened with the lock")
}

impl RaftLogReader<TypeConfig> for Forgetful {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        opened(&mut self.reopen().await).log.try_get_log_entries(range).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        opened(&mut self.reopen().await)
            .log
            .limited_get_log_entries(start, end)
            .await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        opened(&mut self.reopen().await).log.read_vote().await
    }
}

impl RaftLogStorage<TypeConfig> for Forgetful {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        opened(&mut self.reopen().await).log.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        opened(&mut self.lock().await).log.save_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        opened(&mut self.lock().await).log.save_committed(committed).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        opened(&mut self.reopen().await).log.read_committed().await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        opened(&mut self.lock().await).log.append(entries, callback).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        opened(&mut self.lock().await).log.truncate_after(last_log_id).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let mut store = self.lock().await;
        let store = opened(&mut store);
        let applied = Entry::new_blank(log_id);
        store.state_machine.apply(stream::iter([Ok((applied, None))])).await?;
        store.log.purge(log_id).await
    }
}

impl RaftStateMachine<TypeConfig> for Forgetful {
    type SnapshotData = SnapshotDir;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        opened(&mut self.reopen().await).state_machine.applied_state().await
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        opened(&mut self.lock().await).state_machine.apply(entries).await
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotDir) -> io::Result<()> {
        opened(&mut self.lock().await)
            .state_machine
            .install_snapshot(meta, snapshot)
            .await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        opened(&mut self.reopen().await)
            .state_machine
            .get_current_snapshot()
            .await
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Forgetful {
    type SnapshotData = SnapshotDir;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let mut store = self.lock().await;
        let mut builder: SnapshotBuilder = opened(&mut store).state_machine.get_snapshot_builder().await;
        builder.build_snapshot().await
    }
}
