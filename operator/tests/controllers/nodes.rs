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
    count: u8,
    folder: tempfile::TempDir,
    running: Vec<Child>,
}

impl Nodes {
    pub(crate) fn new(count: u8) -> Self {
        let unique = *uuid::Uuid::new_v4().as_bytes();
        Self {
            network: [20 + unique[0] % 200, unique[1]],
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
        format!("http://{}:8080", self.ip(ordinal))
    }

    /// What tells the operator where they are.
    pub(crate) fn elsewhere(&self, namespace: &str, cluster: &str) -> Elsewhere {
        let node = |ordinal| NodeAddress {
            pod: format!("{cluster}-{ordinal}"),
            courier_url: format!("https://{}:8444", self.ip(ordinal)),
            peer_address: format!("{}:8445", self.ip(ordinal)),
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
        let ip = self.ip(ordinal);
        let log = File::create(self.path(&format!("log-{ordinal}"))).expect("a log can be made");
        let mut command = Command::new(program());
        command
            .arg("run")
            .env_remove("CONFMAN_LOG")
            .env("CONFMAN_DATA_DIR", self.path(&format!("data-{ordinal}")))
            .env("CONFMAN_HTTP_ADDRESS", format!("{ip}:8080"))
            .env("CONFMAN_INTERNAL_ADDRESS", format!("{ip}:8444"))
            .env("CONFMAN_PEER_ADDRESS", format!("{ip}:8445"))
            .env("CONFMAN_METRICS_ADDRESS", format!("{ip}:9090"))
            .env("CONFMAN_ADVERTISE", format!("{ip}:8445"))
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
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() && !self.running.is_empty() {
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
