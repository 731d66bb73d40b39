//! Sizes of the store and what it has written.

use std::sync::atomic::Ordering;

use confman_store::StoreStats;
use prometheus_client::metrics::counter::Counter;

use super::register::{Level, Register, set};
use crate::room::Room;

pub(super) struct StoreMetrics {
    free_bytes: Level,
    is_full: Level,
    log_bytes: Level,
    state_bytes: Level,
    memory_bytes: Level,
    tail_cache_bytes: Level,
    queued_bytes: Level,
    since_snapshot_bytes: Level,
    appended_entries: Counter,
    flushed_entries: Counter,
    synced_batches: Counter,
}

impl StoreMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            free_bytes: register.level("volume_free_bytes", "Bytes of the volume that are free to the node."),
            is_full: register.level(
                "storage_full",
                "1 while writes are refused because the volume is almost full.",
            ),
            log_bytes: register.level("log_disk_bytes", "Size of the log on disk."),
            state_bytes: register.level("state_disk_bytes", "Size of the state on disk."),
            memory_bytes: register.level("rocksdb_memory_bytes", "Memory of the storage engine."),
            tail_cache_bytes: register.level("log_tail_cache_bytes", "Log entries kept in memory."),
            queued_bytes: register.level("log_queued_bytes", "Log entries that wait for the disk."),
            since_snapshot_bytes: register.level("log_since_snapshot_bytes", "Log since the last snapshot."),
            appended_entries: register.counter("log_appended_entries", "Entries handed to the log since the start."),
            flushed_entries: register.counter("log_flushed_entries", "Entries made durable since the start."),
            synced_batches: register.counter("log_synced_batches", "Batches written and synced since the start."),
        }
    }

    pub(super) fn sample(&self, stats: &StoreStats, room: &Room) {
        set(&self.free_bytes, room.free_bytes());
        set(&self.is_full, u64::from(room.is_short()));
        set(&self.log_bytes, stats.log_disk_bytes());
        set(&self.state_bytes, stats.state_disk_bytes());
        set(&self.memory_bytes, stats.rocksdb_memory_bytes());
        set(&self.tail_cache_bytes, stats.tail_cache_bytes());
        set(&self.queued_bytes, stats.queued_bytes());
        set(&self.since_snapshot_bytes, stats.log_bytes_since_snapshot());
        count(&self.appended_entries, stats.appended_entries());
        count(&self.flushed_entries, stats.flushed_entries());
        count(&self.synced_batches, stats.synced_batches());
    }
}

/// The store counts for itself; the counter shows what it has counted.
fn count(counter: &Counter, total: u64) {
    counter.inner().store(total, Ordering::Relaxed);
}
