//! Sizes and times of the store, with their defaults.

/// How much memory and disk the store takes. The defaults keep an idle node under 100 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Newest log entries kept in memory for replication and apply, in bytes. Entries that are not on disk yet are kept
    /// beyond it. Default 32 MiB.
    pub tail_cache_bytes: usize,
    /// RocksDB block cache shared by both databases, in bytes. Default 32 MiB.
    pub block_cache_bytes: usize,
    /// Write buffer of the log, in bytes; two of them at most. Default 16 MiB.
    pub log_write_buffer_bytes: usize,
    /// Write buffers of the state, all together, in bytes. Default 32 MiB. A crash replays at most about this much.
    pub state_write_buffer_bytes: usize,
    /// Largest batch that the log writes at once, in bytes. Default 4 MiB.
    pub flush_batch_bytes: usize,
    /// Most bytes of entries in one answer to `limited_get_log_entries`. Default 1 MiB.
    pub read_batch_bytes: usize,
    /// How far the durability floor may lag behind the last acknowledged entry, in milliseconds. Default 100.
    pub floor_lag_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tail_cache_bytes: 32 << 20,
            block_cache_bytes: 32 << 20,
            log_write_buffer_bytes: 16 << 20,
            state_write_buffer_bytes: 32 << 20,
            flush_batch_bytes: 4 << 20,
            read_batch_bytes: 1 << 20,
            floor_lag_ms: 100,
        }
    }
}
