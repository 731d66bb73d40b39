//! One RocksDB of the state: its options, its families, and the folder that goes when its last user has gone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, LogLevel, ReadOptions,
    WriteBatch, WriteOptions,
};

use crate::Options;
use crate::codec::{self, AppliedRow, CodecError, Record};
use crate::keys::{self, Family};

/// Why a row of the state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// RocksDB failed.
    #[error("failed to read the state")]
    Access(#[source] rocksdb::Error),
    /// A row cannot be decoded.
    #[error("failed to decode a row of the state with prefix {prefix:#04x}")]
    Decode {
        /// First byte of the row's key.
        prefix: u8,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// A row that another one points to is not there.
    #[error("a row of the state with prefix {prefix:#04x} is missing")]
    Missing {
        /// First byte of the row's key.
        prefix: u8,
    },
}

/// Why the state could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// RocksDB cannot open it.
    #[error("failed to open the state in {}", folder.display())]
    Open {
        /// Its folder.
        folder: PathBuf,
        /// What RocksDB says.
        #[source]
        source: rocksdb::Error,
    },
    /// Its format cannot be written.
    #[error("failed to write the format of the state")]
    Write(#[source] rocksdb::Error),
    /// Another format.
    #[error(
        "the state has format {found}, this binary reads format {}; use the binary that wrote it or a newer one",
        keys::FORMAT
    )]
    Format {
        /// The format found.
        found: u32,
    },
    /// A row of it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Removes the folder of a generation after its database is closed, if it was replaced.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    replaced: AtomicBool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(folder = %self.path.display(), %error, "failed to remove a replaced state; the next start will");
        }
    }
}

/// An open state.
pub(crate) struct Generation {
    // Fields are dropped in this order: the database closes before its folder goes.
    database: DB,
    folder: Folder,
}

fn options(settings: &Options) -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Without a WAL the families must reach the disk together, or "last applied" would lie after a crash.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(settings.state_write_buffer_bytes);
    options.set_max_background_jobs(2);
    options.set_max_open_files(512);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options
}

fn families(settings: &Options, cache: &Cache) -> [ColumnFamilyDescriptor; 3] {
    Family::ALL.map(|family| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        blocks.set_block_size(16 << 10);
        blocks.set_bloom_filter(10.0, false);
        let mut options = rocksdb::Options::default();
        options.set_write_buffer_size(settings.state_write_buffer_bytes / 2);
        options.set_max_write_buffer_number(2);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_block_based_table_factory(&blocks);
        match family {
            Family::History => {
                // Large values must not be copied by every compaction.
                options.set_enable_blob_files(true);
                options.set_min_blob_size(LARGE_VALUE_BYTES as u64);
                options.set_blob_compression_type(DBCompressionType::Zstd);
                options.set_enable_blob_gc(true);
            }
            Family::State | Family::Audit => {}
        }
        ColumnFamilyDescriptor::new(family.name(), options)
    })
}

/// Values from this size on are kept once, in blob files of the history; smaller ones also beside the live key.
pub(crate) const LARGE_VALUE_BYTES: usize = 4 << 10;

impl Generation {
    /// Opens the state in `folder`, or makes an empty one.
    pub(crate) fn open(folder: &Path, settings: &Options, cache: &Cache) -> Result<Self, GenerationError> {
        let database =
            DB::open_cf_descriptors(&options(settings), folder, families(settings, cache)).map_err(|source| {
                GenerationError::Open {
                    folder: folder.to_owned(),
                    source,
                }
            })?;
        let opened = Self::of(database, folder);
        if let Some(bytes) = opened.row(Family::State, keys::STATE_FORMAT)? {
            check_format(&bytes)?;
        } else {
            let mut batch = WriteBatch::default();
            let format = keys::FORMAT.to_le_bytes();
            batch.put_cf(opened.family(Family::State), keys::STATE_FORMAT, format);
            opened.write(batch).map_err(GenerationError::Write)?;
        }
        Ok(opened)
    }

    /// Reads how far the state in `folder` is, without changing it.
    pub(crate) fn peek(folder: &Path) -> Result<AppliedRow, GenerationError> {
        let names = Family::ALL.map(Family::name);
        let options = rocksdb::Options::default();
        let database =
            DB::open_cf_for_read_only(&options, folder, names, false).map_err(|source| GenerationError::Open {
                folder: folder.to_owned(),
                source,
            })?;
        let opened = Self::of(database, folder);
        if let Some(bytes) = opened.row(Family::State, keys::STATE_FORMAT)? {
            check_format(&bytes)?;
        }
        Ok(opened.applied()?)
    }

    fn of(database: DB, folder: &Path) -> Self {
        Self {
            database,
            folder: Folder {
                path: folder.to_owned(),
                replaced: AtomicBool::new(false),
            },
        }
    }

    /// The folder is removed as soon as nobody reads this generation any more.
    pub(crate) fn replaced(&self) {
        self.folder.replaced.store(true, Ordering::Relaxed);
    }

    pub(crate) fn database(&self) -> &DB {
        &self.database
    }

    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        self.database.cf_handle(family.name()).expect("opened with this family")
    }

    /// How far this state is.
    pub(crate) fn applied(&self) -> Result<AppliedRow, ReadError> {
        Ok(self.record(Family::State, keys::APPLIED)?.unwrap_or_default())
    }

    pub(crate) fn row(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.database
            .get_cf(self.family(family), key)
            .map_err(ReadError::Access)
    }

    pub(crate) fn record<R: Record>(&self, family: Family, key: &[u8]) -> Result<Option<R>, ReadError> {
        let row = self
            .database
            .get_pinned_cf(self.family(family), key)
            .map_err(ReadError::Access)?;
        row.map(|bytes| decode_row(key, &bytes)).transpose()
    }

    /// The first keys that begin with `prefix`, at most `limit`.
    pub(crate) fn keys(
        &self,
        family: Family,
        prefix: &[u8],
        (limit, mut options): (usize, ReadOptions),
    ) -> Result<Vec<Vec<u8>>, ReadError> {
        options.set_iterate_lower_bound(prefix);
        if let Some(end) = keys::end_of_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.database.raw_iterator_cf_opt(self.family(family), options);
        rows.seek_to_first();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(key) = rows.key()
        {
            found.push(key.to_vec());
            rows.next();
        }
        rows.status().map_err(ReadError::Access)?;
        Ok(found)
    }

    /// Writes without a WAL: the Raft log has every change already.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.database.write_opt(batch, &options)
    }
}

fn check_format(bytes: &[u8]) -> Result<(), GenerationError> {
    let found = bytes.try_into().map_or(0, u32::from_le_bytes);
    if found == keys::FORMAT {
        Ok(())
    } else {
        Err(GenerationError::Format { found })
    }
}

/// Decodes the row of `key`.
pub(crate) fn decode_row<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, ReadError> {
    codec::decode_slice(bytes).map_err(|source| ReadError::Decode {
        prefix: key.first().copied().unwrap_or_default(),
        source,
    })
}
