//! The nodes of a run: real processes, each with a network namespace and a volume of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use confman_api::client::CourierClient;
use confman_api::internal::{Identity, MemberRole, NodeStatus};

use super::network::{Network, address};
use super::volume::Volume;
use crate::load::http::Connection;
use crate::nodes::{Addresses, Foundation, bootstrap};
use crate::processes::{Process, beside_this_program};

/// Everything happens within this on a slow, busy machine, or it never does.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Longest wait for what a node says of itself.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);
/// A snapshot for each so many bytes of log, and few entries behind it: nodes that were away need one.
const SNAPSHOTS: [(&str, &str); 2] = [
    ("CONFMAN_SNAPSHOT_LOG_BYTES", "262144"),
    ("CONFMAN_KEEP_LOG_ENTRIES", "200"),
];

/// How often each node was started and ended; odd while it runs.
pub type Starts = Arc<Vec<AtomicU32>>;

/// The nodes.
pub struct Cluster {
    foundation: Foundation,
    /// The cables between them.
    pub network: Network,
    nodes: Vec<Node>,
    starts: Starts,
    program: PathBuf,
    logs: PathBuf,
    folder: PathBuf,
}

struct Node {
    addresses: Addresses,
    courier: CourierClient,
    // Ends before its volume is unmounted.
    process: Option<Process>,
    volume: Volume,
}

impl Cluster {
    /// Starts so many nodes with their files in `folder` and their logs in `logs`, and waits until all are ready.
    pub async fn start(count: usize, folder: &Path, logs: &Path) -> anyhow::Result<Self> {
        let foundation = Foundation::lay(folder)?;
        let network = Network::lay(count)?;
        let addresses: Vec<_> = (0..count).map(addresses_of).collect();
        let mut nodes = Vec::new();
        for (number, addresses) in addresses.iter().enumerate() {
            nodes.push(Node {
                addresses: addresses.clone(),
                courier: foundation.courier(std::slice::from_ref(addresses), STATUS_TIMEOUT)?,
                process: None,
                volume: Volume::make(folder, &format!("node-{number}"))?,
            });
        }
        let mut cluster = Self {
            network,
            nodes,
            starts: Arc::new((0..count).map(|_| AtomicU32::new(0)).collect()),
            program: beside_this_program("confman-node")?,
            logs: logs.to_owned(),
            folder: folder.to_owned(),
            foundation,
        };
        for node in cluster.all() {
            cluster.start_node(node)?;
        }
        let courier = cluster.foundation.courier(&addresses, Duration::from_secs(15))?;
        let initialise = cluster.foundation.initialise(&addresses, &Identity::default())?;
        bootstrap(&courier, &initialise, || cluster.expect_running()).await?;
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// The numbers of the nodes.
    pub fn all(&self) -> std::ops::Range<usize> {
        0..self.nodes.len()
    }

    /// An API key that may do everything.
    pub fn api_key(&self) -> &str {
        &self.foundation.api_key
    }

    /// `host:port` of each public HTTP port.
    pub fn http(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.addresses.http.clone()).collect()
    }

    /// For whoever must tell one life of a node from the next.
    pub fn starts(&self) -> Starts {
        Arc::clone(&self.starts)
    }

    /// Couriers for one node each.
    pub fn couriers(&self) -> Vec<CourierClient> {
        self.nodes.iter().map(|node| node.courier.clone()).collect()
    }

    /// Where logs are written.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The volume of a node.
    pub fn volume(&self, node: usize) -> &Volume {
        &self.nodes[node].volume
    }

    /// The process of a node that runs.
    pub fn process(&mut self, node: usize) -> anyhow::Result<&mut Process> {
        self.nodes[node].process.as_mut().context("the node does not run")
    }

    /// Starts a node that does not run, with what is on its volume.
    pub fn start_node(&mut self, node: usize) -> anyhow::Result<()> {
        let tls = self.folder.join(format!("tls-{node}"));
        let Node { addresses, volume, .. } = &self.nodes[node];
        let paths = (volume.data(), tls);
        let paths = (paths.0.as_path(), paths.1.as_path());
        let command = self
            .foundation
            .node_command(&self.program, paths, (addresses, &address(node)))?;
        let life = self.starts[node].fetch_add(1, Ordering::SeqCst);
        let mut command = Network::at(node, &command);
        command.envs(SNAPSHOTS);
        let name = format!("node-{node}.{}", life / 2);
        self.nodes[node].process = Some(Process::start(&name, &mut command, &self.logs)?);
        Ok(())
    }

    /// Ends a node with signal 9, if it runs.
    pub fn kill(&mut self, node: usize) {
        if let Some(process) = self.nodes[node].process.take() {
            drop(process);
            self.starts[node].fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Fails when a node that should run has ended.
    pub fn expect_running(&mut self) -> anyhow::Result<()> {
        let mut processes = self.nodes.iter_mut().filter_map(|node| node.process.as_mut());
        processes.try_for_each(Process::expect_running)
    }

    /// What a node says of itself.
    pub async fn status(&self, node: usize) -> anyhow::Result<NodeStatus> {
        Ok(self.nodes[node].courier.status().await?)
    }

    /// The node that leads in the highest term, with that term.
    pub async fn leader(&self) -> anyhow::Result<(usize, u64)> {
        eventually("a node leads", async || {
            let mut leaders = Vec::new();
            for node in self.all().filter(|node| self.nodes[*node].process.is_some()) {
                if let Ok(status) = self.status(node).await
                    && status.role == MemberRole::Leader
                {
                    leaders.push((status.term, node));
                }
            }
            let (term, leader) = leaders.into_iter().max().context("nobody does")?;
            Ok((leader, term))
        })
        .await
    }

    /// Waits until every node is ready, and can answer as the whole cluster does.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        for node in self.all() {
            let http = self.nodes[node].addresses.http.clone();
            let process = self.process(node)?;
            eventually(&format!("node {node} is ready"), async || {
                process.expect_running()?;
                is_ready(&http).await
            })
            .await?;
        }
        Ok(())
    }
}

/// Polls until `look` succeeds; fails with what it said last.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() > deadline => {
                return Err(last.context(format!("{what}: not within {} s", PATIENCE.as_secs())));
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn is_ready(http: &str) -> anyhow::Result<()> {
    let ask = async {
        let mut connection = Connection::open(http).await?;
        let request = "GET /health/ready?level=linearizable HTTP/1.1\r\nhost: confman\r\nconnection: close\r\n\r\n";
        let (status, body) = connection.send(request.as_bytes()).await?;
        anyhow::ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(body));
        Ok(())
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), ask).await;
    answer.context("no answer within 5 s")?
}

fn addresses_of(node: usize) -> Addresses {
    let at = |port: u16| format!("{}:{port}", address(node));
    Addresses {
        http: at(8080),
        internal: at(8444),
        peer: at(8445),
        metrics: at(9090),
    }
}
