//! Deletes a key directly.

use axum::body::Body;
use confman_api::config::WrittenView;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, DeleteEntry};
use http::{Response, StatusCode};

use super::super::App;
use super::super::call::Call;
use super::super::target::{self, KeyTarget};
use super::super::{negotiate, reply, write};
use super::PREFIX;

/// Writes a tombstone, where the namespace does not require approval.
pub async fn delete(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::Publish, &namespace)).await?;
    let command = Command::DeleteEntry(DeleteEntry {
        actor: incoming.actor.clone(),
        namespace: namespace.clone(),
        key: key.clone(),
        expected,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::EntryWritten {
        version,
        digest,
        position,
    } = accepted.outcome
    else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let view = WrittenView {
        namespace,
        key,
        version,
        digest,
        position,
    };
    write::answer(StatusCode::OK, &view, accepted.index)
}
