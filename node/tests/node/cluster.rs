//! A cluster of node processes, each on a loopback address of its own so that tests never share a port.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use confman_api::client::{ClientError, CourierClient, CourierOptions};
use confman_api::internal::{Initialise, MemberRole, NodeStatus, Recorded, StampKey};
use confman_core::identity::Identity;
use confman_core::ids::{ClusterId, Timestamp};
use confman_core::namespace::Workflow;
use confman_core::outcome::Outcome;
use confman_core::principal::Principal;
use confman_node::auth::api_keys::{digest_of, generate};
use confman_node::tls::Holder;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::people::Stamper;
use crate::process::{PROGRAM, Process};
use crate::wait::eventually;

pub(crate) const TOKEN: &str = "one-use-token";
const SEALING_KEYS: &str = "first:c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlLi4=\n";
const HTTP: u16 = 8080;
pub(crate) const INTERNAL: u16 = 8444;
pub(crate) const PEER: u16 = 8445;
const METRICS: u16 = 9090;

/// What differs between the clusters of tests.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) nodes: u8,
    /// Nodes beside them that are no members at first.
    pub(crate) spares: u8,
    pub(crate) workflow: Workflow,
    pub(crate) snapshot_log_bytes: u64,
    pub(crate) keep_log_entries: u64,
    pub(crate) login_failures: u32,
    /// More variables for every node.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Settings {
    pub(crate) fn nodes(nodes: u8) -> Self {
        Self {
            nodes,
            spares: 0,
            workflow: Workflow::REVIEWED,
            snapshot_log_bytes: 64 << 20,
            keep_log_entries: 10_000,
            // Tests guess from one address, many at once.
            login_failures: 100_000,
            environment: Vec::new(),
        }
    }

    /// With places for nodes that join later.
    pub(crate) fn with_spares(self, spares: u8) -> Self {
        Self { spares, ..self }
    }

    /// Every node is started with `variable` too.
    pub(crate) fn with_variable(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    /// Publishers may write directly everywhere.
    pub(crate) fn direct_writes(self) -> Self {
        let workflow = Workflow {
            require_approval: false,
            ..Workflow::REVIEWED
        };
        Self { workflow, ..self }
    }

    /// A snapshot every few kilobytes of log, and hardly any log behind it.
    pub(crate) fn early_snapshots(self) -> Self {
        Self {
            snapshot_log_bytes: 64 << 10,
            keep_log_entries: 5,
            ..self
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    pub(crate) authority: Authority,
    pub(crate) stamper: Stamper,
    /// Texts of the API keys: one with roles, one without.
    pub(crate) reader_key: String,
    pub(crate) stranger_key: String,
    settings: Settings,
    network: [u8; 2],
    processes: Vec<Option<Process>>,
    folder: TempDir,
}

impl Cluster {
    /// Nodes that run and are not bootstrapped.
    pub(crate) fn start(settings: Settings) -> Self {
        let mut cluster = Self::prepare(settings);
        for index in 0..cluster.settings.nodes {
            cluster.start_node(index);
        }
        cluster
    }

    /// Everything but the processes.
    pub(crate) fn prepare(settings: Settings) -> Self {
        let unique = *uuid::Uuid::new_v4().as_bytes();
        let id = ClusterId::parse(&uuid::Uuid::from_bytes(unique).to_string()).expect("a UUID is an id");
        let key = || generate("test").expect("randomness is there");
        let cluster = Self {
            stamper: Stamper::new(&id),
            id,
            authority: Authority::new(),
            reader_key: key(),
            stranger_key: key(),
            network: [20 + unique[0] % 200, unique[1]],
            processes: (0..settings.nodes + settings.spares).map(|_| None).collect(),
            settings,
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let keys = cluster.path("keys");
        std::fs::create_dir_all(&keys).expect("the folder can be made");
        for (name, text) in [("reader", &cluster.reader_key), ("stranger", &cluster.stranger_key)] {
            std::fs::write(keys.join(name), digest_of(text).to_string()).expect("the key can be written");
        }
        std::fs::write(cluster.path("token"), TOKEN).expect("the token can be written");
        std::fs::write(cluster.path("sealing-keys"), SEALING_KEYS).expect("the keys can be written");
        cluster
    }

    /// A bootstrapped cluster, every node ready.
    pub(crate) async fn running(settings: Settings) -> Self {
        let cluster = Self::start(settings);
        cluster.bootstrap().await;
        for index in 0..cluster.settings.nodes {
            cluster.wait_ready(index).await;
        }
        cluster
    }

    /// Bootstraps like the operator: asks again until it is done.
    pub(crate) async fn bootstrap(&self) -> Recorded<Outcome> {
        let courier = self.courier(0);
        let body = self.initialise();
        eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await
    }

    pub(crate) fn initialise(&self) -> Initialise {
        Initialise {
            token: TOKEN.to_owned(),
            cluster_id: self.id.clone(),
            kubernetes_namespace: "confman".to_owned(),
            name: "main".to_owned(),
            members: (0..self.settings.nodes).map(|index| self.peer_address(index)).collect(),
            root_admins: vec![Principal::user("root")],
            workflow: self.settings.workflow,
            stamp_key: self.stamp_key(),
            identity: Identity::default(),
        }
    }

    fn stamp_key(&self) -> StampKey {
        let in_a_month = confman_node::propose::now().as_millis() + 30 * 24 * 3_600_000;
        self.stamper.key(Timestamp::from_millis(in_a_month))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What node `index` has logged so far.
    pub(crate) fn log(&self, index: u8) -> String {
        std::fs::read_to_string(self.path(&format!("log-{index}"))).expect("the log can be read")
    }

    pub(crate) fn data_folder(&self, index: u8) -> PathBuf {
        self.path(&format!("data-{index}"))
    }

    pub(crate) fn ip(&self, index: u8) -> IpAddr {
        let [first, second] = self.network;
        IpAddr::V4(Ipv4Addr::new(127, first, second, index + 1))
    }

    pub(crate) fn peer_address(&self, index: u8) -> String {
        format!("{}:{PEER}", self.ip(index))
    }

    pub(crate) fn http_address(&self, index: u8) -> String {
        format!("{}:{HTTP}", self.ip(index))
    }

    pub(crate) fn metrics_address(&self, index: u8) -> String {
        format!("{}:{METRICS}", self.ip(index))
    }

    pub(crate) fn internal_url(&self, index: u8) -> String {
        format!("https://{}:{INTERNAL}", self.ip(index))
    }

    /// Starts node `index` with the volume it has, or an empty one.
    pub(crate) fn start_node(&mut self, index: u8) {
        let tls = self.path(&format!("tls-{index}"));
        if !tls.exists() {
            let identity = self.authority.issue(Holder::Node, &self.id, self.ip(index));
            identity.write(&tls, &self.authority);
        }
        let command = self.run_command(index, &tls);
        let log = self.path(&format!("log-{index}"));
        self.processes[usize::from(index)] = Some(Process::start(command, &log));
    }

    /// The file of sealing keys; nodes that start while it is there use it.
    pub(crate) fn sealing_keys(&self) -> PathBuf {
        self.path("sealing-keys")
    }

    /// Gives node `index` a folder of API keys of its own, with the keys of all; to be called before it starts.
    pub(crate) fn own_keys(&self, index: u8) -> PathBuf {
        let own = self.path(&format!("keys-{index}"));
        std::fs::create_dir_all(&own).expect("the folder can be made");
        for entry in std::fs::read_dir(self.path("keys")).expect("the folder is there") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), own.join(entry.file_name())).expect("the key can be copied");
        }
        own
    }

    fn run_command(&self, index: u8, tls: &Path) -> Command {
        let ip = self.ip(index);
        let own_keys = self.path(&format!("keys-{index}"));
        let keys = if own_keys.exists() { own_keys } else { self.path("keys") };
        let mut command = Command::new(PROGRAM);
        command
            .arg("run")
            .env("CONFMAN_DATA_DIR", self.data_folder(index))
            .env("CONFMAN_HTTP_ADDRESS", self.http_address(index))
            .env("CONFMAN_INTERNAL_ADDRESS", format!("{ip}:{INTERNAL}"))
            .env("CONFMAN_PEER_ADDRESS", self.peer_address(index))
            .env("CONFMAN_METRICS_ADDRESS", self.metrics_address(index))
            .env("CONFMAN_ADVERTISE", self.peer_address(index))
            .env("CONFMAN_TLS_DIR", tls)
            .env("CONFMAN_API_KEYS_DIR", keys)
            .env("CONFMAN_BOOTSTRAP_TOKEN_FILE", self.path("token"))
            .env("CONFMAN_CLUSTER_ID", self.id.as_str())
            .env(
                "CONFMAN_SNAPSHOT_LOG_BYTES",
                self.settings.snapshot_log_bytes.to_string(),
            )
            .env("CONFMAN_LOGIN_FAILURES", self.settings.login_failures.to_string())
            .env("CONFMAN_KEEP_LOG_ENTRIES", self.settings.keep_log_entries.to_string())
            .envs(self.settings.environment.iter().cloned());
        if self.sealing_keys().exists() {
            command.env("CONFMAN_SEALING_KEYS", self.sealing_keys());
        }
        command
    }

    pub(crate) fn process(&mut self, index: u8) -> &mut Process {
        self.processes[usize::from(index)].as_mut().expect("the node runs")
    }

    pub(crate) fn kill(&mut self, index: u8) {
        self.process(index).kill();
        self.processes[usize::from(index)] = None;
    }

    /// Kills node `index` and empties its volume.
    pub(crate) fn lose_volume(&mut self, index: u8) {
        self.kill(index);
        std::fs::remove_dir_all(self.data_folder(index)).expect("the folder was there");
    }

    /// A courier for one node.
    pub(crate) fn courier(&self, index: u8) -> CourierClient {
        self.courier_at(vec![self.internal_url(index)])
    }

    /// A courier for every node, as the operator has it.
    pub(crate) fn courier_for_all(&self) -> CourierClient {
        let endpoints = (0..self.settings.nodes).map(|index| self.internal_url(index));
        self.courier_at(endpoints.collect())
    }

    fn courier_at(&self, endpoints: Vec<String>) -> CourierClient {
        let identity = self
            .authority
            .issue(Holder::Courier, &self.id, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let options = CourierOptions {
            endpoints,
            ca_pem: self.authority.certificate().into_bytes(),
            certificate_pem: identity.certificate.into_bytes(),
            key_pem: identity.key.into_bytes(),
            timeout: Duration::from_secs(40),
        };
        CourierClient::new(&options).expect("the client can be built")
    }

    pub(crate) async fn status(&self, index: u8) -> Result<NodeStatus, ClientError> {
        self.courier(index).status().await
    }

    /// Waits until a running node leads, and says which.
    pub(crate) async fn leader(&self) -> u8 {
        eventually("a node leads", async || {
            for index in self.running_nodes() {
                if let Ok(status) = self.status(index).await
                    && status.role == MemberRole::Leader
                {
                    return Ok(index);
                }
            }
            Err("nobody does")
        })
        .await
    }

    /// A running node that does not lead.
    pub(crate) async fn follower(&self) -> u8 {
        let leader = self.leader().await;
        let mut nodes = self.running_nodes();
        nodes.find(|index| *index != leader).expect("more than one node runs")
    }

    pub(crate) fn running_nodes(&self) -> impl Iterator<Item = u8> {
        let all = 0..self.settings.nodes + self.settings.spares;
        all.filter(|index| self.processes[usize::from(*index)].is_some())
    }

    pub(crate) async fn wait_ready(&self, index: u8) {
        let url = format!("http://{}/health/ready", self.http_address(index));
        eventually(&format!("node {index} is ready"), async || {
            let answer = crate::http::get(&url, None).await?;
            (answer.status == 200).then_some(()).ok_or(answer.text)
        })
        .await;
    }

    /// Waits until node `index` has applied at least `log_index`.
    pub(crate) async fn wait_applied(&self, index: u8, log_index: u64) {
        eventually(&format!("node {index} has applied {log_index}"), async || {
            let applied = self
                .status(index)
                .await
                .map_err(|error| error.to_string())?
                .last_applied_index;
            (applied >= log_index).then_some(()).ok_or(format!("applied {applied}"))
        })
        .await;
    }
}
