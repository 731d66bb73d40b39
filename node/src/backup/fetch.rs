//! Brings a backup back, file by file, each checked against the digest it was stored with.

use std::path::{Path, PathBuf};

use confman_core::ids::ClusterId;
use confman_store::backup::{BackupError, read_entries};
use confman_store::{SnapshotDir, SnapshotError};

use super::destination::{Destination, DestinationError};
use super::manifest::{self, BackupManifest};
use super::{LOG, SNAPSHOT};

/// Which backup is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of which cluster; needed where there are backups of several.
    pub cluster_id: Option<ClusterId>,
    /// Its name; the newest where there is none.
    pub name: Option<String>,
}

/// Why a backup cannot be brought back.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The destination.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// There is none.
    #[error("there is no such backup; {there} are there")]
    NotFound {
        /// What is there.
        there: String,
    },
    /// It is unclear which is meant.
    #[error("there are backups of several clusters, {clusters}: say which one with --from-cluster-id")]
    Several {
        /// Their ids.
        clusters: String,
    },
    /// A newer program made it.
    #[error(
        "the backup {name} has format {found}, this program knows {}: use the program that made it, {version}, or a newer one",
        BackupManifest::FORMAT
    )]
    Format {
        /// The backup.
        name: String,
        /// Its format.
        found: u32,
        /// What made it.
        version: String,
    },
    /// A file is another than the one that was stored.
    #[error("the file {name} of the backup is damaged: its SHA-256 is {found}, not {expected}")]
    Damaged {
        /// The file.
        name: String,
        /// Of what is there.
        found: String,
        /// Of what was stored.
        expected: String,
    },
    /// The snapshot in it.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log entries in it.
    #[error(transparent)]
    Entries(#[from] BackupError),
}

/// A backup on this machine.
#[derive(Debug)]
pub struct Fetched {
    /// What it is of.
    pub manifest: BackupManifest,
    /// Its snapshot, if there was one when it was taken.
    pub snapshot: Option<SnapshotDir>,
    log: PathBuf,
}

impl Fetched {
    /// The log entries after the snapshot.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<confman_store::types::Entry, BackupError>> + use<>, BackupError> {
        read_entries(&self.log)
    }
}

/// Finds the wanted backup.
///
/// # Errors
/// If there is none, or it is unclear which is meant.
pub async fn find(source: &Destination, wanted: &Wanted) -> Result<BackupManifest, FetchError> {
    let found = manifest::list(source, wanted.cluster_id.as_ref()).await?;
    let mut clusters: Vec<_> = found.iter().map(|backup| backup.cluster_id.as_str()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    if clusters.len() > 1 && wanted.name.is_none() {
        return Err(FetchError::Several {
            clusters: clusters.join(", "),
        });
    }
    let is_wanted = |backup: &&BackupManifest| wanted.name.as_ref().is_none_or(|name| backup.name == *name);
    let Some(backup) = found.iter().rev().find(is_wanted) else {
        let names: Vec<_> = found.iter().map(|backup| backup.name.as_str()).collect();
        let there = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(FetchError::NotFound { there });
    };
    if backup.format > BackupManifest::FORMAT {
        return Err(FetchError::Format {
            name: backup.name.clone(),
            found: backup.format,
            version: backup.version.clone(),
        });
    }
    Ok(backup.clone())
}

/// Brings `backup` into the new folder `to`.
///
/// # Errors
/// If a file is missing or damaged.
pub async fn fetch(source: &Destination, backup: BackupManifest, to: &Path) -> Result<Fetched, FetchError> {
    for file in &backup.files {
        let found = source.get_file(&backup.place(&file.name), &to.join(&file.name)).await?;
        if found != file.sha256 {
            return Err(FetchError::Damaged {
                name: file.name.clone(),
                found,
                expected: file.sha256.clone(),
            });
        }
    }
    let folder = to.join(SNAPSHOT);
    let snapshot = folder.exists().then(|| SnapshotDir::load(&folder)).transpose()?;
    Ok(Fetched {
        manifest: backup,
        snapshot,
        log: to.join(LOG),
    })
}
