//! Makes a volume that of the only member of a new cluster: from itself, where the majority of its cluster is lost, or from
//! a backup. Everything in the log of a volume is kept, what was not committed too: somebody may have been told that it
//! was, by a leader that is gone.
//!
//! The new data are made aside and then take the place of the old ones, so that a crash at any step is mended by running it
//! again. What was there before stays in `before-recovery-…`.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use confman_core::ids::{ClusterId, LogPosition};
use openraft::storage::RaftLogStorage as _;

use crate::backup::BackupError;
use crate::identity::FolderLock;
use crate::open::{RECOVERED, Store, open, open_locked};
use crate::rebuild::{NewCluster, RebuildError, Rebuilt, check_empty, rebuild};
use crate::snapshot::{SnapshotDir, build};
use crate::types::{Entry, log_position};
use crate::{Options, crash_point, durable};

/// Written once the new folder is complete.
const COMPLETE: &str = "complete";
const MADE: &str = "data";
const FETCHED: &str = "backup";
const BEFORE: &str = "before-recovery-";
/// Everything in a data folder but the lock, which stays with the folder. The identity comes last.
const PARTS: [&str; 5] = ["log", "state", "snapshots", "floor", "identity"];

/// Recovers the volume in `folder`, which must be one of the cluster `lost`. None is what it made if a run before had made
/// it and was interrupted while moving it into place.
///
/// # Errors
/// If the volume is in use, of another cluster, or damaged, or something cannot be written.
pub async fn recover(
    folder: &Path,
    options: &Options,
    lost: &ClusterId,
    new: &NewCluster,
) -> Result<Option<Rebuilt>, RebuildError> {
    if !folder.join("identity").exists() && !folder.join(RECOVERED).exists() {
        return Err(RebuildError::OtherCluster {
            found: "none".to_owned(),
            expected: lost.clone(),
        });
    }
    let lock = Arc::new(FolderLock::take(folder)?);
    if resume(folder, Some(lost), new)? {
        return Ok(None);
    }
    let aside = folder.join(RECOVERED);
    let store = open_locked(folder, options, Arc::clone(&lock))?;
    check_cluster(&store, lost)?;
    let snapshot = build(&store.stats.state)?;
    let first = snapshot
        .manifest()
        .meta
        .last_log_id
        .map_or(0, |covered| covered.index + 1);
    let tail = store.log.entries(first, u64::MAX).map_err(RebuildError::Log)?;
    durable::create_dir(&aside).map_err(RebuildError::file("create", &aside))?;
    let tail = tail.into_iter().map(Ok);
    let rebuilt = rebuild(&aside.join(MADE), options, (Some(&snapshot), tail), new).await?;
    drop(snapshot);
    drop(store);
    complete(&aside, lost, new)?;
    crash_point::reach("recover-before-move");
    take_place(folder, lost)?;
    Ok(Some(rebuilt))
}

fn check_cluster(store: &Store, expected: &ClusterId) -> Result<(), RebuildError> {
    match store.identity.get().cluster_id {
        Some(found) if found == *expected => Ok(()),
        found => Err(RebuildError::OtherCluster {
            found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
            expected: expected.clone(),
        }),
    }
}

/// Where the log of the volume in `folder`, which must be one of `cluster`, ends: of several that are left the furthest is
/// the one to recover.
///
/// # Errors
/// If the volume is in use, of another cluster, or damaged.
pub async fn end_of_log(folder: &Path, options: &Options, cluster: &ClusterId) -> Result<LogPosition, RebuildError> {
    let mut store = open(folder, options)?;
    check_cluster(&store, cluster)?;
    let last = store.log.get_log_state().await.map_err(RebuildError::Log)?.last_log_id;
    let last = last.map_or(LogPosition { term: 0, index: 0 }, |last| log_position(&last));
    Ok(store.reader.applied().map_or(last, |applied| applied.max(last)))
}

/// A volume that a backup is restored into; nobody else can use it meanwhile.
#[derive(Debug)]
pub struct Restore {
    folder: PathBuf,
    _lock: FolderLock,
}

