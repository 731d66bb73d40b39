//! Snapshots as folders of files: a RocksDB checkpoint beside a manifest that says what it covers.
//!
//! Building one links the files of the state instead of copying them, and only the newest is kept. Its files are sent
//! as they are; the receiver checks them, links them into a new generation of the state, and switches to that.

mod build;
mod install;
mod receive;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

pub use self::build::SnapshotBuilder;
pub(crate) use self::build::build;
pub(crate) use self::install::{install, open_state};
pub use self::receive::{SnapshotInbox, SnapshotReceiver};
use crate::codec::{self, CodecError};
use crate::state_machine::{GenerationError, ReadError};
use crate::types::{LogId, SnapshotMeta};
use crate::{crash_point, durable};

/// Name of the file that says what a snapshot covers.
pub const MANIFEST: &str = "manifest";
/// Name of the folder with the files of a snapshot.
pub const FILES: &str = "files";
const BUILDING: &str = "building-";
const INCOMING: &str = "incoming-";
/// Most files that a snapshot may have.
const MAX_FILES: usize = 100_000;

/// Why a snapshot could not be made, sent, received or installed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file or folder could not be read or written.
    #[error("failed to {step} {}: {source}", path.display())]
    File {
        /// What was attempted.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// RocksDB could not make a checkpoint.
    #[error("failed to make a checkpoint of the state: {0}")]
    Checkpoint(#[source] rocksdb::Error),
    /// The state in the snapshot cannot be opened.
    #[error("failed to open the state of a snapshot: {0}")]
    Open(#[from] GenerationError),
    /// The state in the snapshot cannot be read.
    #[error("failed to read the state of a snapshot: {0}")]
    Read(#[from] ReadError),
    /// The manifest cannot be decoded.
    #[error("failed to decode the manifest of a snapshot: {0}")]
    Manifest(#[from] CodecError),
    /// The manifest names what no snapshot has.
    #[error("the manifest of the snapshot is refused: {detail}")]
    Refused {
        /// What is wrong with it.
        detail: String,
    },
    /// A piece came that does not follow the one before.
    #[error("a piece of file {file} at {offset} came where file {expected_file} at {expected_offset} was expected")]
    OutOfOrder {
        /// Number of the file.
        file: u32,
        /// Offset in it.
        offset: u64,
        /// Number of the expected file.
        expected_file: u32,
        /// Expected offset.
        expected_offset: u64,
    },
    /// A received file is not the one that was sent.
    #[error("the checksum of {name} does not match its manifest")]
    Damaged {
        /// The file.
        name: String,
    },
    /// The transfer ended early.
    #[error("the snapshot ended early, in file {file}")]
    Incomplete {
        /// Number of the file.
        file: u32,
    },
    /// The files hold another state than the manifest or the leader says.
    #[error("the snapshot holds the state as of {found}, not as of {announced}")]
    OtherState {
        /// What the files hold.
        found: String,
        /// What was announced.
        announced: String,
    },
    /// `CURRENT` names no generation, and there is more than one.
    #[error(
        "{} is missing or damaged, so it is unknown which state is the live one; empty the data folder, so that this \
         node joins as a new member",
        path.display()
    )]
    NoCurrent {
        /// The file.
        path: PathBuf,
    },
}

impl SnapshotError {
    fn file(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            step,
            path: path.to_owned(),
            source,
        }
    }
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Name without a folder.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// CRC-32C of the content.
    pub crc32c: u32,
}

/// What a snapshot covers, and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotManifest {
    /// Last log id and membership.
    pub meta: SnapshotMeta,
    /// The files, in the order in which they are sent.
    pub files: Vec<SnapshotFile>,
}

impl SnapshotManifest {
    /// Refuses names that would leave the folder, and lists that no snapshot has.
    fn check(&self) -> Result<(), SnapshotError> {
        let refused = |detail: String| Err(SnapshotError::Refused { detail });
        if self.files.len() > MAX_FILES {
            return refused(format!("{} files, the limit is {MAX_FILES}", self.files.len()));
        }
        let mut names = std::collections::BTreeSet::new();
        for SnapshotFile { name, .. } in &self.files {
            if !is_state_file(name) {
                return refused(format!(
                    "{:?} is no file of a state",
                    name.chars().take(64).collect::<String>()
                ));
            }
            if !names.insert(name) {
                return refused(format!("{name} is listed twice"));
            }
        }
        if names.iter().any(|name| *name == "CURRENT") {
            Ok(())
        } else {
            refused("there is no CURRENT".to_owned())
        }
    }
}

/// True for the files of a RocksDB that belong to its content (its info log and its lock do not).
fn is_state_file(name: &str) -> bool {
    let numbered = |stem: &str| !stem.is_empty() && stem.len() <= 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    name == "CURRENT"
        || name == "IDENTITY"
        || name.strip_prefix("MANIFEST-").is_some_and(numbered)
        || name.strip_prefix("OPTIONS-").is_some_and(numbered)
        || ["sst", "blob", "log"].iter().any(|extension| {
            name.strip_suffix(extension)
                .and_then(|stem| stem.strip_suffix('.'))
                .is_some_and(numbered)
        })
}

