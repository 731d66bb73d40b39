//! Stored schemas: each revision is immutable, and nothing holds by one until a namespace binds it.

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::schema::{SchemaView, SchemaWrittenView};
use confman_core::access::Action;
use confman_core::digest::canonical_json_text;
use confman_core::namespace::SchemaReference;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, PutSchema};
use confman_core::state::StateView as _;
use http::{Response, StatusCode};

use super::App;
use super::call::{Call, bad_parameter, not_found, storage_problem};
use super::write;
use super::{body, negotiate, reply, target};
use crate::auth::access::{Namespaces, may};

const PREFIX: &str = "/api/v1/schemas";

/// One revision of a schema; the last one unless another is named.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let path = target::namespace(target::behind(call.path(), PREFIX))?;
    let revision = match call.parameter("revision").map(str::parse::<u64>) {
        None => None,
        Some(Ok(revision)) => Some(revision),
        Some(Err(_)) => return Err(bad_parameter("revision", "must be a number")),
    };
    let actor = call.actor()?;
    let may_read = |namespaces: &Namespaces| may(namespaces, actor, Action::ReadPublished, &path);
    let seen = app.fresh_for(call, may_read).await?;
    if !may_read(&app.reader.state().namespaces()) {
        return Err(not_found());
    }
    let stored = app.reader.state().read(|view| {
        let last = view.last_schema_revision(&path)?;
        view.schema(&SchemaReference {
            path: path.clone(),
            revision: revision.unwrap_or(last),
        })
    });
    let stored = stored.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    let revision = stored.reference.revision;
    let damaged = || Problem::new(ProblemType::Internal, "the stored schema cannot be shown");
    let mut response = reply::json(&SchemaView::of(stored).ok_or_else(damaged)?)?;
    mark(&mut response, revision);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// Stores the next revision; the same text again is the same revision.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let path = target::namespace(target::behind(call.path(), PREFIX))?;
    let expected_revision = negotiate::expected_revision(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::Govern, &path)).await?;
    body::expect_json(call.headers())?;
    let text = std::str::from_utf8(&incoming.bytes)
        .map_err(|_| Problem::new(ProblemType::InvalidBody, "the body is not UTF-8").field("body"))?;
    let text = canonical_json_text(text).map_err(|error| body::invalid_value(&error).field("schema"))?;
    app.judge.compile(&text).map_err(Problem::from_rejection)?;
    let command = Command::PutSchema(PutSchema {
        actor: incoming.actor.clone(),
        path,
        text,
        expected_revision,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::SchemaStored { path, revision } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let mut response = write::answer(StatusCode::OK, &SchemaWrittenView { path, revision }, accepted.index)?;
    mark(&mut response, revision);
    Ok(response)
}

/// The entity tag of a revision.
pub fn mark(response: &mut Response<Body>, revision: u64) {
    reply::mark_tag(response, format!("\"{revision}\""));
}
