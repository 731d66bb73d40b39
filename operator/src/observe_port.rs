//! The port for probes and Prometheus: `/healthz`, `/readyz`, `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metrics};

/// Serves until `stop`. A process that waits for its turn to lead is alive and ready too.
pub async fn serve(listener: TcpListener, metrics: Metrics, stop: CancellationToken) {
    serve_until_left(listener, metrics, CancellationToken::new(), stop).await;
}

/// Serves until `stop`; from `leaving` on the process is no longer ready, and still alive.
pub async fn serve_until_left(
    listener: TcpListener,
    metrics: Metrics,
    leaving: CancellationToken,
    stop: CancellationToken,
) {
    let ready = async move || {
        if leaving.is_cancelled() {
            (StatusCode::SERVICE_UNAVAILABLE, "leaving\n")
        } else {
            (StatusCode::OK, "ok\n")
        }
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(metrics);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the port for probes and metrics failed");
    }
}

async fn exposition(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.exposition())
}
