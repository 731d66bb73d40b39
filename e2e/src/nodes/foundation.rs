//! What the nodes of one cluster share: its id, its authority, its token and its API keys.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_api::client::{CourierClient, CourierOptions};
use confman_api::internal::{Identity, Initialise};
use ed25519_dalek::SigningKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::certificates::Authority;

/// Keys of watchers: a node bounds how much one principal watches.
const WATCH_KEYS: usize = 16;

/// Where a node listens, `host:port` each.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: String,
    pub(crate) internal: String,
    pub(crate) peer: String,
    pub(crate) metrics: String,
}

/// What the nodes of one cluster share, as files in one folder.
pub(crate) struct Foundation {
    folder: PathBuf,
    cluster_id: String,
    token: String,
    authority: Authority,
    /// An API key that holds the admin role on `/`.
    pub(crate) api_key: String,
    /// More such keys, for those who watch.
    pub(crate) watch_keys: Vec<String>,
}

impl Foundation {
    /// A new cluster whose files go to `folder`.
    pub(crate) fn lay(folder: &Path) -> anyhow::Result<Self> {
        let cluster_id = uuid::Uuid::new_v4().to_string();
        let token = uuid::Uuid::new_v4().to_string();
        let keys = folder.join("keys");
        std::fs::create_dir_all(&keys).context("create the folder of API keys")?;
        let watch_keys = (0..WATCH_KEYS).map(|number| make_key(&keys, &watch_key(number)));
        std::fs::write(folder.join("token"), &token).context("write the token")?;
        Ok(Self {
            folder: folder.to_owned(),
            authority: Authority::new(&cluster_id)?,
            api_key: make_key(&keys, "bench")?,
            watch_keys: watch_keys.collect::<anyhow::Result<_>>()?,
            cluster_id,
            token,
        })
    }

    /// The command that runs `program` as a node at `address` with its data in `data`; its certificate, which names
    /// `host`, is made in `tls` unless it is there.
    pub(crate) fn node_command(
        &self,
        program: &Path,
        (data, tls): (&Path, &Path),
        (address, host): (&Addresses, &str),
    ) -> anyhow::Result<Command> {
        if !tls.exists() {
            self.authority.write_node_folder(tls, host)?;
        }
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--data-dir")
            .arg(data)
            .args(["--http-address", &address.http, "--internal-address", &address.internal])
            .args(["--peer-address", &address.peer, "--metrics-address", &address.metrics])
            .args(["--advertise", &address.peer, "--cluster-id", &self.cluster_id])
            .arg("--tls-dir")
            .arg(tls)
            .arg("--api-keys-dir")
            .arg(self.folder.join("keys"))
            .arg("--bootstrap-token-file")
            .arg(self.folder.join("token"));
        Ok(command)
    }

    /// A courier for the nodes at `addresses` that waits `timeout` for an answer.
    pub(crate) fn courier(&self, addresses: &[Addresses], timeout: Duration) -> anyhow::Result<CourierClient> {
        let leaf = self.authority.leaf("courier", "localhost")?;
        let options = CourierOptions {
            endpoints: addresses
                .iter()
                .map(|address| format!("https://{}", address.internal))
                .collect(),
            ca_pem: self.authority.certificate().as_bytes().to_vec(),
            certificate_pem: leaf.certificate.into_bytes(),
            key_pem: leaf.key.into_bytes(),
            timeout,
        };
        CourierClient::new(&options).context("build the courier's client")
    }

    /// Direct writes are allowed on `/` and the API keys are its admins, so that the load needs no approvals.
    pub(crate) fn initialise(&self, addresses: &[Addresses], identity: &Identity) -> anyhow::Result<Initialise> {
        let seed: [u8; 32] = Sha256::digest(uuid::Uuid::new_v4().as_bytes()).into();
        let public_key = SigningKey::from_bytes(&seed).verifying_key();
        let not_after = jiff::Timestamp::now() + Duration::from_hours(80 * 24);
        let members: Vec<_> = addresses.iter().map(|address| &address.peer).collect();
        let mut admins = vec!["user:bench".to_owned(), "key:bench".to_owned()];
        admins.extend((0..WATCH_KEYS).map(|number| format!("key:{}", watch_key(number))));
        let body = json!({
            "token": self.token,
            "clusterId": self.cluster_id,
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
