//! What a node is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use confman_core::ids::ClusterId;

use crate::backup::Destination;

/// Where the API keys come from.
#[derive(Clone, Debug)]
pub enum ApiKeySource {
    /// A mounted Secret.
    Folder(PathBuf),
    /// Exactly these: name and text.
    Fixed(Vec<(String, String)>),
}

/// Options of a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Folder of its volume.
    pub data_dir: PathBuf,
    /// Port for clients.
    pub http_address: SocketAddr,
    /// Port for the operator; none where nobody may be courier.
    pub internal_address: Option<SocketAddr>,
    /// Port for peers.
    pub peer_address: SocketAddr,
    /// Port for Prometheus.
    pub metrics_address: SocketAddr,
    /// Where peers reach it, `host:port`; none for the bound peer address.
    pub advertised: Option<String>,
    /// Folder with its certificates; none only for a single node on its own loopback.
    pub tls_dir: Option<PathBuf>,
    /// Folder with the certificate of the public port; none: plain HTTP.
    pub http_tls_dir: Option<PathBuf>,
    /// API keys.
    pub api_keys: ApiKeySource,
    /// File with the keys that seal secrets.
    pub sealing_keys: Option<PathBuf>,
    /// Failed logins that an address may have at once before it is slowed.
    pub login_failures: u32,
    /// File with the one-use token.
    pub bootstrap_token_file: Option<PathBuf>,
    /// The cluster it is made for.
    pub cluster_id: ClusterId,
    /// Bytes of log since the last snapshot that trigger the next.
    pub snapshot_log_bytes: u64,
    /// Entries that stay in the log behind a snapshot.
    pub keep_log_entries: u64,
    /// Bytes of the volume that stay free: writes are refused before they would be used.
    pub disk_reserve_bytes: u64,
    /// Time between two comparisons of the replicas.
    pub compare_interval: Duration,
    /// Where backups go; none, and there are none.
    pub backup_destination: Option<Destination>,
    /// Time between two backups; zero, and they are taken on demand only.
    pub backup_interval: Duration,
    /// How many backups are kept.
    pub backup_keep: usize,
    /// How webhooks are sent.
    pub webhooks: crate::webhooks::Options,
    /// Sizes of the store.
    pub store: confman_store::Options,
}
