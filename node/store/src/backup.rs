//! What a backup holds: a snapshot, unless there was none yet, and the log entries after it; and how both become files and come back from them.
//!
//! The state can be rebuilt as of any entry between the two ends.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use crate::codec::{self, CodecError};
use crate::log_store::LogStore;
use crate::snapshot::{SnapshotDir, SnapshotError, build};
use crate::state_machine::StateShared;
use crate::types::{Entry, LogId};

/// Most bytes of one entry in a file: more than any proposal has.
const MAX_ENTRY_BYTES: u32 = 64 << 20;

/// Gathers what a backup holds. Cheap to clone.
#[derive(Clone)]
pub struct BackupSource {
    state: Arc<StateShared>,
    log: LogStore,
}

/// A snapshot, and the applied entries after it. The files of the snapshot stay as long as this lives.
pub struct Gathered {
    /// The newest snapshot; none before the first, and then the log is whole.
    pub snapshot: Option<SnapshotDir>,
    /// Every entry after it that was applied, in order.
    pub entries: Vec<Entry>,
    /// The last applied entry.
    pub last: LogId,
}

/// Why nothing can be backed up, or a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing was ever applied.
    #[error("the state of this node is empty")]
    Empty,
    /// The snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log cannot be read.
    #[error("failed to read the log: {0}")]
    Log(#[source] io::Error),
    /// A file cannot be read or written.
    #[error("failed to access the file of log entries: {0}")]
    File(#[source] io::Error),
    /// An entry cannot be decoded.
    #[error("failed to decode the log entry after index {after}: {source}")]
    Entry {
        /// The entry before it; 0 before the first.
        after: u64,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
}

impl BackupSource {
    pub(crate) fn new(state: Arc<StateShared>, log: LogStore) -> Self {
        Self { state, log }
    }

    /// The newest snapshot with everything that was applied after it. Blocking.
    ///
    /// # Errors
    /// If the state is empty, or something cannot be read.
    pub fn gather(&self) -> Result<Gathered, BackupError> {
        let last = self.state.published().applied.last_applied.ok_or(BackupError::Empty)?;
        let snapshot = self.state.snapshot.lock().clone();
        let covered = snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.manifest().meta.last_log_id);
        let last = covered.map_or(last, |covered| covered.max(last));
        if let Ok(entries) = self.entries_after(snapshot.as_ref(), last) {
            return Ok(Gathered {
                snapshot,
                entries,
                last,
            });
        }
        // A newer snapshot was made meanwhile, and what lies before it was purged.
        let snapshot = build(&self.state)?;
        let last = last.max(snapshot.manifest().meta.last_log_id.unwrap_or(last));
        let entries = self.entries_after(Some(&snapshot), last)?;
        Ok(Gathered {
            snapshot: Some(snapshot),
            entries,
            last,
        })
    }

    fn entries_after(&self, snapshot: Option<&SnapshotDir>, last: LogId) -> Result<Vec<Entry>, BackupError> {
        let covered = snapshot.and_then(|snapshot| snapshot.manifest().meta.last_log_id);
        let first = covered.map_or(0, |covered| covered.index + 1);
        let entries = self.log.entries(first, last.index + 1).map_err(BackupError::Log)?;
        let wanted = (last.index + 1).saturating_sub(first);
        if entries.len() as u64 == wanted {
            Ok(entries)
        } else {
            let detail = format!("{} of {wanted} entries from {first} on are left", entries.len());
            Err(BackupError::Log(io::Error::new(io::ErrorKind::NotFound, detail)))
        }
    }
}

/// Writes `entries` to a new file at `path`: a length (u32, little-endian) before each record.
///
/// # Errors
/// If the file cannot be written.
pub fn write_entries(path: &Path, entries: &[Entry]) -> Result<(), BackupError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for entry in entries {
            let bytes = codec::encode(entry);
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            file.write_all(&length.to_le_bytes())?;
            file.write_all(&bytes)?;
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(BackupError::File)
}

/// The entries in the file at `path`, as [`write_entries`] wrote them.
///
/// # Errors
/// Each item says what is wrong with the file; the first error is the last item.
pub fn read_entries(path: &Path) -> Result<impl Iterator<Item = Result<Entry, BackupError>> + use<>, BackupError> {
    let mut left = fs::metadata(path).map_err(BackupError::File)?.len();
    let mut file = BufReader::new(File::open(path).map_err(BackupError::File)?);
    let mut after = 0;
    Ok(std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let entry = read_entry(&mut file, after);
        match &entry {
            Ok((entry, bytes)) => {
                after = entry.log_id.index;
                left = left.saturating_sub(*bytes);
            }
            Err(_) => left = 0,
        }
        Some(entry.map(|(entry, _)| entry))
    }))
}

/// The next entry, and how many bytes it took.
fn read_entry(file: &mut impl Read, after: u64) -> Result<(Entry, u64), BackupError> {
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(BackupError::File)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_ENTRY_BYTES {
        let detail = format!("an entry of {length} bytes after index {after}");
        return Err(BackupError::File(io::Error::new(io::ErrorKind::InvalidData, detail)));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes).map_err(BackupError::File)?;
    let entry = codec::decode_slice(&bytes).map_err(|source| BackupError::Entry { after, source })?;
    Ok((entry, u64::from(length) + 4))
}
