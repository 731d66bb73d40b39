//! Backups of the cluster: the newest snapshot with the log after it, in a folder or a bucket, on demand and by a schedule.
//!
//! Any node can take one. The leader keeps the schedule, by what it finds at the destination: a new leader goes on where the
//! last one was. Values that are sealed stay sealed; the keys are not in it.

mod destination;
pub mod fetch;
mod manifest;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use confman_api::cluster::BackupView;
use confman_store::backup::{BackupError, BackupSource, write_entries};
use confman_store::{SnapshotDir, SnapshotFile, StateReader, snapshot};
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use self::destination::{Destination, DestinationError};
pub use self::manifest::{BackupManifest, FileRecord};
use crate::metrics::Metrics;
use crate::propose::now;

/// How often the schedule is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Where the log entries of a backup are.
const LOG: &str = "log";
/// Where the snapshot of a backup is.
const SNAPSHOT: &str = "snapshot";

/// Where backups go, and when.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Where they go; none, and there are none.
    pub destination: Option<Destination>,
    /// Time between two backups; zero, and they are taken on demand only.
    pub interval: Duration,
    /// How many are kept; older ones go once a new one is complete.
    pub keep: usize,
    /// Folder on the volume for what is on its way.
    pub scratch: PathBuf,
}

/// Why no backup was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// There is no destination.
    #[error("this node was started without --backup-url, so there is no place for backups")]
    NoDestination,
    /// One is being taken.
    #[error("this node takes a backup already")]
    Busy,
    /// The cluster does not exist.
    #[error("the cluster is not initialised")]
    NotInitialised,
    /// The volume of this node.
    #[error(transparent)]
    Source(#[from] BackupError),
    /// A file on the way.
    #[error("failed to write {}: {source}", path.display())]
    Scratch {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The destination.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

/// Takes backups. Cheap to clone.
#[derive(Clone)]
pub struct Backups {
    inner: Arc<Inner>,
}

struct Inner {
    options: BackupOptions,
    source: BackupSource,
    state: StateReader,
    node_id: u64,
    metrics: Metrics,
    one_at_a_time: Mutex<()>,
}

impl Backups {
    /// Of the volume that `source` and `state` read.
    pub fn new(
        options: BackupOptions,
        (source, state): (BackupSource, StateReader),
        node_id: u64,
        metrics: Metrics,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                source,
                state,
                node_id,
                metrics,
                one_at_a_time: Mutex::new(()),
            }),
        }
    }

    /// Takes one now, and removes those that are too many.
    ///
    /// # Errors
    /// If it is not complete at the destination. What is there of it is ignored and replaced.
    pub async fn take(&self) -> Result<BackupView, TakeError> {
        let destination = self.destination()?;
        let _turn = self.inner.one_at_a_time.try_lock().map_err(|_| TakeError::Busy)?;
        let taken = self.take_to(destination).await;
        match &taken {
            Ok(view) => self.inner.metrics.backup_taken(view.taken_at, view.bytes),
            Err(_) => self.inner.metrics.backup_failed(),
        }
        let view = taken?;
        tracing::info!(
            name = view.name,
            index = view.last_index,
            bytes = view.bytes,
            "a backup is complete"
        );
        if let Err(error) = self.prune(destination).await {
            tracing::warn!(%error, "old backups cannot be removed");
        }
        Ok(view)
    }

    /// Every complete backup of this cluster, the oldest first.
    ///
    /// # Errors
    /// If the destination cannot be read.
    pub async fn list(&self) -> Result<Vec<BackupView>, TakeError> {
        let cluster = self.inner.state.cluster().ok_or(TakeError::NotInitialised)?;
        let found = manifest::list(self.destination()?, Some(&cluster.cluster_id)).await?;
        Ok(found.iter().map(BackupManifest::view).collect())
    }

    /// Keeps the schedule while this node leads, until `stop`.
    pub async fn run(self, leading: watch::Receiver<bool>, stop: CancellationToken) {
        if self.inner.options.destination.is_none() || self.inner.options.interval.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval(LOOK_INTERVAL.min(self.inner.options.interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            if !*leading.borrow() || self.inner.state.cluster().is_none() {
                continue;
            }
            match self.take_if_due().await {
                Ok(()) | Err(TakeError::Busy) => {}
                Err(error) => tracing::error!(error = %with_causes(&error), "no backup can be taken"),
            }
        }
    }

    async fn take_if_due(&self) -> Result<(), TakeError> {
        let newest = self
            .list()
            .await
            .inspect_err(|_| self.inner.metrics.backup_failed())?
            .pop();
        if let Some(newest) = &newest {
            self.inner.metrics.backup_taken(newest.taken_at, newest.bytes);
        }
        let interval = i64::try_from(self.inner.options.interval.as_millis()).unwrap_or(i64::MAX);
        let is_due = newest.is_none_or(|newest| {
            let age = now().as_millis().saturating_sub(newest.taken_at.as_millis());
            age >= interval
        });
        if is_due { self.take().await.map(drop) } else { Ok(()) }
    }

    fn destination(&self) -> Result<&Destination, TakeError> {
        self.inner.options.destination.as_ref().ok_or(TakeError::NoDestination)
    }

    async fn take_to(&self, destination: &Destination) -> Result<BackupView, TakeError> {
        let cluster = self.inner.state.cluster().ok_or(TakeError::NotInitialised)?;
        let taken_at = now();
        let source = self.inner.source.clone();
        let entries_path = self.inner.options.scratch.join("backup-log");
        let path = entries_path.clone();
        // The snapshot's files stay until `gathered` goes.
        let gathered = tokio::task::spawn_blocking(move || {
            let gathered = source.gather()?;
            write_entries(&path, &gathered.entries)?;
            Ok::<_, BackupError>(gathered)
        });
        let gathered = gathered.await.map_err(|_| TakeError::Stopping)??;
        let mut files = vec![(LOG.to_owned(), entries_path.clone())];
        files.extend(gathered.snapshot.iter().flat_map(files_of));
        let covered = gathered.snapshot.as_ref();
        let covered = covered.and_then(|snapshot| snapshot.manifest().meta.last_log_id);
        let mut backup = BackupManifest {
            format: BackupManifest::FORMAT,
            cluster_id: cluster.cluster_id.clone(),
            name: manifest::name_of(taken_at, gathered.last.index),
            taken_at,
            node_id: self.inner.node_id.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot_index: covered.map_or(0, |covered| covered.index),
            last_index: gathered.last.index,
            files: Vec::with_capacity(files.len()),
        };
        for (name, path) in &files {
            let place = backup.place(name);
            let (bytes, sha256) = destination.put_file(&place, path).await?;
            backup.files.push(FileRecord {
                name: name.clone(),
                bytes,
                sha256,
            });
        }
        // Last: a backup without it is none.
        destination
            .put(&backup.place(manifest::FILE), &backup.to_json())
            .await?;
        tokio::fs::remove_file(&entries_path)
            .await
            .map_err(|source| TakeError::Scratch {
                path: entries_path,
                source,
            })?;
        Ok(backup.view())
    }

    async fn prune(&self, destination: &Destination) -> Result<(), TakeError> {
        let cluster = self.inner.state.cluster().ok_or(TakeError::NotInitialised)?;
        let found = manifest::list(destination, Some(&cluster.cluster_id)).await?;
        let too_many = found.len().saturating_sub(self.inner.options.keep.max(1));
        for old in &found[..too_many] {
            tracing::info!(name = old.name, "removing an old backup");
            // First: what is left of it is no backup.
            destination.delete(&old.place(manifest::FILE)).await?;
            for file in &old.files {
                destination.delete(&old.place(&file.name)).await?;
            }
            destination.delete_folder(&old.place("")).await?;
        }
        Ok(())
    }
}

/// The files of a snapshot: names in a backup, and where they are.
fn files_of(snapshot: &SnapshotDir) -> Vec<(String, PathBuf)> {
    let manifest = format!("{SNAPSHOT}/{}", snapshot::MANIFEST);
    let mut files = vec![(manifest, snapshot.manifest_path())];
    let listed = snapshot.manifest().files.iter();
    files.extend(listed.map(|SnapshotFile { name, .. }| {
        let place = format!("{SNAPSHOT}/{}/{name}", snapshot::FILES);
        (place, snapshot.file_path(name))
    }));
    files
}

/// Every complete backup at `destination`, of any cluster, the oldest first.
///
/// # Errors
/// If the destination cannot be read.
pub async fn all(destination: &Destination) -> Result<Vec<BackupView>, DestinationError> {
    let found = manifest::list(destination, None).await?;
    Ok(found.iter().map(BackupManifest::view).collect())
}

/// The text of an error with those of its causes.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
