//! Makes a volume that of the only member of a new cluster: from itself, where the majority of its cluster is lost, or from
//! a backup. Everything in the log of a volume is kept, what was not committed too: somebody may have been told that it
//! was, by a leader that is gone.
//!
//! The new data are made aside and then take the place of the old ones, so that a crash at any step is mended by running it
//! again. What was there before stays in `before-recovery-…`.

use std::fs;
use std::path::{Path, PathBuf};

use confman_core::ids::ClusterId;

use crate::backup::BackupError;
use crate::open::{RECOVERED, open};
use crate::rebuild::{NewCluster, RebuildError, Rebuilt, check_empty, rebuild};
use crate::snapshot::{SnapshotDir, build};
use crate::types::Entry;
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
    let aside = folder.join(RECOVERED);
    if aside.join(COMPLETE).exists() {
        take_place(folder, lost)?;
        return Ok(None);
    }
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(RebuildError::file("remove", &aside))?;
    }
    if !folder.join("identity").exists() {
        return Err(RebuildError::OtherCluster {
            found: "none".to_owned(),
            expected: lost.clone(),
        });
    }
    let store = open(folder, options)?;
    let found = store.identity.get().cluster_id;
    if found.as_ref() != Some(lost) {
        return Err(RebuildError::OtherCluster {
            found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
            expected: lost.clone(),
        });
    }
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
    durable::replace_file(&aside, COMPLETE, &[]).map_err(RebuildError::file("write", &aside))?;
    crash_point::reach("recover-before-move");
    take_place(folder, lost)?;
    Ok(Some(rebuilt))
}

/// Where a backup is brought to before [`restore()`]: a folder below `folder`, the volume, which must be empty.
///
/// # Errors
/// If it is not, or something cannot be removed or made.
pub fn begin_restore(folder: &Path) -> Result<PathBuf, RebuildError> {
    let aside = folder.join(RECOVERED);
    if aside.exists() && !folder.join("identity").exists() && !aside.join(COMPLETE).exists() {
        // Of a try that did not end.
        fs::remove_dir_all(&aside).map_err(RebuildError::file("remove", &aside))?;
    }
    check_empty(folder)?;
    let fetched = aside.join(FETCHED);
    durable::create_dir(&fetched).map_err(RebuildError::file("create", &fetched))?;
    Ok(fetched)
}

/// Restores the `snapshot` and the `entries` of a backup, which are where [`begin_restore`] said, into `folder`.
///
/// # Errors
/// If the wanted entry is out of reach, or something cannot be read or written. Nothing is in the volume then but what
/// the next try removes.
pub async fn restore(
    folder: &Path,
    options: &Options,
    source: (Option<&SnapshotDir>, impl Iterator<Item = Result<Entry, BackupError>>),
    new: &NewCluster,
) -> Result<Rebuilt, RebuildError> {
    let aside = folder.join(RECOVERED);
    let rebuilt = rebuild(&aside.join(MADE), options, source, new).await?;
    durable::replace_file(&aside, COMPLETE, &[]).map_err(RebuildError::file("write", &aside))?;
    take_place(folder, &rebuilt.lost)?;
    Ok(rebuilt)
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
    fs::remove_dir_all(&aside).map_err(RebuildError::file("remove", &aside))?;
    durable::sync_dir(folder).map_err(RebuildError::file("sync", folder))
}