impl Restore {
    /// Begins to restore into `folder`, which must be empty; none if an interrupted run had made everything, and this one
    /// has moved it into place.
    ///
    /// # Errors
    /// If the folder is in use or not empty, or something cannot be removed or made.
    pub fn begin(folder: &Path, new: &NewCluster) -> Result<Option<Self>, RebuildError> {
        durable::create_dir(folder).map_err(RebuildError::file("create", folder))?;
        let lock = FolderLock::take(folder)?;
        if resume(folder, None, new)? {
            return Ok(None);
        }
        check_empty(folder)?;
        Ok(Some(Self {
            folder: folder.to_owned(),
            _lock: lock,
        }))
    }

    /// Where the files of the backup are brought to.
    pub fn place(&self) -> PathBuf {
        self.folder.join(RECOVERED).join(FETCHED)
    }

    /// Restores the snapshot and the entries of a backup, which are in [`Self::place`].
    ///
    /// # Errors
    /// If the wanted entry is out of reach, or something cannot be read or written. Nothing is in the volume then but what
    /// the next try removes.
    pub async fn finish(
        self,
        options: &Options,
        source: (Option<&SnapshotDir>, impl Iterator<Item = Result<Entry, BackupError>>),
        new: &NewCluster,
    ) -> Result<Rebuilt, RebuildError> {
        let aside = self.folder.join(RECOVERED);
        let rebuilt = rebuild(&aside.join(MADE), options, source, new).await?;
        complete(&aside, &rebuilt.lost, new)?;
        take_place(&self.folder, &rebuilt.lost)?;
        Ok(rebuilt)
    }
}

/// What a complete run has made of what, for the run that goes on with it.
fn label(lost: &ClusterId, new: &NewCluster) -> String {
    format!("cluster {} at {} from cluster {lost}", new.cluster_id, new.address)
}

fn complete(aside: &Path, lost: &ClusterId, new: &NewCluster) -> Result<(), RebuildError> {
    durable::replace_file(aside, COMPLETE, label(lost, new).as_bytes()).map_err(RebuildError::file("write", aside))
}

/// Goes on with what an interrupted run has left: true if that was complete and is in its place now, else it is gone.
fn resume(folder: &Path, lost: Option<&ClusterId>, new: &NewCluster) -> Result<bool, RebuildError> {
    let aside = folder.join(RECOVERED);
    let complete = aside.join(COMPLETE);
    let made = durable::read_if_there(&complete).map_err(RebuildError::file("read", &complete))?;
    let Some(made) = made else {
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(RebuildError::file("remove", &aside))?;
        }
        return Ok(false);
    };
    let made = String::from_utf8_lossy(&made).into_owned();
    let from = made.rsplit(' ').next().and_then(|id| ClusterId::parse(id).ok());
    match from {
        Some(from) if lost.is_none_or(|lost| *lost == from) && made == label(&from, new) => {
            take_place(folder, &from)?;
            Ok(true)
        }
        Some(_) | None => Err(RebuildError::OtherRun { made, folder: aside }),
    }
}

/// Moves the old parts away and the new ones into their place. A part that was moved by an earlier run is not there any
/// more.
fn take_place(folder: &Path, lost: &ClusterId) -> Result<(), RebuildError> {
    let (aside, before) = (folder.join(RECOVERED), folder.join(format!("{BEFORE}{lost}")));
    for part in PARTS {
        let (made, place) = (aside.join(MADE).join(part), folder.join(part));
        if !made.exists() {
            continue;
        }
        if place.exists() {
            durable::create_dir(&before).map_err(RebuildError::file("create", &before))?;
            durable::publish_dir(&place, &before.join(part)).map_err(RebuildError::file("move away", &place))?;
        }
        crash_point::reach("recover-between-moves");
        durable::publish_dir(&made, &place).map_err(RebuildError::file("move", &made))?;
    }
    durable::sync_dir(folder).map_err(RebuildError::file("sync", folder))?;
    // What says that it is complete goes last: a run that ends in between is gone on with.
    for left in [MADE, FETCHED] {
        let left = aside.join(left);
        if left.exists() {
            fs::remove_dir_all(&left).map_err(RebuildError::file("remove", &left))?;
        }
    }
    crash_point::reach("recover-before-end");
    fs::remove_dir_all(&aside).map_err(RebuildError::file("remove", &aside))?;
    durable::sync_dir(folder).map_err(RebuildError::file("sync", folder))
}
