//! Goes back to an earlier version of a key.

use axum::body::Body;
use confman_api::problem::Problem;
use confman_api::publish_request::{NamedRollbackBody, RollbackBody};
use confman_core::access::Action;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, RollBackEntry};
use confman_core::publish_request::PublishRequest;
use http::{Response, StatusCode};

use super::App;
use super::body;
use super::call::Call;
use super::publish_requests::view_of;
use super::target::{self, KeyTarget};
use super::write::{self, Incoming};

const PREFIX: &str = "/api/v1/rollback";

/// The key is in the path.
pub async fn roll_back(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let target = target::key(target::behind(call.path(), PREFIX))?;
    let incoming = write::begin(app, call, body, (Action::Rollback, &target.namespace)).await?;
    body::expect_json(call.headers())?;
    let asked: RollbackBody = body::parse_json(&incoming.bytes)?;
    propose(app, incoming, target, asked).await
}

/// The key is in the body.
pub async fn roll_back_named(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let bytes = body::read(call.headers(), body).await?;
    body::expect_json(call.headers())?;
    let NamedRollbackBody {
        namespace,
        key,
        to_version,
        comment,
    } = body::parse_json(&bytes)?;
    let incoming = write::begin(app, call, Body::from(bytes), (Action::Rollback, &namespace)).await?;
    let asked = RollbackBody { to_version, comment };
    propose(app, incoming, KeyTarget { namespace, key }, asked).await
}

/// 200 with the new version, or 202 with the request that waits for others.
async fn propose(
    app: &App,
    incoming: Incoming,
    target: KeyTarget,
    asked: RollbackBody,
) -> Result<Response<Body>, Problem> {
    let command = Command::RollBackEntry(RollBackEntry {
        actor: incoming.actor.clone(),
        namespace: target.namespace.clone(),
        key: target.key.clone(),
        to_version: asked.to_version,
        comment: asked.comment,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    if let Outcome::Request(request) = &accepted.outcome {
        return write::answer(
            StatusCode::ACCEPTED,
            &view_of(PublishRequest::clone(request))?,
            accepted.index,
        );
    }
    let view = write::written(target, &accepted.outcome)?;
    write::answer(StatusCode::OK, &view, accepted.index)
}