/// A snapshot on disk. Its files stay as long as a clone of this lives, also when a newer one takes its place.
#[derive(Clone, Debug)]
pub struct SnapshotDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    manifest: SnapshotManifest,
    /// Removed when the last handle goes.
    doomed: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(folder = %self.folder.display(), %error, "failed to remove a snapshot; the next start will");
        }
    }
}

impl SnapshotDir {
    fn new(folder: PathBuf, manifest: SnapshotManifest) -> Self {
        Self(Arc::new(Inner {
            folder,
            manifest,
            doomed: AtomicBool::new(false),
        }))
    }

    /// Reads the snapshot in `folder`; its files must have the lengths that the manifest says.
    ///
    /// # Errors
    /// If a file is missing or has another length, or the manifest is refused.
    pub fn load(folder: &Path) -> Result<Self, SnapshotError> {
        let path = folder.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(SnapshotError::file("read", &path))?;
        let manifest: SnapshotManifest = codec::decode_slice(&bytes)?;
        manifest.check()?;
        for SnapshotFile { name, length, .. } in &manifest.files {
            let path = folder.join(FILES).join(name);
            let found = std::fs::metadata(&path)
                .map_err(SnapshotError::file("read", &path))?
                .len();
            if found != *length {
                return Err(SnapshotError::Damaged { name: name.clone() });
            }
        }
        Ok(Self::new(folder.to_owned(), manifest))
    }

    /// What it covers, and its files.
    pub fn manifest(&self) -> &SnapshotManifest {
        &self.0.manifest
    }

    /// The content of its files, in pieces of at most `chunk_bytes`. Blocking.
    pub fn chunks(&self, chunk_bytes: usize) -> SnapshotChunks {
        SnapshotChunks {
            snapshot: self.clone(),
            chunk_bytes: chunk_bytes.max(1),
            file: 0,
            offset: 0,
            open: None,
        }
    }

    /// Where its manifest is.
    pub fn manifest_path(&self) -> PathBuf {
        self.0.folder.join(MANIFEST)
    }

    /// Where its file `name` is.
    pub fn file_path(&self, name: &str) -> PathBuf {
        self.files().join(name)
    }

    fn files(&self) -> PathBuf {
        self.0.folder.join(FILES)
    }

    /// The folder goes with the last handle.
    fn doom(&self) {
        self.0.doomed.store(true, Ordering::Relaxed);
    }
}

/// Name of the folder of a snapshot as of `last`.
fn folder_name(last: Option<&LogId>) -> String {
    let (index, term, node) = last.map_or((0, 0, 0), |last| {
        (last.index, last.leader_id.term, last.leader_id.node_id)
    });
    format!("{index}-{term}-{node}")
}

/// A piece of one file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Number of the file in the manifest, from 0.
    pub file: u32,
    /// Where the piece begins.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
}

/// Reads the files of a snapshot from first to last. Ends after the first error.
#[derive(Debug)]
pub struct SnapshotChunks {
    snapshot: SnapshotDir,
    chunk_bytes: usize,
    file: usize,
    offset: u64,
    open: Option<File>,
}

impl Iterator for SnapshotChunks {
    type Item = io::Result<SnapshotChunk>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.read();
        if !matches!(chunk, Some(Ok(_))) {
            self.file = usize::MAX;
        }
        chunk
    }
}

impl SnapshotChunks {
    fn read(&mut self) -> Option<io::Result<SnapshotChunk>> {
        loop {
            let SnapshotFile { name, length, .. } = self.snapshot.manifest().files.get(self.file)?;
            let left = length - self.offset;
            if left == 0 {
                self.file += 1;
                self.offset = 0;
                self.open = None;
                continue;
            }
            let path = self.snapshot.files().join(name);
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk_bytes);
            return Some(self.read_piece(&path, wanted));
        }
    }

    fn read_piece(&mut self, path: &Path, wanted: usize) -> io::Result<SnapshotChunk> {
        let file = match &mut self.open {
            Some(file) => file,
            None => self.open.insert(File::open(path)?),
        };
        let mut bytes = vec![0; wanted];
        file.read_exact(&mut bytes)?;
        let chunk = SnapshotChunk {
            file: u32::try_from(self.file).map_err(io::Error::other)?,
            offset: self.offset,
            bytes: bytes.into(),
        };
        self.offset += wanted as u64;
        Ok(chunk)
    }
}

/// Writes the manifest into `folder`, whose files are in place, and makes all of it durable.
fn seal(folder: &Path, manifest: &SnapshotManifest) -> Result<(), SnapshotError> {
    let files = folder.join(FILES);
    durable::sync_dir(&files).map_err(SnapshotError::file("sync", &files))?;
    crash_point::reach("snapshot-before-manifest");
    durable::replace_file(folder, MANIFEST, &codec::encode(manifest))
        .map_err(SnapshotError::file("write the manifest of", folder))
}
