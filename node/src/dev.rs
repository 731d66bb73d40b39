//! `confman-node dev`: one node without Kubernetes and TLS, and without approval where nobody asks for it, for trying the
//! interface: as a program by an API key, or as two people by tokens.

mod kept;
mod people;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_core::ids::ClusterId;
use confman_core::namespace::Workflow;
use confman_core::principal::Principal;
use confman_core::proposal::{Command, InitialiseCluster};
use confman_store::Member;
use openraft::errors::{InitializeError, RaftError};
use tokio::signal::unix::{SignalKind, signal};

use self::kept::kept;
pub use self::people::People;
use self::people::{NAMES, TOKEN_HOURS};
use crate::args::DevArgs;
use crate::auth::api_keys;
use crate::auth::credential::Credential;
use crate::node::{ApiKeySource, Node, NodeOptions};
use crate::propose::Origin;
use crate::spans;
use crate::webhooks;

/// Name of the one API key.
const KEY_NAME: &str = "dev";
/// One node elects itself at once; a busy machine may take its time.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// The main job by two people, as commands for a shell that knows `url`, `ADA` and `BOB`.
const PEOPLE: &str = include_str!("dev/people.txt").trim_ascii_end();

/// Runs until Ctrl-C; a temporary folder goes away with it.
pub fn run(args: DevArgs) -> anyhow::Result<()> {
    crate::logs::init(args.log.log_format);
    let temporary = tempfile::tempdir().context("no temporary folder")?;
    let folder = args.data_dir.unwrap_or_else(|| temporary.path().to_owned());
    crate::run::block_on(serve(&folder, args.port, args.webhooks.options(true)))
}

async fn serve(folder: &Path, port: u16, webhooks: webhooks::Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let exporter = spans::start("dev").context("spans cannot be exported")?;
    let key = api_keys::generate("dev").context("no randomness")?;
    let node = start(folder, port, &key, webhooks).await?;
    if let Err(error) = print_welcome(&node, folder, &key, &People::of(folder)?) {
        // `dev | head -1` closes the pipe; the node serves all the same.
        tracing::warn!(%error, "the welcome cannot be written");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        reason = node.failed() => anyhow::bail!(reason),
    }
    node.stop().await;
    tokio::task::spawn_blocking(|| exporter.stop()).await?;
    Ok(())
}

/// Starts one node on the loopback and bootstraps it.
pub async fn start(folder: &Path, port: u16, key: &str, webhooks: webhooks::Options) -> anyhow::Result<Node> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let cluster_id = cluster_id(folder)?;
    let node = Node::start(NodeOptions {
        data_dir: folder.join("node"),
        http_address: loopback(port),
        internal_address: None,
        peer_address: loopback(0),
        metrics_address: loopback(0),
        advertised: None,
        tls_dir: None,
        http_tls_dir: None,
        login_failures: crate::args::default_login_failures(),
        api_keys: ApiKeySource::Fixed(vec![(KEY_NAME.to_owned(), key.to_owned())]),
        sealing_keys: Some(sealing_keys(folder)?),
        bootstrap_token_file: None,
        cluster_id: cluster_id.clone(),
        snapshot_log_bytes: 64 << 20,
        keep_log_entries: 10_000,
        disk_reserve_bytes: crate::args::default_disk_reserve_bytes(),
        compare_interval: crate::args::DEFAULT_COMPARE_INTERVAL,
        backup_destination: None,
        backup_interval: Duration::ZERO,
        backup_keep: 1,
        webhooks,
        store: confman_store::Options::default(),
    })
    .await
    .context("the node cannot start")?;
    bootstrap(&node, cluster_id, &People::of(folder)?).await?;
    Ok(node)
}

/// The id of the cluster in `folder`; a new one for an empty folder.
fn cluster_id(folder: &Path) -> anyhow::Result<ClusterId> {
    let text = kept(folder, "cluster-id", || {
        Ok(uuid::Uuid::new_v4().to_string().into_bytes())
    })?;
    let text = String::from_utf8(text).context("the file cluster-id is damaged")?;
    ClusterId::parse(text.trim()).context("the file cluster-id is damaged")
}

/// The file of the key that seals secrets in `folder`; a new key for an empty one.
fn sealing_keys(folder: &Path) -> anyhow::Result<PathBuf> {
    let name = "sealing-keys";
    kept(folder, name, || {
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("no randomness for the key that seals secrets")?;
        Ok(format!("dev:{}\n", STANDARD.encode(key)).into_bytes())
    })?;
    Ok(folder.join(name))
}

async fn bootstrap(node: &Node, cluster_id: ClusterId, people: &People) -> anyhow::Result<()> {
    let app = node.app();
    let address = node.addresses().peer.to_string();
    let members = std::collections::BTreeMap::from([(*app.raft.node_id(), Member { address })]);
    match app.raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
        Err(error) => anyhow::bail!("raft cannot be initialised: {error}"),
    }
    let own = *app.raft.node_id();
    app.raft
        .wait(Some(LEADER_TIMEOUT))
        .current_leader(own, "this node leads")
        .await?;
    let command = Command::InitialiseCluster(InitialiseCluster {
        cluster_id,
        kubernetes_namespace: "dev".to_owned(),
        name: "dev".to_owned(),
        root_admins: std::iter::once(Principal::api_key(KEY_NAME))
            .chain(People::principals())
            .collect(),
        workflow: Workflow {
            require_approval: false,
            ..Workflow::REVIEWED
        },
        stamp_key: None,
        identity: people.identity(),
    });
    let origin = Origin {
        credential: Credential::Courier,
        trace_id: None,
        idempotency: None,
    };
    let answered = app.proposer.propose(command, origin).await?;
    answered.verdict.map(drop).map_err(anyhow::Error::from)
}

fn print_welcome(node: &Node, folder: &Path, key: &str, people: &People) -> std::io::Result<()> {
    let url = format!("http://{}", node.addresses().http);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Confman is ready at {url}; data in {}\n\
         API key with every right: {key}\n\
         Metrics at http://{}/metrics\n\n\
         A program writes at once, where nobody has to approve:\n\
         export url={url}/api/v1 KEY={key}\n\
         curl -sS -X PUT -H \"X-API-Key: $KEY\" -H 'Content-Type: application/json' -d '1000' $url/config/rate-limit\n\
         curl -sS -H \"X-API-Key: $KEY\" $url/config/rate-limit\n\
         curl -sS -H \"X-API-Key: $KEY\" -H 'Accept: text/plain' $url/config/rate-limit\n\
         curl -sS -H \"X-API-Key: $KEY\" $url/audit\n\n\
         Two people do it under four eyes; their tokens last {TOKEN_HOURS} hours:",
        folder.display(),
        node.addresses().metrics,
    )?;
    for name in NAMES {
        let variable = name.to_uppercase();
        writeln!(out, "export {variable}='Authorization: Bearer {}'", people.token(name))?;
    }
    writeln!(out, "{PEOPLE}\n\nCtrl-C stops it.")?;
    out.flush()
}
