//! A Confman cluster of plain processes on the loopback address, bootstrapped the way the operator does it.

mod foundation;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use confman_api::client::CourierClient;
use confman_api::internal::{Identity, Initialise, MemberRole};

pub(crate) use self::foundation::{Addresses, Foundation};
use crate::processes::{Process, free_ports};

/// How long a node may take to answer, and a cluster to find its leader.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest wait for an answer to the courier.
const COURIER_TIMEOUT: Duration = Duration::from_secs(15);
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

impl LocalNodes {
    /// Starts the nodes, bootstraps them and waits for a leader.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let foundation = Foundation::lay(&options.folder)?;
        let ports = free_ports(options.nodes * 4)?;
        let addresses: Vec<_> = ports.chunks_exact(4).map(addresses_of).collect();
        let mut nodes = Vec::new();
        for (ordinal, address) in addresses.iter().enumerate() {
            let name = format!("node-{ordinal}");
            let folder = options.folder.join(&name);
            std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
            let (data, tls) = (folder.join("data"), folder.join("tls"));
            let mut command = foundation.node_command(&options.program, (&data, &tls), (address, "127.0.0.1"))?;
            nodes.push(Process::start(&name, &mut command, &options.folder)?);
        }
        let mut started = Self {
            nodes,
            http: addresses.iter().map(|address| address.http.clone()).collect(),
            api_key: foundation.api_key.clone(),
            watch_keys: foundation.watch_keys.clone(),
        };
        let courier = foundation.courier(&addresses, COURIER_TIMEOUT)?;
        let initialise = foundation.initialise(&addresses, &options.identity)?;
        bootstrap(&courier, &initialise, || started.expect_running()).await?;
        Ok(started)
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

/// Tells the nodes who they are, and waits until one of them leads; ends early where `expect_running` fails.
pub(crate) async fn bootstrap(
    courier: &CourierClient,
    initialise: &Initialise,
    mut expect_running: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        expect_running()?;
        match courier.initialise(initialise).await {
            Ok(_) => break,
            Err(error) if error.is_transient() && Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => return Err(error).context("bootstrap the nodes"),
        }
    }
    loop {
        expect_running()?;
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

fn addresses_of(ports: &[u16]) -> Addresses {
    let at = |index: usize| format!("127.0.0.1:{}", ports.get(index).copied().unwrap_or_default());
    Addresses {
        http: at(0),
        internal: at(1),
        peer: at(2),
        metrics: at(3),
    }
}
