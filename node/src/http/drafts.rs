//! Drafts: read, written and thrown away by editors.

use axum::body::Body;
use confman_api::draft::{DraftView, DraftWrittenView};
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, DeleteDraft, PutDraft};
use confman_core::state::StateView as _;
use http::header::ETAG;
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, storage_problem};
use super::target::{self, KeyTarget};
use super::write::{self, not_found};
use super::{body, negotiate, reply};
use crate::auth::access::{Namespaces, may};

const PREFIX: &str = "/api/v1/drafts";

/// The draft of a key.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let actor = call.actor()?;
    let may_read = |namespaces: &Namespaces| may(namespaces, actor, Action::ReadDrafts, &namespace);
    let seen = app.fresh_for(call, may_read).await?;
    if !may_read(&app.reader.state().namespaces()) {
        return Err(not_found());
    }
    let draft = app.reader.state().read(|view| view.draft(&namespace, &key));
    let draft = draft.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    let rules = app.rules(&namespace, &key)?;
    let digest = draft.value.digest();
    let mut response = reply::json(&DraftView::of(draft, rules.hidden()))?;
    mark(&mut response, &digest);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// Writes the draft of a key. It may break the schema: that is said at submission.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::EditDraft, &namespace)).await?;
    let command = Command::PutDraft(PutDraft {
        actor: incoming.actor.clone(),
        namespace: namespace.clone(),
        key: key.clone(),
        value: body::parse_value(call, &incoming.bytes)?,
        expected,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::DraftWritten { digest, revision } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let view = DraftWrittenView {
        namespace,
        key,
        digest,
        revision,
    };
    let mut response = write::answer(StatusCode::OK, &view, accepted.index)?;
    mark(&mut response, &digest);
    Ok(response)
}

/// Throws the draft of a key away.
pub async fn delete(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::EditDraft, &namespace)).await?;
    let command = Command::DeleteDraft(DeleteDraft {
        actor: incoming.actor.clone(),
        namespace,
        key,
        expected,
    });
    let accepted = write::propose(app, incoming, command).await?;
    match accepted.outcome {
        Outcome::DraftDeleted => Ok(write::empty(accepted.index)),
        other => Err(reply::unexpected(&other)),
    }
}

fn mark(response: &mut Response<Body>, digest: &confman_core::digest::Digest) {
    if let Ok(tag) = HeaderValue::try_from(negotiate::etag(digest)) {
        response.headers_mut().insert(ETAG, tag);
    }
}
