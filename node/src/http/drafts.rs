//! Drafts: read, listed, written and thrown away by editors.

mod list;

use axum::body::Body;
use confman_api::draft::{DraftView, DraftWrittenView};
use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::entry::Draft;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, DeleteDraft, PutDraft};
use confman_core::state::StateView as _;
use http::{Response, StatusCode};

use super::App;
use super::call::{Call, not_found, refuse_parameters, storage_problem};
use super::named::{Named, Target};
use super::target::{self, KeyTarget};
use super::{body, negotiate, reply, write};
use crate::auth::access::Namespaces;
use crate::read::Seen;

const PREFIX: &str = "/api/v1/drafts";

/// The draft of a key, or those of a namespace: whichever the path names.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let target = Target::parse(target::behind(call.path(), PREFIX))?;
    let actor = call.actor()?;
    let may_read = |namespaces: &Namespaces| target.resolve(namespaces, actor, Action::ReadDrafts).is_some();
    let seen = app.fresh_for(call, may_read).await?;
    match target.resolve(&app.reader.state().namespaces(), actor, Action::ReadDrafts) {
        Some(Named::Namespace(namespace)) => list::list(app, call, namespace, seen).await,
        Some(Named::Key(key)) => one(app, call, key, seen),
        None => Err(not_found()),
    }
}

fn one(
    app: &App,
    call: &Call,
    KeyTarget { namespace, key }: &KeyTarget,
    seen: Seen,
) -> Result<Response<Body>, Problem> {
    let of_namespaces = ["limit", "cursor"];
    refuse_parameters(call, &of_namespaces, "is for namespaces; the path does not name one")?;
    let draft = app.reader.state().read(|view| view.draft(namespace, key));
    let draft = draft.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    let digest = draft.value.digest();
    let mut response = reply::json(&shown(app, draft)?)?;
    reply::mark_tag(&mut response, negotiate::etag(&digest));
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// A draft as its editors see it.
fn shown(app: &App, draft: Draft) -> Result<DraftView, Problem> {
    let rules = app.rules(&draft.namespace, &draft.key)?;
    Ok(DraftView::of(draft, rules.hidden()))
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
    reply::mark_tag(&mut response, negotiate::etag(&digest));
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
    let Outcome::DraftDeleted = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    Ok(write::empty(accepted.index))
}
