//! Command line; every option of `run` can come from the environment too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use confman_core::ids::{ClusterId, NamespacePath, Timestamp};

use crate::audit::Anchor;
use crate::backup::Destination;
use crate::webhooks;
use crate::webhooks::address::{AddressRules, Network};

/// One node of a Confman cluster.
#[derive(Debug, Parser)]
#[command(name = "confman-node", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node of a cluster.
    Run(Box<RunArgs>),
    /// Try Confman: one node on this machine's loopback, without TLS, in a temporary folder.
    Dev(DevArgs),
    /// Make, issue, list and revoke API keys.
    Keys(KeysArgs),
    /// Work on exports of the audit trail.
    Audit(AuditArgs),
    /// List the backups at a place.
    Backups(BackupsArgs),
    /// Make the volume of a new cluster's first node from a backup.
    Restore(RestoreArgs),
    /// Make the volume of a node, whose cluster has lost its majority for ever, that of a new cluster's first node.
    Recover(RecoverArgs),
    /// Ask a node on this machine for its health; the exit status is the answer.
    Healthcheck(HealthcheckArgs),
}

/// Options of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Folder of this node's volume.
    #[arg(long, env = "CONFMAN_DATA_DIR")]
    pub data_dir: PathBuf,
    /// Where clients are served: plain HTTP, or TLS with `--http-tls-dir`.
    #[arg(long, env = "CONFMAN_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// Where the operator is served: TLS with the courier's certificate.
    #[arg(long, env = "CONFMAN_INTERNAL_ADDRESS", default_value = "0.0.0.0:8444")]
    pub internal_address: SocketAddr,
    /// Where peers are served: TLS with the nodes' certificates.
    #[arg(long, env = "CONFMAN_PEER_ADDRESS", default_value = "0.0.0.0:8445")]
    pub peer_address: SocketAddr,
    /// Where Prometheus is served.
    #[arg(long, env = "CONFMAN_METRICS_ADDRESS", default_value = "0.0.0.0:9090")]
    pub metrics_address: SocketAddr,
    /// Where peers reach this node, `host:port`; its certificate must carry the host.
    #[arg(long, env = "CONFMAN_ADVERTISE")]
    pub advertise: String,
    /// Folder with `ca.crt`, `tls.crt` and `tls.key`.
    #[arg(long, env = "CONFMAN_TLS_DIR")]
    pub tls_dir: PathBuf,
    /// Folder with `tls.crt` and `tls.key` of the clients' port; without it that is plain HTTP and nobody can log in with a
    /// client certificate.
    #[arg(long, env = "CONFMAN_HTTP_TLS_DIR")]
    pub http_tls_dir: Option<PathBuf>,
    /// Failed logins that an address, or a name, may have at once before it is slowed.
    #[arg(long, env = "CONFMAN_LOGIN_FAILURES", default_value_t = default_login_failures())]
    pub login_failures: u32,
    /// Folder with one file an API key, named like it, holding `sha256:<hex>` of its text.
    #[arg(long, env = "CONFMAN_API_KEYS_DIR")]
    pub api_keys_dir: PathBuf,
    /// File with the one-use token; may be absent once the cluster exists.
    #[arg(long, env = "CONFMAN_BOOTSTRAP_TOKEN_FILE")]
    pub bootstrap_token_file: Option<PathBuf>,
    /// File with the keys that seal secrets, lines of `NAME:BASE64` of 32 bytes; the first seals, all open. The same on
    /// every node.
    #[arg(long, env = "CONFMAN_SEALING_KEYS")]
    pub sealing_keys: Option<PathBuf>,
    /// UID of the `ConfmanCluster`.
    #[arg(long, env = "CONFMAN_CLUSTER_ID", value_parser = parse_cluster_id)]
    pub cluster_id: ClusterId,
    /// Bytes of log since the last snapshot that trigger the next.
    #[arg(long, env = "CONFMAN_SNAPSHOT_LOG_BYTES", default_value_t = 64 << 20)]
    pub snapshot_log_bytes: u64,
    /// Entries that stay in the log behind a snapshot.
    #[arg(long, env = "CONFMAN_KEEP_LOG_ENTRIES", default_value_t = 10_000)]
    pub keep_log_entries: u64,
    /// Bytes of the volume that stay free, an eighth of a small volume at most; below, writes are refused.
    #[arg(long, env = "CONFMAN_DISK_RESERVE_BYTES", default_value_t = default_disk_reserve_bytes())]
    pub disk_reserve_bytes: u64,
    /// Seconds between two comparisons of what the members have come to; one that differs stops.
    #[arg(long, env = "CONFMAN_COMPARE_INTERVAL_SECONDS", default_value_t = DEFAULT_COMPARE_INTERVAL.as_secs())]
    pub compare_interval_seconds: u64,
    /// Where backups go, and when.
    #[command(flatten)]
    pub backup: BackupArgs,
    /// How webhooks are sent.
    #[command(flatten)]
    pub webhooks: WebhookArgs,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Options of backups, see `docs/backup.md`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// Where backups go: `file:///FOLDER` or `s3://BUCKET/PREFIX` (credentials, region and endpoint of a bucket come from
    /// `AWS_…`). Without it there are none.
    #[arg(long, env = "CONFMAN_BACKUP_URL", value_parser = Destination::parse)]
    pub backup_url: Option<Destination>,
    /// Seconds between two backups, which the leader takes; 0 takes them on demand only.
    #[arg(long, env = "CONFMAN_BACKUP_INTERVAL_SECONDS", default_value_t = 24 * 60 * 60)]
    pub backup_interval_seconds: u64,
    /// How many backups are kept.
    #[arg(long, env = "CONFMAN_BACKUP_KEEP", default_value_t = 7)]
    pub backup_keep: usize,
}

