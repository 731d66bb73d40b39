//! Snapshots by bytes of log: what has grown past the limit is folded into a snapshot, and openraft then purges the log
//! but for the tail that [`super::config`] keeps.

use std::time::Duration;

use confman_store::StoreStats;
use openraft::async_runtime::WatchReceiver as _;
use tokio_util::sync::CancellationToken;

use super::Raft;

/// How often the size of the log is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// When to take snapshots.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotOptions {
    /// Bytes of log since the last snapshot that trigger the next.
    pub log_bytes: u64,
}

/// Triggers snapshots until `stop`.
pub async fn run(raft: Raft, stats: StoreStats, options: SnapshotOptions, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    // Asked for at this log index; not asked again before something was applied since.
    let mut asked_at = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let bytes = stats.log_bytes_since_snapshot();
        let applied = raft.metrics().borrow_watched().last_applied.map(|log_id| log_id.index);
        if bytes < options.log_bytes || applied == asked_at {
            continue;
        }
        tracing::info!(log_bytes = bytes, "taking a snapshot");
        asked_at = applied;
        if let Err(error) = raft.trigger().snapshot().await {
            tracing::error!(%error, "a snapshot cannot be taken");
            return;
        }
    }
}
