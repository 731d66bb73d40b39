//! The keys of the admission service: read by the admins of `/`, and added by two of them where no key is left that could
//! vouch for the next.

use axum::body::Body;
use confman_api::cluster::StampKeysView;
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::cluster::StampKey;
use confman_core::ids::NamespacePath;
use confman_core::outcome::Outcome;
use confman_core::proposal::{AddStampKey, Command};
use http::{Response, StatusCode};

use super::App;
use super::call::{Call, storage_problem};
use super::{body, reply, write};

/// Every key.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let seen = write::fresh(app, call, (Action::Govern, &NamespacePath::root())).await?;
    let keys = app.reader.state().read(|view| view.stamp_keys());
    let keys = keys.map_err(|error| storage_problem(&error))?;
    let mut response = reply::json(&StampKeysView { items: keys })?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// 200 if the very key is there already, 202 with the request that another admin decides.
pub async fn add(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let incoming = write::begin(app, call, body, (Action::Govern, &NamespacePath::root())).await?;
    body::expect_json(call.headers())?;
    let key: StampKey = body::parse_json(&incoming.bytes)?;
    let command = Command::AddStampKey(AddStampKey {
        actor: incoming.actor.clone(),
        key: key.clone(),
    });
    let accepted = write::propose(app, incoming, command).await?;
    if let Outcome::StampKeyRegistered { .. } = accepted.outcome {
        return write::answer(StatusCode::OK, &key, accepted.index);
    }
    write::pending(accepted)
}
