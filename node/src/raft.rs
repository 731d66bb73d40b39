//! Raft between nodes: settings, network, server, bootstrap, membership, snapshots, handover.

pub mod bootstrap;
pub mod call_error;
pub mod channel;
pub mod comparison;
pub mod forward;
pub mod freshness;
pub mod handover;
pub mod leadership;
pub mod membership;
pub mod network;
pub mod peers;
pub mod report;
pub mod server;
pub mod snapshots;
pub mod status;
pub mod wire;

use std::sync::Arc;

use confman_store::{StateMachine, TypeConfig};
use openraft::{Config, ConfigError, SnapshotPolicy};

/// Generated clients and servers of the peers' service.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code, different with each generator"
)]
pub mod service {
    include!(concat!(env!("OUT_DIR"), "/confman.v1.Peer.rs"));
    include!(concat!(env!("OUT_DIR"), "/confman.v1.Bootstrap.rs"));
}

/// Our Raft: openraft over the store's state machine.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

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