/// Options of webhooks, see `docs/webhooks.md`.
#[derive(Clone, Debug, clap::Args)]
pub struct WebhookArgs {
    /// Folder with the files of webhook secrets; without it no webhook is sent.
    #[arg(long, env = "CONFMAN_WEBHOOK_SECRETS_DIR")]
    pub webhook_secrets_dir: Option<PathBuf>,
    /// Internal networks that webhooks may connect to, e.g. `10.96.0.10/32`; with commas between.
    #[arg(long, env = "CONFMAN_WEBHOOK_ALLOW", value_delimiter = ',')]
    pub webhook_allow: Vec<Network>,
    /// Public networks of the own cluster, which webhooks may not connect to; with commas between.
    #[arg(long, env = "CONFMAN_WEBHOOK_OWN_NETWORKS", value_delimiter = ',')]
    pub webhook_own_networks: Vec<Network>,
    /// PEM file with the CAs that vouch for receivers, instead of the system's.
    #[arg(long, env = "CONFMAN_WEBHOOK_CA_FILE")]
    pub webhook_ca_file: Option<PathBuf>,
}

impl WebhookArgs {
    /// The options; loopback is open in `dev` alone.
    pub fn options(self, allow_loopback: bool) -> webhooks::Options {
        webhooks::Options {
            secrets_folder: self.webhook_secrets_dir,
            addresses: AddressRules {
                allowed: self.webhook_allow,
                own: self.webhook_own_networks,
                allow_loopback,
            },
            ca_file: self.webhook_ca_file,
        }
    }
}

/// Options of `dev`.
#[derive(Clone, Debug, clap::Args)]
pub struct DevArgs {
    /// Keep the data in this folder instead of a temporary one.
    #[arg(long, env = "CONFMAN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// How webhooks are sent; to this machine too.
    #[command(flatten)]
    pub webhooks: WebhookArgs,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How the program logs; what it logs is said by `CONFMAN_LOG`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LogArgs {
    /// Form of the log; text for a terminal and JSON otherwise when not given.
    #[arg(long, env = "CONFMAN_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

/// Options of `keys`.
#[derive(Clone, Debug, clap::Args)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What `keys` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Print a new key, and what its file must hold.
    Generate {
        /// Environment in the key, e.g. `prod`.
        #[arg(long, default_value = "prod", value_parser = parse_environment)]
        environment: String,
    },
    /// Read a key from standard input and print what its file must hold.
    Hash,
    /// Have the cluster issue a key, and print it; it is shown nowhere else.
    Issue(IssueArgs),
    /// List the keys of the cluster that may be revoked with the key in use.
    List(ServerArgs),
    /// End a key of the cluster at once.
    Revoke {
        /// Its name.
        name: String,
        /// Which cluster.
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// How a cluster is reached by `keys`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// Address of a node, or several with commas between.
    #[arg(
        long,
        env = "CONFMAN_SERVER",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8080"
    )]
    pub server: Vec<String>,
    /// File with the API key to act with.
    #[arg(long, env = "CONFMAN_API_KEY_FILE")]
    pub api_key_file: PathBuf,
    /// PEM file with the CAs of an https address.
    #[arg(long, env = "CONFMAN_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Options of `keys issue`.
#[derive(Clone, Debug, clap::Args)]
pub struct IssueArgs {
    /// Name of the new key, never used before.
    pub name: String,
    /// Environment in the key, e.g. `prod`.
    #[arg(long, default_value = "prod", value_parser = parse_environment)]
    pub environment: String,
    /// Only for this config namespace and those below it.
    #[arg(long, value_parser = parse_namespace)]
    pub namespace: Option<NamespacePath>,
    /// Only for reading.
    #[arg(long)]
    pub read_only: bool,
    /// When it ends, e.g. `2027-01-01T00:00:00Z`.
    #[arg(long, value_parser = parse_time)]
    pub expires_at: Option<Timestamp>,
    /// Which cluster.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `audit`.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What `audit` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify an export: status 1 and the line at fault if an event was altered, dropped, inserted or moved, or the end
    /// is missing.
    Verify {
        /// The export (JSON lines), or `-` for standard input.
        file: PathBuf,
        /// `COUNT:sha256:HEX` of an earlier export, kept elsewhere: event COUNT must still have this hash.
        #[arg(long, value_parser = Anchor::parse)]
        head: Option<Anchor>,
    },
}

/// Options of `backups`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupsArgs {
    /// Where the backups are: `file:///FOLDER` or `s3://BUCKET/PREFIX`.
    #[arg(long, env = "CONFMAN_BACKUP_URL", value_parser = Destination::parse)]
    pub backup_url: Destination,
}

