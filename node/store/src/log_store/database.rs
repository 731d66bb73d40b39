//! The RocksDB of the log: its options, and what it holds when it is opened.

use std::path::Path;

use rocksdb::statistics::StatsLevel;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, LogLevel, WriteBatch, WriteOptions,
};

use crate::Options;
use crate::codec::{self, CodecError, Record};
use crate::keys;
use crate::types::{Entry, LogId, Vote};

/// Why the log could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// RocksDB cannot open it: a damaged or missing file, or no access.
    #[error(
        "failed to open the log: {0}; if a file of it is damaged or gone, this node may have forgotten what it \
         acknowledged: empty its data folder, so that it joins as a new member"
    )]
    Open(#[source] rocksdb::Error),
    /// RocksDB cannot read or write it.
    #[error("failed to access the log")]
    Access(#[source] rocksdb::Error),
    /// A record of it cannot be decoded.
    #[error("failed to decode {row} of the log")]
    Decode {
        /// Which row.
        row: String,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// Another format.
    #[error(
        "the log has format {found}, this binary reads format {}; use the binary that wrote it or a newer one",
        keys::FORMAT
    )]
    Format {
        /// The format found.
        found: u32,
    },
    /// An entry that must be there is not.
    #[error(
        "entry {index} of the log is missing; empty the data folder of this node, so that it joins as a new member"
    )]
    Hole {
        /// Its index.
        index: u64,
    },
}

/// What the log holds when it is opened.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    /// Index of the first entry, or the one that it would have.
    pub(super) first: u64,
    pub(super) last: Option<LogId>,
}

fn options(settings: &Options) -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A torn end is what a crash leaves and was never acknowledged. Damage before the end makes opening fail: the mode
    // "point in time" would silently drop every acknowledged entry after it.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(4 * settings.log_write_buffer_bytes as u64);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

fn families(settings: &Options, cache: &Cache) -> [ColumnFamilyDescriptor; 2] {
    let family = |write_buffer_bytes| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_block_size(16 << 10);
        let mut options = rocksdb::Options::default();
        options.set_write_buffer_size(write_buffer_bytes);
        options.set_max_write_buffer_number(2);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_block_based_table_factory(&blocks);
        options
    };
    [
        ColumnFamilyDescriptor::new(keys::LOG, family(settings.log_write_buffer_bytes)),
        ColumnFamilyDescriptor::new(keys::META, family(1 << 20)),
    ]
}

/// Opens the database in `folder`; also the options, which carry its statistics.
pub(super) fn open(folder: &Path, settings: &Options, cache: &Cache) -> Result<(DB, rocksdb::Options), LogError> {
    let options = options(settings);
    let database = DB::open_cf_descriptors(&options, folder, families(settings, cache)).map_err(LogError::Open)?;
    let format = database
        .get_cf(meta_family(&database), keys::LOG_FORMAT)
        .map_err(LogError::Access)?;
    if let Some(bytes) = format {
        check_format(&bytes)?;
    } else {
        let mut batch = WriteBatch::default();
        batch.put_cf(meta_family(&database), keys::LOG_FORMAT, keys::FORMAT.to_le_bytes());
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        database.write_opt(batch, &synced).map_err(LogError::Access)?;
    }
    Ok((database, options))
}

fn check_format(bytes: &[u8]) -> Result<(), LogError> {
    let found = bytes.try_into().map_or(0, u32::from_le_bytes);
    if found == keys::FORMAT {
        Ok(())
    } else {
        Err(LogError::Format { found })
    }
}

/// The family of the entries.
pub(super) fn log_family(database: &DB) -> &ColumnFamily {
    database.cf_handle(keys::LOG).expect("opened with this family")
}

/// The family of vote, purged and committed.
pub(super) fn meta_family(database: &DB) -> &ColumnFamily {
    database.cf_handle(keys::META).expect("opened with this family")
}

/// Reads what the log holds.
pub(super) fn recover(database: &DB) -> Result<Recovered, LogError> {
    let purged: Option<LogId> = meta_row(database, keys::PURGED)?;
    let mut entries = database.raw_iterator_cf(log_family(database));
    // The range before is full of tombstones; nothing may be left in it.
    let first_index = purged.map_or(0, |purged| purged.index + 1);
    entries.seek(keys::log_entry(first_index));
    let first = current(&mut entries)?.map(|entry| entry.log_id.index);
    entries.seek_to_last();
    let last = current(&mut entries)?.map(|entry| entry.log_id);
    if let (Some(_), Some(first)) = (purged, first)
        && first != first_index
    {
        return Err(LogError::Hole { index: first_index });
    }
    Ok(Recovered {
        vote: meta_row(database, keys::VOTE)?,
        committed: meta_row(database, keys::COMMITTED)?,
        purged,
        first: first.unwrap_or(first_index),
        last: last.or(purged),
    })
}

fn meta_row<R: Record>(database: &DB, key: &[u8]) -> Result<Option<R>, LogError> {
    let row = database
        .get_pinned_cf(meta_family(database), key)
        .map_err(LogError::Access)?;
    row.map(|bytes| codec::decode_slice(&bytes))
        .transpose()
        .map_err(|source| LogError::Decode {
            row: String::from_utf8_lossy(key).into_owned(),
            source,
        })
}

fn current(entries: &mut DBRawIterator<'_>) -> Result<Option<Entry>, LogError> {
    match entries.item() {
        Some((key, value)) => decode_entry(key, value).map(Some),
        None => entries.status().map(|()| None).map_err(LogError::Access),
    }
}

fn decode_entry(key: &[u8], value: &[u8]) -> Result<Entry, LogError> {
    let index = keys::log_index(key);
    // The payload of the entry keeps a slice of these bytes.
    codec::decode(bytes::Bytes::copy_from_slice(value)).map_err(|source| LogError::Decode {
        row: format!("entry {index:?}"),
        source,
    })
}

/// Entries from `start` on, without a gap, up to `end` (exclusive) and about `limit_bytes`, at least one if there is
/// one.
pub(super) fn read(database: &DB, start: u64, end: u64, limit_bytes: usize) -> Result<Vec<Entry>, LogError> {
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut next = start;
    let mut entries = database.raw_iterator_cf(log_family(database));
    entries.seek(keys::log_entry(start));
    while next < end {
        let Some((key, value)) = entries.item() else {
            entries.status().map_err(LogError::Access)?;
            break;
        };
        if keys::log_index(key) != Some(next) {
            break;
        }
        bytes += value.len();
        if !found.is_empty() && bytes > limit_bytes {
            break;
        }
        let entry = decode_entry(key, value)?;
        if entry.log_id.index != next {
            return Err(LogError::Hole { index: next });
        }
        found.push(entry);
        next += 1;
        entries.next();
    }
    Ok(found)
}
