//! Config namespaces: read by viewers, written by admins; what loosens one becomes a publish request.

mod part;

use axum::body::Body;
use confman_api::namespaces::{CreateNamespaceBody, NamespaceView, NamespaceWrittenView};
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use confman_core::namespace::NamespaceSettings;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, DeleteNamespace, PutNamespace};
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use self::part::Part;
use super::App;
use super::call::{Call, not_found};
use super::write::{self, Accepted, Incoming};
use super::{body, cursor, negotiate, reply, schemas, target};
use crate::auth::access::{Namespaces, may};

const PREFIX: &str = "/api/v1/namespaces";

/// Namespace and part that a path names. `/api/v1/namespaces/:settings` is the root as a whole.
fn named(call: &Call) -> Result<(NamespacePath, Part), Problem> {
    let behind = target::behind(call.path(), PREFIX);
    let (path, part) = match behind.rsplit_once(':') {
        Some((path, part)) => (path, Part::parse(part)?),
        None => (behind, Part::Whole),
    };
    Ok((target::namespace(path)?, part))
}

/// The namespaces that the caller may read, by path.
pub async fn list(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let limit = call.page_limit()?;
    let after = cursor::decode(call)?;
    let actor = call.actor()?;
    let seen = app.fresh_for(call, |_| true).await?;
    let namespaces = app.reader.state().namespaces();
    let is_later = |path: &&NamespacePath| after.as_deref().is_none_or(|after| path.as_str() > after);
    let mut readable = namespaces
        .keys()
        .filter(is_later)
        .filter(|path| may(&namespaces, actor, Action::ReadPublished, path));
    let page: Vec<_> = readable.by_ref().take(limit).collect();
    let more = readable.next().is_some();
    let next = page
        .last()
        .filter(|_| more)
        .map(|last| cursor::encode(call, last.as_str()));
    let items: Vec<_> = page
        .into_iter()
        .filter_map(|path| namespaces.get(path))
        .map(|namespace| NamespaceView::of(namespace))
        .collect();
    let mut response = reply::json(&confman_api::listing::Page::new(items, limit, next))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// One namespace, or a part of it.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let (path, part) = named(call)?;
    let actor = call.actor()?;
    let check = |namespaces: &Namespaces| write::check(namespaces, actor, (part.reading(), &path));
    let seen = app.fresh_for(call, |namespaces| check(namespaces).is_ok()).await?;
    let namespaces = app.reader.state().namespaces();
    check(&namespaces)?;
    let namespace = namespaces.get(&path).ok_or_else(not_found)?;
    let mut response = part::show(app, part, namespace)?;
    schemas::mark(&mut response, namespace.revision);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// Creates a namespace that the body names.
pub async fn create(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let bytes = body::read(call.headers(), body).await?;
    body::expect_json(call.headers())?;
    let CreateNamespaceBody { path, settings } = body::parse_json(&bytes)?;
    let incoming = write::begin(app, call, Body::from(bytes), (Action::Govern, &path)).await?;
    let accepted = put(app, incoming, &path, settings, Some(0)).await?;
    let location = HeaderValue::try_from(format!("{PREFIX}{path}"));
    let mut response = written(accepted, StatusCode::CREATED)?;
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Creates or replaces a namespace, or a part of it.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let (path, part) = named(call)?;
    let expected = negotiate::expected_revision(call.headers())?;
    let dry_run = call.flag("dryRun")?;
    let incoming = write::begin(app, call, body, (Action::Govern, &path)).await?;
    body::expect_json(call.headers())?;
    let (settings, expected) = match part {
        Part::Whole => (body::parse_json(&incoming.bytes)?, expected),
        Part::Roles | Part::Schema | Part::Workflow | Part::Webhooks => {
            let present = app.reader.state().namespace(&path).ok_or_else(not_found)?;
            let settings = part::over(part, &present.settings, &incoming.bytes)?;
            // The other parts are as this node sees them, so they must not have moved.
            (settings, Some(expected.unwrap_or(present.revision)))
        }
    };
    if dry_run {
        if part != Part::Schema {
            let detail = "only a schema can be tried: PUT …:schema?dryRun=true";
            return Err(Problem::new(ProblemType::InvalidParameter, detail).field("dryRun"));
        }
        return part::report(app, &path, &settings).await;
    }
    let accepted = put(app, incoming, &path, settings, expected).await?;
    written(accepted, StatusCode::OK)
}

async fn put(
    app: &App,
    incoming: Incoming,
    path: &NamespacePath,
    settings: NamespaceSettings,
    expected_revision: Option<u64>,
) -> Result<Accepted, Problem> {
    let command = Command::PutNamespace(PutNamespace {
        actor: incoming.actor.clone(),
        path: path.clone(),
        settings,
        expected_revision,
    });
    write::propose(app, incoming, command).await
}

/// `status` with the new revision, or 202 with the request that waits for others.
fn written(accepted: Accepted, status: StatusCode) -> Result<Response<Body>, Problem> {
    let Outcome::NamespaceDeclared { path, revision } = accepted.outcome else {
        return write::pending(accepted);
    };
    let mut response = write::answer(status, &NamespaceWrittenView { path, revision }, accepted.index)?;
    schemas::mark(&mut response, revision);
    Ok(response)
}

/// Deletes an empty namespace.
pub async fn delete(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let (path, part) = named(call)?;
    if part != Part::Whole {
        let detail = "a part of a namespace is not deleted, it is replaced";
        return Err(Problem::new(ProblemType::InvalidPath, detail)
            .field("path")
            .limit("a path without a part"));
    }
    let expected_revision = negotiate::expected_revision(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::DeleteNamespace, &path)).await?;
    let command = Command::DeleteNamespace(DeleteNamespace {
        actor: incoming.actor.clone(),
        path,
        expected_revision,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::NamespaceDeleted { .. } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    Ok(write::empty(accepted.index))
}
