//! Receives a snapshot into a folder of its own: in order, bounded by its manifest, checked file by file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{FILES, INCOMING, SnapshotChunk, SnapshotDir, SnapshotError, SnapshotFile, SnapshotManifest, seal};
use crate::state_machine::StateShared;

/// Where snapshots of others are received. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotInbox {
    shared: Arc<StateShared>,
    received: Arc<AtomicU64>,
}

impl SnapshotInbox {
    pub(crate) fn new(shared: Arc<StateShared>) -> Self {
        Self {
            shared,
            received: Arc::default(),
        }
    }

    /// Starts to receive the snapshot that `manifest` describes. Blocking.
    ///
    /// # Errors
    /// If the manifest is refused, or there is no place.
    pub fn begin(&self, manifest: SnapshotManifest) -> Result<SnapshotReceiver, SnapshotError> {
        manifest.check()?;
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let folder = self.shared.snapshots_folder.join(format!("{INCOMING}{number}"));
        let files = folder.join(FILES);
        fs::create_dir_all(&files).map_err(SnapshotError::file("create", &files))?;
        let snapshot = SnapshotDir::new(folder, manifest);
        // Whatever happens to it, nobody needs the folder once it is installed or given up.
        snapshot.doom();
        Ok(SnapshotReceiver {
            snapshot,
            file: 0,
            offset: 0,
            crc32c: 0,
            open: None,
        })
    }
}

/// One snapshot on its way in. Dropped before [`Self::finish`], it leaves nothing.
#[derive(Debug)]
pub struct SnapshotReceiver {
    snapshot: SnapshotDir,
    file: usize,
    offset: u64,
    crc32c: u32,
    open: Option<File>,
}

impl SnapshotReceiver {
    /// Takes the next piece. Blocking.
    ///
    /// # Errors
    /// If it does not follow the one before, or a file is not what its manifest says; the transfer is over then.
    pub fn write(&mut self, chunk: &SnapshotChunk) -> Result<(), SnapshotError> {
        self.finish_full_files()?;
        let file = number(self.file);
        let length = self.expected().map_or(0, |file| file.length);
        let fits = self.offset + chunk.bytes.len() as u64 <= length;
        if chunk.file != file || chunk.offset != self.offset || !fits {
            return Err(SnapshotError::OutOfOrder {
                file: chunk.file,
                offset: chunk.offset,
                expected_file: file,
                expected_offset: self.offset,
            });
        }
        let path = self.path();
        let open = self.open_file()?;
        open.write_all(&chunk.bytes)
            .map_err(SnapshotError::file("write", &path))?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &chunk.bytes);
        self.offset += chunk.bytes.len() as u64;
        Ok(())
    }

    /// The received snapshot, complete, checked and durable; to be installed. Blocking.
    ///
    /// # Errors
    /// If something is missing or damaged.
    pub fn finish(mut self) -> Result<SnapshotDir, SnapshotError> {
        self.finish_full_files()?;
        if self.expected().is_some() {
            return Err(SnapshotError::Incomplete {
                file: number(self.file),
            });
        }
        seal(&self.snapshot.0.folder, self.snapshot.manifest())?;
        Ok(self.snapshot)
    }

    fn expected(&self) -> Option<&SnapshotFile> {
        self.snapshot.manifest().files.get(self.file)
    }

    fn path(&self) -> PathBuf {
        let name = self.expected().map_or("", |file| &file.name);
        self.snapshot.files().join(name)
    }

    fn open_file(&mut self) -> Result<&mut File, SnapshotError> {
        let path = self.path();
        match &mut self.open {
            Some(file) => Ok(file),
            closed @ None => {
                let file = File::create_new(&path).map_err(SnapshotError::file("create", &path))?;
                Ok(closed.insert(file))
            }
        }
    }

    /// Closes the current file and empty ones after it, as far as they are complete.
    fn finish_full_files(&mut self) -> Result<(), SnapshotError> {
        while let Some(expected) = self.expected().cloned() {
            if self.offset < expected.length {
                return Ok(());
            }
            let path = self.path();
            self.open_file()?
                .sync_all()
                .map_err(SnapshotError::file("sync", &path))?;
            if self.crc32c != expected.crc32c {
                return Err(SnapshotError::Damaged { name: expected.name });
            }
            self.open = None;
            self.file += 1;
            self.offset = 0;
            self.crc32c = 0;
        }
        Ok(())
    }
}

fn number(file: usize) -> u32 {
    u32::try_from(file).expect("a manifest has at most MAX_FILES files")
}
