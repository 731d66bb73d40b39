//! API keys of the cluster: issued, listed and revoked by the admins of what they are for.

use axum::body::Body;
use confman_api::api_keys::{ApiKeyView, IssueKeyBody, KeyIssuedView};
use confman_api::listing::Page;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_core::access::Action;
use confman_core::api_key::ApiKeyRecord;
use confman_core::ids::NamespacePath;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, IssueApiKey, RevokeApiKey};
use confman_core::state::StateView as _;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, not_found, read_problem, storage_problem};
use super::{body, cursor, reply, write};
use crate::auth::access::{Namespaces, may};
use crate::auth::api_keys::{digest_of, generate};
use crate::propose::now;

const PREFIX: &str = "/api/v1/keys/";

/// Whose admins issue and revoke a key: those of its scope.
fn place(record: &ApiKeyRecord) -> NamespacePath {
    record.scope.namespace.clone().unwrap_or_else(NamespacePath::root)
}

/// Issues a key and shows its text, once. A repeat with the same idempotency key finds the name taken: the text of the
/// first one is known to nobody any more.
pub async fn issue(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let bytes = body::read(call.headers(), body).await?;
    body::expect_json(call.headers())?;
    let asked: IssueKeyBody = body::parse_json(&bytes)?;
    let (text, record) = made(call, asked)?;
    let incoming = write::begin(app, call, Body::from(bytes), (Action::Govern, &place(&record))).await?;
    if app.authenticator.has_file_key(&record.name) {
        let detail = format!("the nodes know a key {} by a file; give another name", record.name);
        return Err(Problem::new(ProblemType::Conflict, detail).field("name"));
    }
    let view = KeyIssuedView {
        name: record.name.clone(),
        key: text,
        principal: record.principal(),
        expires_at: record.expires_at,
    };
    let command = Command::IssueApiKey(IssueApiKey {
        actor: incoming.actor.clone(),
        key: record,
    });
    let accepted = write::propose(app, incoming.only_once(), command).await?;
    let Outcome::ApiKeyIssued { name } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let mut response = write::answer(StatusCode::CREATED, &view, accepted.index)?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(location) = HeaderValue::try_from(format!("{PREFIX}{name}")) {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

/// The text of a new key, and what the cluster keeps of it. Apply sets creator and time again, by its own clock.
fn made(call: &Call, asked: IssueKeyBody) -> Result<(String, ApiKeyRecord), Problem> {
    let IssueKeyBody {
        name,
        environment,
        scope,
        expires_at,
    } = asked;
    let text = generate(&environment).map_err(|error| {
        tracing::error!(%error, "no randomness for an API key");
        Problem::new(ProblemType::Internal, "the node has no randomness; its log says why")
    })?;
    let record = ApiKeyRecord {
        hash: digest_of(&text),
        name,
        environment,
        scope,
        created_by: call.actor()?.principal.clone(),
        created_at: now(),
        expires_at,
        revoked_at: None,
    };
    Ok((text, record))
}

/// The keys whose admin the caller is, by name, those that have ended included.
pub async fn list(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let limit = call.page_limit()?;
    let after = cursor::decode(call)?;
    let caller = call.actor()?;
    let governs_any = |namespaces: &Namespaces| {
        let mut paths = namespaces.keys();
        paths.any(|path| may(namespaces, caller, Action::Govern, path))
    };
    let seen = app.fresh_for(call, governs_any).await?;
    let namespaces = app.reader.state().namespaces();
    if !governs_any(&namespaces) {
        return Err(not_found());
    }
    let page = app.list(move |view| view.api_keys(after.as_deref(), limit)).await?;
    let governed = page
        .items
        .iter()
        .filter(|record| may(&namespaces, caller, Action::Govern, &place(record)));
    let items = governed.map(|record| ApiKeyView::of(record, app.authenticator.last_used(&record.name)));
    let next = page.next.map(|last| cursor::encode(call, &last));
    let mut response = reply::json(&Page::new(items.collect(), limit, next))?;
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

/// Ends a key at once.
pub async fn revoke(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let name = call.path().strip_prefix(PREFIX).unwrap_or("");
    let record = find(app, name).await?;
    let incoming = write::begin(app, call, body, (Action::Govern, &place(&record))).await?;
    let command = Command::RevokeApiKey(RevokeApiKey {
        actor: incoming.actor.clone(),
        name: record.name,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let Outcome::ApiKeyRevoked { .. } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    Ok(write::empty(accepted.index))
}

async fn find(app: &App, name: &str) -> Result<ApiKeyRecord, Problem> {
    let look = || {
        let found = app.reader.state().read(|view| view.api_key(name));
        found.map_err(|error| storage_problem(&error))
    };
    if let Some(record) = look()? {
        return Ok(record);
    }
    // It may be newer than what this node has applied.
    let caught_up = app.reader.prepare(Consistency::Linearizable).await;
    caught_up.map_err(|error| read_problem(&error))?;
    look()?.ok_or_else(not_found)
}