/// What `restore` and `recover` make.
#[derive(Clone, Debug, clap::Args)]
pub struct NewClusterArgs {
    /// Folder of the volume. No node may run on it.
    #[arg(long, env = "CONFMAN_DATA_DIR")]
    pub data_dir: PathBuf,
    /// Id of the new cluster: another than that of the old one, so that what is left of that cannot mix with it.
    #[arg(long, env = "CONFMAN_CLUSTER_ID", value_parser = parse_cluster_id)]
    pub cluster_id: ClusterId,
    /// Where peers reach the first node, `host:port`.
    #[arg(long, env = "CONFMAN_ADVERTISE")]
    pub advertise: String,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Options of `restore`.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// Where the backups are: `file:///FOLDER` or `s3://BUCKET/PREFIX`.
    #[arg(long, env = "CONFMAN_BACKUP_URL", value_parser = Destination::parse)]
    pub backup_url: Destination,
    /// Name of the backup; the newest if not given.
    #[arg(long)]
    pub backup: Option<String>,
    /// Cluster whose backup it is, where there are several.
    #[arg(long, value_parser = parse_cluster_id)]
    pub from_cluster_id: Option<ClusterId>,
    /// Restore everything up to this log index, and nothing after it; all of the backup if not given.
    #[arg(long)]
    pub at_index: Option<u64>,
    /// What is made.
    #[command(flatten)]
    pub new: NewClusterArgs,
}

/// Options of `recover`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecoverArgs {
    /// Id of the cluster that is lost, as a proof that this is the right volume.
    #[arg(long, value_parser = parse_cluster_id)]
    pub lost_cluster_id: ClusterId,
    /// Say how far the log of the volume goes, and change nothing.
    #[arg(long)]
    pub inspect: bool,
    /// What is made.
    #[command(flatten)]
    pub new: NewClusterArgs,
}

/// Options of `healthcheck`.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// Address of the node's HTTP port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// Ask whether the node is ready, not only alive.
    #[arg(long)]
    pub ready: bool,
}

/// [`confman_api::limits::LOGIN_FAILURES`] as an option has it.
pub fn default_login_failures() -> u32 {
    u32::try_from(confman_api::limits::LOGIN_FAILURES.value).unwrap_or(u32::MAX)
}

/// Time between two comparisons of the replicas.
pub const DEFAULT_COMPARE_INTERVAL: Duration = Duration::from_mins(1);

/// What a volume of the usual size keeps back: minutes of writes, and a snapshot of a small state.
pub const fn default_disk_reserve_bytes() -> u64 {
    256 << 20
}

fn parse_namespace(text: &str) -> Result<NamespacePath, String> {
    NamespacePath::parse(text).map_err(|error| error.to_string())
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn parse_cluster_id(text: &str) -> Result<ClusterId, String> {
    ClusterId::parse(text).map_err(|error| error.to_string())
}

fn parse_environment(text: &str) -> Result<String, String> {
    let is_word =
        (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_word
        .then(|| text.to_owned())
        .ok_or_else(|| "an environment has 1 to 16 letters, digits or dashes".to_owned())
}
