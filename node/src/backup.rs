//! Backups of the cluster: the newest snapshot with the log after it, in a folder or a bucket, on demand and by a schedule.
//!
//! Any node can take one. The leader keeps the schedule, by what it finds at the destination: a new leader goes on where the
//! last one was. Values that are sealed stay sealed; the keys are not in it.

mod destination;
pub mod fetch;
mod manifest;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_api::cluster::BackupView;
use confman_core::ids::Timestamp;
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
/// Pause after a backup that failed.
const AFTER_FAILURE: Duration = Duration::from_mins(5);
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
    /// If it is not complete at the destination. What is there of it is removed, at once or after a day.
    pub async fn take(&self) -> Result<BackupView, TakeError> {
        let destination = self.destination()?;
        let _turn = self.inner.one_at_a_time.try_lock().map_err(|_| TakeError::Busy)?;
        let mut place = None;
        let taken = self.take_to(destination, &mut place).await;
        if let (Err(_), Some(place)) = (&taken, place)
            && let Err(error) = destination.delete_folder(&place).await
        {
            tracing::warn!(place, %error, "what there is of a backup that failed cannot be removed");
        }
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
        if let Err(error) = self.prune(destination, &view).await {
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
        let interval = self.inner.options.interval;
        if self.inner.options.destination.is_none() || interval.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval(LOOK_INTERVAL.min(interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Until then the destination need not be asked.
        let mut rest_until = Instant::now();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            if !*leading.borrow() || self.inner.state.cluster().is_none() {
                rest_until = Instant::now();
                continue;
            }
            if Instant::now() < rest_until {
                continue;
            }
            let rest = tokio::select! {
                rest = self.take_if_due() => rest,
                () = stop.cancelled() => return,
            };
            rest_until = Instant::now()
                + rest.unwrap_or_else(|error| {
                    tracing::error!(error = %with_causes(&error), "no backup can be taken");
                    AFTER_FAILURE.min(interval)
                });
        }
    }

    /// How long it is until the next one is due.
    async fn take_if_due(&self) -> Result<Duration, TakeError> {
        let interval = self.inner.options.interval;
        let newest = self
            .list()
            .await
            .inspect_err(|_| self.inner.metrics.backup_failed())?
            .pop();
        if let Some(newest) = newest {
            self.inner.metrics.backup_taken(newest.taken_at, newest.bytes);
            let age = now().as_millis() - newest.taken_at.as_millis();
            // One from the future says nothing about when the next is due.
            let age = u64::try_from(age).ok().map(Duration::from_millis);
            if let Some(rest) = age.and_then(|age| interval.checked_sub(age)) {
                return Ok(rest);
            }
        }
        match self.take().await {
            Ok(_) | Err(TakeError::Busy) => Ok(interval),
            Err(error) => Err(error),
        }
    }

    fn destination(&self) -> Result<&Destination, TakeError> {
        self.inner.options.destination.as_ref().ok_or(TakeError::NoDestination)
    }

    async fn take_to(&self, destination: &Destination, place: &mut Option<String>) -> Result<BackupView, TakeError> {
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
        *place = Some(backup.place(""));
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

    /// Removes those that are too many, but never the one that was `just_taken`, and what was not completed in a day.
    async fn prune(&self, destination: &Destination, just_taken: &BackupView) -> Result<(), TakeError> {
        let cluster = &just_taken.cluster_id;
        let found = manifest::list(destination, Some(cluster)).await?;
        let too_many = found.len().saturating_sub(self.inner.options.keep.max(1));
        let old = found.iter().filter(|backup| backup.name != just_taken.name);
        for old in old.take(too_many) {
            tracing::info!(name = old.name, "removing an old backup");
            // First: what is left of it is no backup.
            destination.delete(&old.place(manifest::FILE)).await?;
            destination.delete_folder(&old.place("")).await?;
        }
        let a_day_ago = Timestamp::from_millis(just_taken.taken_at.as_millis() - 24 * 3_600_000);
        let a_day_ago = manifest::name_of(a_day_ago, 0);
        for name in destination.folders(cluster.as_str()).await? {
            let place = format!("{cluster}/{name}");
            let is_known = found.iter().any(|backup| backup.name == name);
            if !is_known && name < a_day_ago && destination.get(&format!("{place}/{}", manifest::FILE)).await?.is_none()
            {
                tracing::info!(name, "removing a backup that was never completed");
                destination.delete_folder(&place).await?;
            }
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
