//! The admission service: stamps who asked for what, and signs it. It decides nothing that the state machine would not
//! decide again; what it refuses, it refuses early and in words.

mod certificate;
mod config_namespace;
mod lookup;
mod publish_request;
mod review;
mod server;
mod signer;
mod webhook_configuration;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::AdmissionArgs;
use crate::observe_port;

pub use certificate::ServingCertificate;
pub use lookup::Lookup;
pub use review::{Answer, Denied, Review, UserInfo};
pub use server::serve;
pub use signer::Signer;

/// How often certificate, stamp keys and webhook configuration are compared with what they should be.
const UPKEEP: Duration = Duration::from_mins(10);

/// What every review works with.
#[derive(Clone)]
pub struct Admission {
    /// Signs what people ask for.
    pub signer: Arc<Signer>,
    /// Reads the objects that a review refers to.
    pub lookup: Lookup,
}

/// Where the service listens.
pub struct Listeners {
    /// For the API server.
    pub webhook: TcpListener,
    /// For probes and Prometheus.
    pub observe: TcpListener,
}

/// Runs the service until it is told to stop.
pub async fn run(args: AdmissionArgs) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("find the Kubernetes API server")?;
    let stop = crate::run::stop_on_signal()?;
    let listen = async |address: SocketAddr| {
        let bound = TcpListener::bind(address).await;
        bound.with_context(|| format!("listen on {address}"))
    };
    let listeners = Listeners {
        webhook: listen(args.webhook_address).await?,
        observe: listen(args.observe_address).await?,
    };
    operate(client, args, listeners, stop).await
}

/// Runs the service until `stop`. Ready only once everything that a stamp needs is there.
pub async fn operate(
    client: Client,
    args: AdmissionArgs,
    listeners: Listeners,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let certificate = ServingCertificate::ensure(&client, &args)
        .await
        .context("make the certificate of the service")?;
    let signer = Signer::ensure(&client, &args.namespace)
        .await
        .context("make the stamp keys")?;
    let signer = Arc::new(signer);
    webhook_configuration::write_ca(&client, &args.webhook_configuration, certificate.ca_pem())
        .await
        .context("write the CA into the webhook configuration")?;
    let admission = Admission {
        signer: Arc::clone(&signer),
        lookup: Lookup::new(client.clone()),
    };
    tracing::info!(key_id = signer.current_key_id(), "admission serves");
    let metrics = crate::metrics::Metrics::default();
    // Probes are answered until the last review is.
    let ended = CancellationToken::new();
    let _ends = ended.clone().drop_guard();
    tokio::spawn(observe_port::serve_until_left(
        listeners.observe,
        metrics,
        stop.clone(),
        ended,
    ));
    tokio::spawn(upkeep(client, args, certificate.clone(), signer, stop.clone()));
    serve(listeners.webhook, certificate, admission, stop).await;
    Ok(())
}

/// Keeps certificate, keys and webhook configuration as they should be.
async fn upkeep(
    client: Client,
    args: AdmissionArgs,
    certificate: ServingCertificate,
    signer: Arc<Signer>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        let renewed = certificate.renew(&client, &args).await;
        let reloaded = signer.reload(&client, &args.namespace).await;
        let written = webhook_configuration::write_ca(&client, &args.webhook_configuration, certificate.ca_pem()).await;
        if let Some(end) = signer.ends_soon() {
            tracing::warn!(
                end,
                "the stamp key ends soon; without a new one nobody can ask or review then"
            );
        }
        for error in [renewed.err(), reloaded.err(), written.err()].into_iter().flatten() {
            tracing::error!(
                error = format!("{error:#}"),
                "upkeep of the admission service failed; it is tried again"
            );
        }
    }
}
