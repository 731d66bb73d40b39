//! `confman-node run`: a node until it is told to stop, or cannot go on.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::RunArgs;
use crate::node::{ApiKeySource, Node, NodeOptions};
use crate::spans;

/// Status of a node that stopped because its storage or its Raft failed.
const FAULT: u8 = 70;

/// Longest wait for blocking work once the node has stopped or failed.
const LINGER: Duration = Duration::from_secs(1);

/// The node could not go on; it must be looked at before it is started again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

/// Runs a node until SIGTERM or SIGINT.
pub fn run(args: Box<RunArgs>) -> anyhow::Result<()> {
    crate::logs::init(args.log.log_format);
    block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let exporter = spans::start(&args.advertise).context("spans cannot be exported")?;
        let node = Node::start(options(*args)).await.context("the node cannot start")?;
        tracing::info!(addresses = ?node.addresses(), "the node has started");
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to stop"),
            _ = interrupt.recv() => tracing::info!("interrupted"),
            reason = node.failed() => return Err(Fault(reason).into()),
        }
        node.stop().await;
        tokio::task::spawn_blocking(|| exporter.stop()).await?;
        tracing::info!("the node has stopped");
        Ok(())
    })
}

fn options(args: RunArgs) -> NodeOptions {
    NodeOptions {
        data_dir: args.data_dir,
        http_address: args.http_address,
        internal_address: Some(args.internal_address),
        peer_address: args.peer_address,
        metrics_address: args.metrics_address,
        advertised: Some(args.advertise),
        tls_dir: Some(args.tls_dir),
        http_tls_dir: args.http_tls_dir,
        login_failures: args.login_failures,
        api_keys: ApiKeySource::Folder(args.api_keys_dir),
        sealing_keys: args.sealing_keys,
        bootstrap_token_file: args.bootstrap_token_file,
        cluster_id: args.cluster_id,
        snapshot_log_bytes: args.snapshot_log_bytes,
        keep_log_entries: args.keep_log_entries,
        disk_reserve_bytes: args.disk_reserve_bytes,
        compare_interval: Duration::from_secs(args.compare_interval_seconds.max(1)),
        backup_destination: args.backup.backup_url,
        backup_interval: Duration::from_secs(args.backup.backup_interval_seconds),
        backup_keep: args.backup.backup_keep,
        store: confman_store::Options::default(),
        webhooks: args.webhooks.options(false),
    }
}

/// Runs `node` on a runtime of its own.
pub fn block_on(node: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(node);
    // A thread that hangs in a broken disk must not keep the process.
    runtime.shutdown_timeout(LINGER);
    done
}

/// Prints the error, if any, and says with the status what kind it was.
pub fn exit_code(done: anyhow::Result<()>) -> ExitCode {
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Before logging began there is no other way to say it; after, it is said twice rather than not at all.
    eprintln!("confman-node: {error:#}");
    if error.is::<Fault>() {
        return ExitCode::from(FAULT);
    }
    ExitCode::FAILURE
}
