//! What can authenticate a person: read and changed by the admins of `/`. A change becomes a publish request, which
//! another of them approves.

use axum::body::Body;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::identity::Identity;
use confman_core::ids::NamespacePath;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, SetIdentity};
use http::{Response, StatusCode};

use super::App;
use super::call::{Call, not_found};
use super::{body, reply, write};

/// What is in force.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let seen = write::fresh(app, call, (Action::Govern, &NamespacePath::root())).await?;
    let cluster = app.reader.state().cluster().ok_or_else(not_found)?;
    let mut response = reply::json(&cluster.identity)?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// 200 if it was in force already, 202 with the request that others decide.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let incoming = write::begin(app, call, body, (Action::Govern, &NamespacePath::root())).await?;
    body::expect_json(call.headers())?;
    let identity: Identity = body::parse_json(&incoming.bytes)?;
    let command = Command::SetIdentity(SetIdentity {
        actor: incoming.actor.clone(),
        identity: identity.clone(),
    });
    let accepted = write::propose(app, incoming, command).await?;
    if let Outcome::IdentitySet = accepted.outcome {
        return write::answer(StatusCode::OK, &identity, accepted.index);
    }
    write::pending(accepted)
}
