//! Deletes a key directly.

use axum::body::Body;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::proposal::{Command, DeleteEntry};
use http::{Response, StatusCode};

use super::super::App;
use super::super::call::Call;
use super::super::{negotiate, target, write};
use super::PREFIX;

/// Writes a tombstone, where the namespace does not require approval.
pub async fn delete(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let target = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::Publish, &target.namespace)).await?;
    let command = Command::DeleteEntry(DeleteEntry {
        actor: incoming.actor.clone(),
        namespace: target.namespace.clone(),
        key: target.key.clone(),
        expected,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let view = write::written(target, &accepted.outcome)?;
    write::answer(StatusCode::OK, &view, accepted.index)
}
