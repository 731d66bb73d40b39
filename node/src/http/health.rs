//! Probes, metrics, and the description of the interface.

use std::time::Duration;

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_api::whoami::HealthView;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, bad_parameter};
use super::reply;
use crate::metrics::CONTENT_TYPE;
use crate::raft::status::not_ready;

/// How long the quorum variant waits; probes have short timeouts.
const LINEARIZABLE_TIMEOUT: Duration = Duration::from_secs(2);

const DESCRIPTION: &str = include_str!("../../api/openapi.json");

/// The process answers, so it lives.
pub fn alive() -> Result<Response<Body>, Problem> {
    health(StatusCode::OK, "ok", None)
}

/// Whether this node should be sent requests.
pub async fn ready(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let with_quorum = match call.parameter("level") {
        None | Some("local") => false,
        Some("linearizable") => true,
        Some(_) => return Err(bad_parameter("level", "must be local or linearizable")),
    };
    let initialised = app.reader.state().cluster().is_some();
    let mut reason = not_ready(&app.raft, initialised);
    if app.stopping.is_cancelled() {
        reason = Some("this node is stopping");
    }
    if reason.is_none() && with_quorum {
        let read = tokio::time::timeout(LINEARIZABLE_TIMEOUT, app.reader.prepare(Consistency::Linearizable));
        if !matches!(read.await, Ok(Ok(_))) {
            reason = Some("no quorum confirms the leader");
        }
    }
    match reason {
        None => health(StatusCode::OK, "ready", None),
        Some(reason) => health(StatusCode::SERVICE_UNAVAILABLE, "not-ready", Some(reason)),
    }
}

fn health(status: StatusCode, word: &str, reason: Option<&str>) -> Result<Response<Body>, Problem> {
    let mut response = reply::json(&HealthView {
        status: word.to_owned(),
        reason: reason.map(str::to_owned),
    })?;
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Metrics for Prometheus.
pub fn metrics(app: &App) -> Result<Response<Body>, Problem> {
    match app.metrics.expose(app) {
        Ok(text) => {
            let content_type = HeaderValue::from_static(CONTENT_TYPE);
            Ok(reply::with_body(StatusCode::OK, content_type, text.into_bytes()))
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            Err(Problem::new(ProblemType::Internal, "metrics cannot be written"))
        }
    }
}

/// The committed description of the public interface.
pub fn description() -> Response<Body> {
    let mut response = Response::new(Body::from(DESCRIPTION));
    response.headers_mut().insert(http::header::CONTENT_TYPE, reply::JSON);
    response
}
