//! A Confman cluster of plain processes on the loopback address, bootstrapped the way the operator does it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_api::client::{CourierClient, CourierOptions};
use confman_api::internal::{Identity, Initialise, MemberRole};
use ed25519_dalek::SigningKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::certificates::Authority;
use crate::processes::{Process, free_ports};

/// How long a node may take to answer, and a cluster to find its leader.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Keys of watchers: a node bounds how much one principal watches.
const WATCH_KEYS: usize = 16;
/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `confman-node` program.
    pub program: PathBuf,
    /// Where data, certificates and logs go; made when missing, never removed here.
    pub folder: PathBuf,
    /// How many nodes: 1 to 7.
    pub nodes: usize,
    /// Who can log in besides the API keys.
    pub identity: Identity,
}

/// Running nodes; dropping them ends the processes.
#[derive(Debug)]
pub struct LocalNodes {
    nodes: Vec<Process>,
    /// `127.0.0.1:port` of each node's public HTTP port.
    pub http: Vec<String>,
    /// An API key that holds the admin role on `/`; direct writes are allowed there.
    pub api_key: String,
    /// More such keys, for those who watch.
    pub watch_keys: Vec<String>,
}

struct Addresses {
    http: String,
    internal: String,
    peer: String,
    metrics: String,
}

impl LocalNodes {
    /// Starts the nodes, bootstraps them and waits for a leader.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let cluster_id = uuid::Uuid::new_v4().to_string();
        let token = uuid::Uuid::new_v4().to_string();
        let authority = Authority::new(&cluster_id)?;
        let keys = options.folder.join("keys");
        std::fs::create_dir_all(&keys).context("create the folder of API keys")?;
        let api_key = make_key(&keys, "bench")?;
        let watch_keys = (0..WATCH_KEYS).map(|number| make_key(&keys, &watch_key(number)));
        let watch_keys = watch_keys.collect::<anyhow::Result<_>>()?;
        std::fs::write(options.folder.join("token"), &token)?;

        let ports = free_ports(options.nodes * 4)?;
        let addresses: Vec<_> = ports.chunks_exact(4).map(Addresses::of).collect();
        let mut nodes = Vec::new();
        for (ordinal, address) in addresses.iter().enumerate() {
            let folder = options.folder.join(format!("node-{ordinal}"));
            authority.write_node_folder(&folder.join("tls"))?;
            let mut command = node_command(options, &folder, address, &cluster_id);
            nodes.push(Process::start(
                &format!("node-{ordinal}"),
                &mut command,
                &options.folder,
            )?);
        }
        let mut started = Self {
            nodes,
            http: addresses.iter().map(|address| address.http.clone()).collect(),
            api_key,
            watch_keys,
        };
        let members: Vec<_> = addresses.iter().map(|address| address.peer.clone()).collect();
        let initialise = initialise((&cluster_id, &token), &members, &options.identity)?;
        started
            .bootstrap(&courier(&authority, &addresses)?, &initialise)
            .await?;
        Ok(started)
    }

    async fn bootstrap(&mut self, courier: &CourierClient, initialise: &Initialise) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            self.expect_running()?;
            match courier.initialise(initialise).await {
                Ok(_) => break,
                Err(error) if error.is_transient() && Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => return Err(error).context("bootstrap the nodes"),
            }
        }
        loop {
            self.expect_running()?;
            let status = courier.status().await;
            if status.is_ok_and(|status| status.members.iter().any(|member| member.role == MemberRole::Leader)) {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "no leader within {} s",
                START_TIMEOUT.as_secs()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Fails when a node has ended, with the end of its log.
    pub fn expect_running(&mut self) -> anyhow::Result<()> {
        self.nodes.iter_mut().try_for_each(Process::expect_running)
    }

    /// The processes.
    pub fn processes(&self) -> &[Process] {
        &self.nodes
    }
}

impl Addresses {
    fn of(ports: &[u16]) -> Self {
        let at = |index: usize| format!("127.0.0.1:{}", ports.get(index).copied().unwrap_or_default());
        Self {
            http: at(0),
            internal: at(1),
            peer: at(2),
            metrics: at(3),
        }
    }
}

fn watch_key(number: usize) -> String {
    format!("watch-{number}")
}

/// Makes a key and lets the nodes know it by its digest.
fn make_key(folder: &Path, name: &str) -> anyhow::Result<String> {
    let random = || uuid::Uuid::new_v4().simple();
    let key = format!("confman_bench_{}{}", random(), random());
    let digest = format!("sha256:{}", hex(&Sha256::digest(&key)));
    std::fs::write(folder.join(name), digest).with_context(|| format!("write the key {name}"))?;
    Ok(key)
}

fn node_command(options: &Options, folder: &Path, address: &Addresses, cluster_id: &str) -> Command {
    let mut command = Command::new(&options.program);
    command
        .arg("run")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--http-address", &address.http, "--internal-address", &address.internal])
        .args(["--peer-address", &address.peer, "--metrics-address", &address.metrics])
        .args(["--advertise", &address.peer, "--cluster-id", cluster_id])
        .arg("--tls-dir")
        .arg(folder.join("tls"))
        .arg("--api-keys-dir")
        .arg(options.folder.join("keys"))
        .arg("--bootstrap-token-file")
        .arg(options.folder.join("token"));
    command
}

fn courier(authority: &Authority, addresses: &[Addresses]) -> anyhow::Result<CourierClient> {
    let leaf = authority.leaf("courier")?;
    let options = CourierOptions {
        endpoints: addresses
            .iter()
            .map(|address| format!("https://{}", address.internal))
            .collect(),
        ca_pem: authority.certificate().as_bytes().to_vec(),
        certificate_pem: leaf.certificate.into_bytes(),
        key_pem: leaf.key.into_bytes(),
        timeout: Duration::from_secs(15),
    };
    CourierClient::new(&options).context("build the courier's client")
}

/// Direct writes are allowed on `/` and the API key is its admin, so that the load needs no approvals.
fn initialise(
    (cluster_id, token): (&str, &str),
    members: &[String],
    identity: &Identity,
) -> anyhow::Result<Initialise> {
    let seed: [u8; 32] = Sha256::digest(uuid::Uuid::new_v4().as_bytes()).into();
    let public_key = SigningKey::from_bytes(&seed).verifying_key();
    let not_after = jiff::Timestamp::now() + Duration::from_hours(80 * 24);
    let mut admins = vec!["user:bench".to_owned(), "key:bench".to_owned()];
    admins.extend((0..WATCH_KEYS).map(|number| format!("key:{}", watch_key(number))));
    let body = json!({
        "token": token,
        "clusterId": cluster_id,
        "kubernetesNamespace": "bench",
        "name": "bench",
        "members": members,
        "rootAdmins": admins,
        "workflow": {"requireApproval": false, "minApprovers": 1},
        "stampKey": {
            "keyId": "bench",
            "publicKey": STANDARD.encode(public_key.as_bytes()),
            "notAfter": format!("{not_after:.3}"),
        },
        "identity": identity,
    });
    serde_json::from_value(body).context("write the bootstrap request")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
