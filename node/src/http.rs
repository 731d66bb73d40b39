//! The HTTP side of a node: one route table (in the contract), one entrance for every request, one handler a route.

pub mod audit;
pub mod body;
pub mod call;
pub mod config;
pub mod cursor;
pub mod entrance;
pub mod health;
pub mod internal;
pub mod linger;
pub mod negotiate;
pub mod publish_requests;
pub mod reply;
pub mod target;
pub mod trace;
pub mod whoami;

use std::sync::Arc;

use confman_store::StoreStats;
use tokio::sync::Semaphore;

use crate::auth::api_keys::ApiKeys;
use crate::metrics::Metrics;
use crate::propose::Proposer;
use crate::raft::Raft;
use crate::raft::bootstrap::Bootstrap;
use crate::read::Reader;

/// What handlers need of the node.
pub struct App {
    /// The read path.
    pub reader: Reader,
    /// The write path.
    pub proposer: Proposer,
    /// Bootstrap.
    pub bootstrap: Bootstrap,
    /// The Raft, for its status only.
    pub raft: Raft,
    /// Sizes for the metrics.
    pub stats: StoreStats,
    /// Accepted API keys.
    pub api_keys: ApiKeys,
    /// Counters.
    pub metrics: Metrics,
    /// Requests that may be at work at once.
    pub places: Semaphore,
    /// Set when the node begins to stop: it is not ready any more.
    pub stopping: tokio_util::sync::CancellationToken,
}

/// The handlers' shared view of the node.
pub type SharedApp = Arc<App>;
