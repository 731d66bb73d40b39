//! Installs a snapshot as a new generation of the state, and finds the live generation at start.
//!
//! Order: the snapshot becomes this node's newest; its files become `gen-N+1`; `CURRENT` names that; readers see it. A
//! crash before `CURRENT` leaves the old state and a newer snapshot, which openraft installs again at start. A crash
//! after it leaves the new state, and openraft purges the log up to there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::Cache;

use super::build::adopt;
use super::{BUILDING, FILES, INCOMING, SnapshotDir, SnapshotError, SnapshotFile, seal};
use crate::state_machine::{Generation, Published, StateShared};
use crate::types::SnapshotMeta;
use crate::{Options, crash_point, durable};

const CURRENT: &str = "CURRENT";
const GENERATION: &str = "gen-";

/// Replaces the state by the one in `snapshot`. Blocking.
pub(crate) fn install(shared: &StateShared, meta: &SnapshotMeta, snapshot: &SnapshotDir) -> Result<(), SnapshotError> {
    let _one_at_a_time = shared.making_snapshot.lock();
    let announced = &snapshot.manifest().meta;
    if announced != meta {
        return Err(other_state(announced, meta));
    }
    let log_bytes = shared.counters.log_bytes_now();
    let kept = keep(shared, snapshot)?;
    let before = shared.published();
    let number = generation_number(&shared.state_folder)? + 1;
    let folder = shared.state_folder.join(format!("{GENERATION}{number}"));
    copy_files(&kept, &folder)?;
    crash_point::reach("install-before-open");
    let generation = shared.open_generation(&folder)?;
    let state = Published::load(Arc::new(generation))?;
    let found = SnapshotMeta {
        last_log_id: state.applied.last_applied,
        last_membership: state.applied.membership.clone(),
    };
    if found != *meta {
        return Err(other_state(&found, meta));
    }
    crash_point::reach("install-before-current");
    point_to(&shared.state_folder, number)?;
    crash_point::reach("install-after-current");
    shared.publish(state);
    before.generation.replaced();
    shared.counters.snapshot_made(log_bytes);
    Ok(())
}

fn other_state(found: &SnapshotMeta, announced: &SnapshotMeta) -> SnapshotError {
    SnapshotError::OtherState {
        found: found.to_string(),
        announced: announced.to_string(),
    }
}

/// Makes `snapshot` this node's newest one, unless it is already.
fn keep(shared: &StateShared, snapshot: &SnapshotDir) -> Result<SnapshotDir, SnapshotError> {
    let current = shared.snapshot.lock().clone();
    if let Some(current) = current
        && current.manifest().meta == snapshot.manifest().meta
    {
        return Ok(current);
    }
    let folder = shared.snapshots_folder.join(format!("{BUILDING}received"));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(SnapshotError::file("remove", &folder))?;
    }
    fs::create_dir(&folder).map_err(SnapshotError::file("create", &folder))?;
    copy_files(snapshot, &folder.join(FILES))?;
    seal(&folder, snapshot.manifest())?;
    adopt(shared, &folder, snapshot.manifest().clone())
}

/// Links the immutable files of `snapshot` into the new folder `to`, copies the others, and makes them durable.
fn copy_files(snapshot: &SnapshotDir, to: &Path) -> Result<(), SnapshotError> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(SnapshotError::file("remove", to))?;
    }
    fs::create_dir(to).map_err(SnapshotError::file("create", to))?;
    for SnapshotFile { name, .. } in &snapshot.manifest().files {
        let (from, target) = (snapshot.files().join(name), to.join(name));
        let extension = from.extension();
        let immutable = extension.is_some_and(|extension| extension == "sst" || extension == "blob");
        let linked = immutable && fs::hard_link(&from, &target).is_ok();
        if !linked {
            fs::copy(&from, &target).map_err(SnapshotError::file("copy", &from))?;
            durable::sync_file(&target).map_err(SnapshotError::file("sync", &target))?;
        }
    }
    durable::sync_dir(to).map_err(SnapshotError::file("sync", to))?;
    match to.parent() {
        Some(parent) => durable::sync_dir(parent).map_err(SnapshotError::file("sync", parent)),
        None => Ok(()),
    }
}

fn point_to(state_folder: &Path, number: u64) -> Result<(), SnapshotError> {
    let name = format!("{GENERATION}{number}\n");
    durable::replace_file(state_folder, CURRENT, name.as_bytes())
        .map_err(SnapshotError::file("write CURRENT in", state_folder))
}

/// Number of the live generation.
fn generation_number(state_folder: &Path) -> Result<u64, SnapshotError> {
    let path = state_folder.join(CURRENT);
    let content = fs::read_to_string(&path).map_err(SnapshotError::file("read", &path))?;
    let number = content
        .trim_end()
        .strip_prefix(GENERATION)
        .and_then(|number| number.parse().ok());
    number.ok_or(SnapshotError::NoCurrent { path })
}

/// Opens the live state and the newest snapshot, and removes what a crash left of others.
pub(crate) fn open_state(
    state_folder: &Path,
    snapshots_folder: &Path,
    options: &Options,
    cache: &Cache,
) -> Result<(Published, Option<SnapshotDir>), SnapshotError> {
    let number = if state_folder.join(CURRENT).exists() {
        generation_number(state_folder)?
    } else {
        first_generation(state_folder)?
    };
    let live = state_folder.join(format!("{GENERATION}{number}"));
    for path in list(state_folder)? {
        if name_of(&path).starts_with(GENERATION) && path != live {
            fs::remove_dir_all(&path).map_err(SnapshotError::file("remove", &path))?;
        }
    }
    let snapshot = newest_snapshot(snapshots_folder)?;
    let generation = Generation::open(&live, options, cache)?;
    Ok((Published::load(Arc::new(generation))?, snapshot))
}

fn first_generation(state_folder: &Path) -> Result<u64, SnapshotError> {
    let generations: Vec<String> = list(state_folder)?.iter().map(|path| name_of(path)).collect();
    let first = format!("{GENERATION}1");
    if generations
        .iter()
        .any(|name| name.starts_with(GENERATION) && *name != first)
    {
        return Err(SnapshotError::NoCurrent {
            path: state_folder.join(CURRENT),
        });
    }
    point_to(state_folder, 1)?;
    Ok(1)
}

fn newest_snapshot(snapshots_folder: &Path) -> Result<Option<SnapshotDir>, SnapshotError> {
    let mut newest: Option<SnapshotDir> = None;
    for path in list(snapshots_folder)? {
        let name = name_of(&path);
        if name.starts_with(BUILDING) || name.starts_with(INCOMING) {
            fs::remove_dir_all(&path).map_err(SnapshotError::file("remove", &path))?;
            continue;
        }
        match SnapshotDir::load(&path) {
            Ok(found) => {
                let last = |snapshot: &SnapshotDir| snapshot.manifest().meta.last_log_id;
                let (newer, older) = match newest.take() {
                    Some(other) if last(&other) > last(&found) => (other, Some(found)),
                    other => (found, other),
                };
                if let Some(older) = older {
                    older.doom();
                }
                newest = Some(newer);
            }
            Err(error) => {
                tracing::warn!(snapshot = %path.display(), %error, "removing a damaged snapshot; a new one will be built");
                fs::remove_dir_all(&path).map_err(SnapshotError::file("remove", &path))?;
            }
        }
    }
    Ok(newest)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let entries = fs::read_dir(folder).map_err(SnapshotError::file("list", folder))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(SnapshotError::file("list", folder))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
