//! `confman-operator run`: waits for its turn, runs the controllers, and hands over cleanly.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::RunArgs;
use crate::context::{Context, calling_client};
use crate::lease::LeaseLock;
use crate::sweep::Known;
use crate::{config_namespace, confman_cluster, observe_port, publish_request, sweep};

/// Cancelled by SIGTERM or SIGINT.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        stopped.cancel();
    });
    Ok(stop)
}

/// Runs the operator until it is told to stop.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let config = Config::infer().await.context("find the Kubernetes API server")?;
    operate(config, args, stop).await
}

/// Runs the operator against the API server of `config` until `stop`.
pub async fn operate(config: Config, args: RunArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let calls = calling_client(&config).context("make a client for calls")?;
    let watches = Client::try_from(config).context("make a client for watches")?;
    let context = Context::new(calls.clone(), &args);
    let listener = TcpListener::bind(args.observe_address)
        .await
        .with_context(|| format!("listen on {}", args.observe_address))?;
    let (metrics, observed) = (context.metrics.clone(), CancellationToken::new());
    let _ends = observed.clone().drop_guard();
    tokio::spawn(observe_port::serve(listener, metrics.clone(), observed));
    let lease = LeaseLock::new(calls, &args.namespace, &args.identity);
    tracing::info!(identity = args.identity, "waiting for the lease");
    if !lease.acquire(&stop).await {
        return Ok(());
    }
    tracing::info!("this process leads");
    metrics.leads(true);
    let ended = lead(watches, context, &lease, &stop).await;
    metrics.leads(false);
    ended
}

async fn lead(watches: Client, context: Context, lease: &LeaseLock, stop: &CancellationToken) -> anyhow::Result<()> {
    let (controllers_stop, renewing) = (stop.child_token(), CancellationToken::new());
    let work = controllers(watches, Arc::new(context), controllers_stop.clone());
    let lost = lease.hold(&renewing);
    tokio::pin!(lost);
    tokio::select! {
        // Ends after `stop`, when every reconcile that had begun is done; the lease is renewed until then.
        () = work => {}
        // What goes on here could collide with the next holder: nothing is drained.
        () = &mut lost => anyhow::bail!("the lease is lost"),
    }
    renewing.cancel();
    lease.release().await;
    Ok(())
}

async fn controllers(watches: Client, context: Arc<Context>, stop: CancellationToken) {
    let clusters = confman_cluster::control(&watches, Arc::clone(&context), stop.clone());
    let namespaces = config_namespace::controller(&watches, &context);
    let requests = publish_request::controller(&watches, &context);
    let known = Known {
        namespaces: namespaces.store(),
        requests: requests.store(),
    };
    let sweep = sweep::run(known, Arc::clone(&context), stop.clone());
    let namespaces = config_namespace::control(namespaces, &watches, Arc::clone(&context), stop.clone());
    let requests = publish_request::control(requests, &watches, context, stop);
    tokio::join!(boxed(clusters), boxed(namespaces), boxed(requests), boxed(sweep));
}

fn boxed<'a>(future: impl Future<Output = ()> + Send + 'a) -> futures::future::BoxFuture<'a, ()> {
    Box::pin(future)
}
