//! HTTPS for the API server: one route, one question at a time on each connection, everything bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use kube::core::admission::Operation;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::review::{Answer, Denied, Request, Review, to_json};
use super::{Admission, ServingCertificate, config_namespace, publish_request};

/// A review carries the object twice, with field managers: about 3 MiB each at most.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
const MAX_CONNECTIONS: usize = 512;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The API server waits 10 s at most; it should read our words, not its own about a timeout.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(8);

/// Serves until `stop`.
pub async fn serve(
    listener: TcpListener,
    certificate: ServingCertificate,
    admission: Admission,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/review", post(review))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(admission);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (Ok((stream, _)), Ok(permit)) = (accepted, Arc::clone(&connections).try_acquire_owned()) else {
            // Out of descriptors, or too many connections: the API server tries again.
            tokio::task::yield_now().await;
            continue;
        };
        let (acceptor, router, stop) = (certificate.acceptor(), router.clone(), stop.clone());
        tokio::spawn(async move {
            connection(stream, acceptor, router, stop).await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router, stop: CancellationToken) {
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return tracing::debug!("a handshake took too long"),
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn review(State(admission): State<Admission>, body: Bytes) -> Response {
    let review: Review<'_> = match serde_json::from_slice(&body) {
        Ok(review) => review,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("not an AdmissionReview: {error}")).into_response(),
    };
    let request = review.request;
    let decided = tokio::time::timeout(REVIEW_TIMEOUT, decide(&admission, &request)).await;
    let answer = decided.unwrap_or_else(|_| Err(Denied::unable("the Kubernetes API server is slow; try again")));
    if let Err(denied) = &answer {
        tracing::info!(
            resource = request.resource.resource,
            sub_resource = request.sub_resource,
            namespace = request.namespace,
            name = request.name,
            user = request.user_info.username,
            message = denied.message(),
            "refused"
        );
    }
    let body = to_json(&request.uid, &answer).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn decide(admission: &Admission, request: &Request<'_>) -> Answer {
    let what = (request.resource.resource.as_str(), request.sub_resource.as_str());
    match (what, &request.operation) {
        (("publishrequests", ""), Operation::Create) => publish_request::on_create(admission, request).await,
        (("publishrequests", "status"), Operation::Update) => publish_request::on_review(admission, request).await,
        (("confignamespaces", ""), Operation::Create | Operation::Update) => {
            config_namespace::on_write(admission, request).await
        }
        _ => Err(Denied::unable(
            "this webhook is registered for a resource that it does not know",
        )),
    }
}
