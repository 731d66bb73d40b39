//! `confman-node` processes in the place of a cluster's pods, with the Secrets that the operator made.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use confman_operator::courier::{Elsewhere, NodeAddress};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::wait::eventually;

/// Where the nodes of one test are, and those that run.
pub(crate) struct Nodes {
    network: [u8; 2],
    port: u16,
    count: u8,
    folder: tempfile::TempDir,
    running: Vec<Child>,
}

impl Nodes {
    pub(crate) fn new(count: u8) -> Self {
        let unique = *uuid::Uuid::new_v4().as_bytes();
        Self {
            network: [20 + unique[0] % 200, unique[1]],
            // Below the ephemeral ones, and not where a server on all addresses is likely.
            port: 10_000 + u16::from_be_bytes([unique[2], unique[3]]) % 20_000,
            count,
            folder: tempfile::tempdir().expect("a temporary folder"),
            running: Vec::new(),
        }
    }

    fn ip(&self, ordinal: u8) -> Ipv4Addr {
        let [first, second] = self.network;
        Ipv4Addr::new(127, first, second, ordinal + 1)
    }

    pub(crate) fn http_url(&self, ordinal: u8) -> String {
        format!("http://{}:{}", self.ip(ordinal), self.port)
    }

    /// What tells the operator where they are.
    pub(crate) fn elsewhere(&self, namespace: &str, cluster: &str) -> Elsewhere {
        let node = |ordinal| NodeAddress {
            pod: format!("{cluster}-{ordinal}"),
            courier_url: format!("https://{}:{}", self.ip(ordinal), self.port + 1),
            peer_address: format!("{}:{}", self.ip(ordinal), self.port + 2),
        };
        Elsewhere {
            cluster: format!("{namespace}/{cluster}"),
            nodes: (0..self.count).map(node).collect(),
        }
    }

    /// Starts every node, once its Secrets are there, like a kubelet.
    pub(crate) async fn start(&mut self, client: &Client, namespace: &str, cluster: &str, uid: &str) {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        for (secret, folder) in [("nodes", "tls"), ("bootstrap", "bootstrap")] {
            let name = format!("{cluster}-{secret}");
            let found = eventually("a Secret of the cluster", async || {
                secrets.get_opt(&name).await.ok().flatten().ok_or("not yet")
            })
            .await;
            self.mount(&found, folder);
        }
        let keys = secrets
            .get_opt("api-keys")
            .await
            .expect("Secrets can be read")
            .unwrap_or_default();
        self.mount(&keys, "api-keys");
        for ordinal in 0..self.count {
            let child = self.command(ordinal, uid).spawn();
            self.running.push(child.expect("the node can be started"));
        }
    }

    /// Ends every node and loses its volume.
    pub(crate) fn begin_anew(&mut self) {
        self.end();
        self.folder = tempfile::tempdir().expect("a temporary folder");
    }

    fn end(&mut self) {
        for mut child in self.running.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mount(&self, secret: &Secret, folder: &str) {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for (name, bytes) in secret.data.iter().flatten() {
            std::fs::write(folder.join(name), &bytes.0).expect("the entry can be written");
        }
    }

    fn command(&self, ordinal: u8, uid: &str) -> Command {
        let (ip, port) = (self.ip(ordinal), self.port);
        let (internal, peer, metrics) = (port + 1, port + 2, port + 3);
        let log = File::create(self.path(&format!("log-{ordinal}"))).expect("a log can be made");
        let mut command = Command::new(program());
        command
            .arg("run")
            .env_remove("CONFMAN_LOG")
            .env("CONFMAN_DATA_DIR", self.path(&format!("data-{ordinal}")))
            .env("CONFMAN_HTTP_ADDRESS", format!("{ip}:{port}"))
            .env("CONFMAN_INTERNAL_ADDRESS", format!("{ip}:{internal}"))
            .env("CONFMAN_PEER_ADDRESS", format!("{ip}:{peer}"))
            .env("CONFMAN_METRICS_ADDRESS", format!("{ip}:{metrics}"))
            .env("CONFMAN_ADVERTISE", format!("{ip}:{peer}"))
            .env("CONFMAN_TLS_DIR", self.path("tls"))
            .env("CONFMAN_API_KEYS_DIR", self.path("api-keys"))
            .env("CONFMAN_BOOTSTRAP_TOKEN_FILE", self.path("bootstrap/token"))
            .env("CONFMAN_CLUSTER_ID", uid)
            .stdin(Stdio::null())
            .stderr(log);
        command
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let has_run = !self.running.is_empty();
        self.end();
        if std::thread::panicking() && has_run {
            let log = std::fs::read_to_string(self.path("log-0")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- end of node 0 ---\n{}",
                lines[lines.len().saturating_sub(15)..].join("\n")
            );
        }
    }
}

/// Beside this test's own program, where Cargo puts it.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let folder = own.parent().and_then(Path::parent).expect("target/debug/deps");
    let program = folder.join("confman-node");
    assert!(
        program.exists(),
        "{} is missing: build it with `cargo build -p confman-node`",
        program.display()
    );
    program
}
