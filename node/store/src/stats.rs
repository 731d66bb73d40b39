//! Counters and sizes of the store for metrics and for the snapshot trigger. All getters are cheap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use confman_core::proposal::Checkpoint;
use rocksdb::statistics::Ticker;
use rocksdb::{DB, properties};

use crate::apply_observer::ApplyObserver;
use crate::state_machine::StateShared;

/// What the writers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) synced_batches: AtomicU64,
    pub(crate) appended_entries: AtomicU64,
    pub(crate) flushed_entries: AtomicU64,
    pub(crate) queued_bytes: AtomicU64,
    pub(crate) tail_bytes: AtomicU64,
    /// Bytes of entries in the log, ever growing while the process lives.
    pub(crate) log_bytes: AtomicU64,
    /// `log_bytes` when the newest snapshot was made.
    pub(crate) log_bytes_at_snapshot: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn subtract(counter: &AtomicU64, amount: usize) {
        counter.fetch_sub(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn log_bytes_now(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// A snapshot was made or installed: the log from here on is what the next one will save.
    pub(crate) fn snapshot_made(&self, log_bytes: u64) {
        self.log_bytes_at_snapshot.store(log_bytes, Ordering::Relaxed);
    }
}

/// Numbers for metrics. Cheap to clone.
#[derive(Clone)]
pub struct StoreStats {
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Arc<DB>,
    pub(crate) log_options: Arc<rocksdb::Options>,
    pub(crate) state: Arc<StateShared>,
}

impl StoreStats {
    /// Lets `observer` look on while entries are applied; only the first one given does.
    pub fn observe_applies(&self, observer: ApplyObserver) {
        self.state.observed.set(observer);
    }

    /// What the last comparison of the replicas noted here; none before the first.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.state.published().applied.replica_hash.checkpoint.clone()
    }

    /// Bytes of log entries written since the newest snapshot; an estimate right after a start.
    pub fn log_bytes_since_snapshot(&self) -> u64 {
        let at_snapshot = self.counters.log_bytes_at_snapshot.load(Ordering::Relaxed);
        self.counters
            .log_bytes
            .load(Ordering::Relaxed)
            .saturating_sub(at_snapshot)
    }

    /// Batches that the log wrote and synced.
    pub fn synced_batches(&self) -> u64 {
        self.counters.synced_batches.load(Ordering::Relaxed)
    }

    /// Syncs of the log's WAL as RocksDB itself counts them.
    pub fn wal_syncs(&self) -> u64 {
        self.log_options.get_ticker_count(Ticker::WalFileSynced)
    }

    /// Entries handed to the log.
    pub fn appended_entries(&self) -> u64 {
        self.counters.appended_entries.load(Ordering::Relaxed)
    }

    /// Entries that the log has made durable.
    pub fn flushed_entries(&self) -> u64 {
        self.counters.flushed_entries.load(Ordering::Relaxed)
    }

    /// Bytes of entries that wait for the disk.
    pub fn queued_bytes(&self) -> u64 {
        self.counters.queued_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of entries in the tail cache.
    pub fn tail_cache_bytes(&self) -> u64 {
        self.counters.tail_bytes.load(Ordering::Relaxed)
    }

    /// Memory of RocksDB: write buffers of both databases, table readers, and the shared block cache.
    pub fn rocksdb_memory_bytes(&self) -> u64 {
        let generation = self.state.published().generation.clone();
        let of = |database: &DB| {
            property(database, properties::CUR_SIZE_ALL_MEM_TABLES)
                + property(database, properties::ESTIMATE_TABLE_READERS_MEM)
        };
        of(&self.log) + of(generation.database()) + property(&self.log, properties::BLOCK_CACHE_USAGE)
    }

    /// Bytes of the log's tables on disk, WAL not counted.
    pub fn log_disk_bytes(&self) -> u64 {
        property(&self.log, properties::TOTAL_SST_FILES_SIZE)
    }

    /// Bytes of the state's tables on disk, snapshots not counted (they share most files).
    pub fn state_disk_bytes(&self) -> u64 {
        let generation = self.state.published().generation.clone();
        property(generation.database(), properties::TOTAL_SST_FILES_SIZE)
    }
}

/// A number that RocksDB keeps, summed over the families; 0 if it does not know.
pub(crate) fn property(database: &DB, name: &properties::PropName) -> u64 {
    let families = [crate::keys::LOG, crate::keys::META]
        .into_iter()
        .chain(crate::keys::Family::ALL.map(crate::keys::Family::name));
    families
        .filter_map(|family| database.cf_handle(family))
        .filter_map(|family| database.property_int_value_cf(family, name).ok().flatten())
        .sum()
}
