//! The composition root: opens the store, starts Raft and the ports, and stops them in the right order.

mod authentication;
mod options;
mod start;

use std::net::SocketAddr;
use std::time::Duration;

use confman_store::{FaultHandle, LogStore};
use openraft::async_runtime::WatchReceiver as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::SharedApp;
use crate::raft::{Raft, handover};

pub use options::{ApiKeySource, NodeOptions};
pub use start::StartError;

/// Longest time that open requests may take once the node stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest wait for tasks that have been told to stop.
const SETTLE: Duration = Duration::from_secs(3);

/// Where a running node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Clients.
    pub http: SocketAddr,
    /// The operator.
    pub internal: Option<SocketAddr>,
    /// Peers.
    pub peer: SocketAddr,
    /// Prometheus.
    pub metrics: SocketAddr,
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    app: SharedApp,
    raft: Raft,
    log: LogStore,
    fault: FaultHandle,
    clients: Tasks,
    background: Tasks,
}

/// Tasks that stop together.
#[derive(Clone, Default)]
struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Tells them to stop and waits up to `limit`.
    async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "tasks did not end in time");
        }
    }
}

impl Node {
    /// Opens the store and starts to serve.
    pub async fn start(options: NodeOptions) -> Result<Self, StartError> {
        start::start(options).await
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The parts that handlers use.
    pub fn app(&self) -> &SharedApp {
        &self.app
    }

    /// Returns the reason once the node cannot go on: its storage failed, or its Raft stopped by itself.
    pub async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        let stopped = async {
            loop {
                let running = metrics.borrow_watched().running_state.clone();
                if let Err(fatal) = running {
                    return format!("raft has stopped: {fatal}");
                }
                if metrics.changed().await.is_err() {
                    return "raft has stopped".to_owned();
                }
            }
        };
        let reason = tokio::select! {
            fault = self.fault.wait() => fault.to_string(),
            reason = stopped => reason,
        };
        tracing::error!(reason, "the node cannot go on");
        reason
    }

    /// Stops in order: not ready any more, leadership handed over, requests drained, Raft stopped, store closed.
    pub async fn stop(self) {
        self.app.stopping.cancel();
        // Without a successor it stops all the same.
        handover::hand_over(&self.raft).await;
        self.clients.stop(DRAIN).await;
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop cleanly");
        }
        self.background.stop(SETTLE).await;
        if let Err(error) = self.log.close().await {
            tracing::error!(%error, "the log was not closed cleanly");
        }
    }
}
