//! What people say about a key beside its value: `…/{key}:meta`.

use axum::body::Body;
use confman_api::config::MetaPatch;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, DescribeEntry};
use confman_core::state::StateView as _;
use http::{Response, StatusCode};

use super::super::App;
use super::super::call::{Call, not_found, storage_problem};
use super::super::target::{self, KeyTarget};
use super::super::{body, reply, write};
use super::PREFIX;

/// The suffix of the path.
pub const SUFFIX: &str = ":meta";

/// What is said about a key.
pub fn read(app: &App, target: &KeyTarget) -> Result<Response<Body>, Problem> {
    let entry = app
        .reader
        .state()
        .read(|view| view.entry(&target.namespace, &target.key));
    let entry = entry.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    reply::json(&entry.meta)
}

/// Changes the fields that the body names (RFC 7396); what clears `final` or a pin waits for others.
pub async fn describe(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let path = target::behind(call.path(), PREFIX);
    let path = path.strip_suffix(SUFFIX).ok_or_else(|| {
        let detail = "only what is said about a key is patched: the path must end with :meta";
        Problem::new(ProblemType::InvalidPath, detail)
            .field("path")
            .limit("…/{key}:meta")
    })?;
    let KeyTarget { namespace, key } = target::key(path)?;
    let incoming = write::begin(app, call, body, (Action::Govern, &namespace)).await?;
    let changes: MetaPatch = body::parse_json(&incoming.bytes)?;
    let entry = app.reader.state().read(|view| view.entry(&namespace, &key));
    let entry = entry.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    let described = changes.over(entry.meta);
    let command = Command::DescribeEntry(DescribeEntry {
        actor: incoming.actor.clone(),
        namespace,
        key,
        meta: described.clone(),
    });
    let accepted = write::propose(app, incoming, command).await?;
    if matches!(accepted.outcome, Outcome::EntryDescribed) {
        return write::answer(StatusCode::OK, &described, accepted.index);
    }
    write::pending(accepted)
}
