//! How openraft is set. The simulation compiles this file too, so that it runs what a node runs.

use std::sync::Arc;

use openraft::{Config, ConfigError, SnapshotPolicy};

/// How long a leader keeps sending a snapshot, in ms; large ones over slow links take minutes.
const SNAPSHOT_TIMEOUT_MS: u64 = 30 * 60 * 1000;

/// The settings of `raft-and-storage.md`; `keep_entries` stay in the log behind a snapshot for followers that lag a bit.
pub fn config(cluster_name: &str, keep_entries: u64) -> Result<Arc<Config>, ConfigError> {
    let config = Config {
        cluster_name: cluster_name.to_owned(),
        heartbeat_interval: 150,
        heartbeat_min_interval: Some(100),
        election_timeout_min: 1000,
        election_timeout_max: 2000,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        // Must be at least twice the longest election timeout.
        quorum_loss_probe_interval: Some(4000),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: keep_entries,
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        max_payload_entries: 1024,
        api_batch_linger_ms: 0,
        allow_log_reversion: None,
        backoff: "100ms 200ms ...2s".to_owned(),
        ..Config::default()
    };
    config.validate().map(Arc::new)
}
