//! Command line; every option can come from the environment too.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The Kubernetes operator of Confman.
#[derive(Debug, Parser)]
#[command(name = "confman-operator", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers.
    Run(RunArgs),
    /// Run the admission service, which stamps who asked for what.
    Admission(AdmissionArgs),
    /// Print the CustomResourceDefinitions.
    Crds,
}

/// Options of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Kubernetes namespace of the operator: its Lease, and the ConfigMap of stamp keys.
    #[arg(long, env = "CONFMAN_NAMESPACE", default_value = "confman-system")]
    pub namespace: String,
    /// Look after this Kubernetes namespace only; after all when not given.
    #[arg(long, env = "CONFMAN_WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,
    /// Name of this replica, unique among them.
    #[arg(long, env = "CONFMAN_IDENTITY", default_value_t = identity())]
    pub identity: String,
    /// Where health and metrics are served.
    #[arg(long, env = "CONFMAN_OBSERVE_ADDRESS", default_value = "0.0.0.0:8081")]
    pub observe_address: SocketAddr,
    /// Nodes that run elsewhere than in their pods, as `NAMESPACE/NAME=COURIER_URL|PEER_ADDRESS,…` in ordinal order.
    #[arg(long, env = "CONFMAN_NODES", hide = true, value_parser = crate::courier::parse_elsewhere)]
    pub nodes: Vec<crate::courier::Elsewhere>,
}

/// Options of `admission`.
#[derive(Clone, Debug, clap::Args)]
pub struct AdmissionArgs {
    /// Kubernetes namespace of the service: its Secrets, and the ConfigMap of stamp keys.
    #[arg(long, env = "CONFMAN_NAMESPACE", default_value = "confman-system")]
    pub namespace: String,
    /// Name of the Service that the API server calls; the certificate carries it.
    #[arg(long, env = "CONFMAN_SERVICE", default_value = "confman-admission")]
    pub service: String,
    /// Further host names for the certificate, where the API server calls by URL.
    #[arg(long, env = "CONFMAN_WEBHOOK_HOSTS", value_delimiter = ',', hide = true)]
    pub further_hosts: Vec<String>,
    /// Name of the MutatingWebhookConfiguration that gets the CA.
    #[arg(long, env = "CONFMAN_WEBHOOK_CONFIGURATION", default_value = "confman-admission")]
    pub webhook_configuration: String,
    /// CA of the certificate that the API server shows to webhooks, PEM; whoever shows none of it is refused. Without, everyone
    /// who reaches the port is answered.
    #[arg(long, env = "CONFMAN_CLIENT_CA_FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// Where the API server calls.
    #[arg(long, env = "CONFMAN_WEBHOOK_ADDRESS", default_value = "0.0.0.0:8443")]
    pub webhook_address: SocketAddr,
    /// Where health and metrics are served.
    #[arg(long, env = "CONFMAN_OBSERVE_ADDRESS", default_value = "0.0.0.0:8081")]
    pub observe_address: SocketAddr,
}

impl AdmissionArgs {
    /// Host names in the certificate.
    pub fn hosts(&self) -> Vec<String> {
        let service = format!("{}.{}.svc", self.service, self.namespace);
        let mut hosts = vec![format!("{service}.cluster.local"), service];
        hosts.extend(self.further_hosts.iter().cloned());
        hosts
    }
}

fn identity() -> String {
    std::env::var("POD_NAME").unwrap_or_else(|_| uuid::Uuid::new_v4().to_string())
}

/// Prints the definitions for `kubectl apply -f -`.
pub fn print_crds() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for manifest in confman_crds::manifest::all()? {
        writeln!(out, "---\n{}", manifest.yaml)?;
    }
    Ok(())
}
