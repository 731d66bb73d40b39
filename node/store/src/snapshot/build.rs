//! Builds a snapshot: checkpoint, manifest, rename. Apply goes on meanwhile.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use openraft::RaftSnapshotBuilder;
use rocksdb::checkpoint::Checkpoint;

use super::{
    BUILDING, FILES, SnapshotDir, SnapshotError, SnapshotFile, SnapshotManifest, folder_name, is_state_file, seal,
};
use crate::codec::AppliedRow;
use crate::state_machine::{Generation, StateShared};
use crate::types::{Snapshot, SnapshotMeta, TypeConfig};
use crate::{crash_point, durable};

/// Builds one snapshot for openraft.
pub struct SnapshotBuilder {
    shared: Arc<StateShared>,
}

impl SnapshotBuilder {
    pub(crate) fn new(shared: Arc<StateShared>) -> Self {
        Self { shared }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotDir;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        self.shared.fault.check()?;
        let shared = Arc::clone(&self.shared);
        let built = tokio::task::spawn_blocking(move || build(&shared)).await;
        let snapshot = built
            .map_err(io::Error::other)?
            .map_err(|error| io::Error::from(self.shared.fault.raise("build a snapshot", &error)))?;
        Ok(Snapshot {
            meta: snapshot.manifest().meta.clone(),
            snapshot,
        })
    }
}

/// Makes the state as it is now the newest snapshot. The checkpoint flushes the state, so that what the snapshot covers
/// is durable in both, and the log up to there may be purged. Blocking.
pub(crate) fn build(shared: &StateShared) -> Result<SnapshotDir, SnapshotError> {
    let _one_at_a_time = shared.making_snapshot.lock();
    let published = shared.published();
    let current = shared.snapshot.lock().clone();
    if let Some(current) = current
        && current.manifest().meta.last_log_id >= published.applied.last_applied
    {
        return Ok(current);
    }
    let log_bytes = shared.counters.log_bytes_now();
    let folder = shared.snapshots_folder.join(format!("{BUILDING}state"));
    let manifest = checkpoint(&published.generation, &folder)?;
    seal(&folder, &manifest)?;
    crash_point::reach("build-before-rename");
    let snapshot = adopt(shared, &folder, manifest)?;
    shared.counters.snapshot_made(log_bytes);
    Ok(snapshot)
}

/// Moves a finished snapshot to its place and makes it the newest one.
pub(super) fn adopt(
    shared: &StateShared,
    folder: &Path,
    manifest: SnapshotManifest,
) -> Result<SnapshotDir, SnapshotError> {
    let place = shared
        .snapshots_folder
        .join(folder_name(manifest.meta.last_log_id.as_ref()));
    if place.exists() {
        // Left by a crash before it became the newest, and not known to anybody.
        fs::remove_dir_all(&place).map_err(SnapshotError::file("remove", &place))?;
    }
    durable::publish_dir(folder, &place).map_err(SnapshotError::file("rename", folder))?;
    crash_point::reach("snapshot-after-rename");
    let snapshot = SnapshotDir::new(place, manifest);
    if let Some(previous) = shared.snapshot.lock().replace(snapshot.clone()) {
        previous.doom();
    }
    Ok(snapshot)
}

fn checkpoint(generation: &Generation, folder: &Path) -> Result<SnapshotManifest, SnapshotError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(SnapshotError::file("remove", folder))?;
    }
    fs::create_dir(folder).map_err(SnapshotError::file("create", folder))?;
    let files = folder.join(FILES);
    Checkpoint::new(generation.database())
        .and_then(|checkpoint| checkpoint.create_checkpoint(&files))
        .map_err(SnapshotError::Checkpoint)?;
    crash_point::reach("build-after-checkpoint");
    // Apply goes on meanwhile: only the checkpoint itself knows how far it is.
    let AppliedRow {
        last_applied,
        membership,
        replica_hash: _,
    } = Generation::peek(&files)?;
    Ok(SnapshotManifest {
        meta: SnapshotMeta {
            last_log_id: last_applied,
            last_membership: membership,
        },
        files: describe(&files)?,
    })
}

/// The files of a state in `folder`, each made durable; what does not belong to the state is removed.
fn describe(folder: &Path) -> Result<Vec<SnapshotFile>, SnapshotError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(SnapshotError::file("list", folder))? {
        let path = entry.map_err(SnapshotError::file("list", folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        match name.filter(|name| is_state_file(name)) {
            Some(name) => found.push(measure(&path, name).map_err(SnapshotError::file("read", &path))?),
            None => fs::remove_file(&path).map_err(SnapshotError::file("remove", &path))?,
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn measure(path: &Path, name: String) -> io::Result<SnapshotFile> {
    let mut file = File::open(path)?;
    file.sync_all()?;
    let mut piece = vec![0; 1 << 20];
    let mut length = 0;
    let mut crc32c = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(SnapshotFile { name, length, crc32c });
        }
        crc32c = crc32c::crc32c_append(crc32c, &piece[..read]);
        length += read as u64;
    }
}
