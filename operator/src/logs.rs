//! Logs: one JSON object a line on standard error, filtered by `CONFMAN_LOG` (default `info`, without what would show content).

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The client of Kubernetes warns with the whole body of an answer that it cannot parse.
const DEFAULT: &str = "info,kube_client=error";

/// Begins to log. People at a terminal get lines, machines get JSON.
pub fn init() {
    let filter = EnvFilter::try_from_env("CONFMAN_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call, in a test, keeps the first one's settings.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
