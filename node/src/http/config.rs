//! Published values: read one, list a namespace, and write directly where no approval is required.

use axum::body::Body;
use confman_api::config::{KeyView, WrittenView, render};
use confman_api::listing::Pagination;
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::outcome::{Outcome, Rejection};
use confman_core::proposal::{Command, PutEntry};
use confman_store::{ReadError, SnapshotView};
use http::header::{ETAG, VARY};
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, bad_parameter, read_problem, storage_problem};
use super::negotiate::{self, Representation};
use super::target::{self, KeyTarget};
use super::{body, cursor, reply};
use crate::auth::access::{Namespaces, may};
use crate::propose::Answered;
use crate::raft::bootstrap::propose_problem;
use crate::read::Seen;

const PREFIX: &str = "/api/v1/config";

/// A key's value, or a namespace's keys: whichever the path names. What may not be read does not exist.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let path = target::behind(call.path(), PREFIX);
    // Malformed paths are refused before anything waits.
    let listed = target::namespace(path);
    let key = if path == "/" { None } else { Some(target::key(path)) };
    let seen = app
        .reader
        .prepare(call.consistency()?)
        .await
        .map_err(|error| read_problem(&error))?;
    let namespaces = app.reader.state().namespaces();
    match (listed, key) {
        (Ok(namespace), _) if namespaces.contains_key(&namespace) => list(app, call, &namespaces, &namespace, seen),
        (_, Some(key)) => value(app, call, &namespaces, &key?, seen),
        (Ok(_), None) => Err(not_found()),
        (Err(problem), None) => Err(problem),
    }
}

fn value(
    app: &App,
    call: &Call,
    namespaces: &Namespaces,
    target: &KeyTarget,
    seen: Seen,
) -> Result<Response<Body>, Problem> {
    for name in ["prefix", "recursive", "values", "limit", "cursor"] {
        if call.parameter(name).is_some() {
            return Err(bad_parameter(name, "is for namespaces; the path does not name one"));
        }
    }
    let number = version_parameter(call)?;
    let representation = Representation::accepted(call.headers())?;
    if !may(namespaces, call.actor()?, Action::ReadPublished, &target.namespace) {
        return Err(not_found());
    }
    let state = app.reader.state();
    let found = match number {
        None => state.live(&target.namespace, &target.key),
        Some(number) => state.version(&target.namespace, &target.key, number),
    };
    let version = found.map_err(|error| storage_problem(&error))?.ok_or_else(not_found)?;
    let digest = version.digest.ok_or_else(not_found)?;
    let mut response = if negotiate::is_known(call.headers(), &digest) {
        let mut unchanged = Response::new(Body::empty());
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        represent(&version, representation)?
    };
    mark_value(&mut response, version.number, &digest);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

fn version_parameter(call: &Call) -> Result<Option<u64>, Problem> {
    match call.parameter("version").map(str::parse) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(bad_parameter("version", "must be a number")),
    }
}

fn represent(version: &Version, representation: Representation) -> Result<Response<Body>, Problem> {
    let Some(value) = &version.value else {
        return Err(not_found());
    };
    representation.suits(value.value_type())?;
    let body = match representation {
        Representation::Json => {
            let mut body = Vec::new();
            render(version, &mut body);
            body
        }
        Representation::Text | Representation::Octets => value.canonical_bytes().to_vec(),
    };
    let content_type = HeaderValue::from_static(representation.media_type());
    Ok(reply::with_body(StatusCode::OK, content_type, body))
}

fn mark_value(response: &mut Response<Body>, number: u64, digest: &Digest) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(negotiate::etag(digest)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(reply::VERSION, HeaderValue::from(number));
    headers.insert(VARY, HeaderValue::from_static("accept"));
}

fn not_found() -> Problem {
    Problem::new(ProblemType::NotFound, "the path names nothing that the caller may read")
}

/// Where a listing goes on: behind this key of this namespace.
struct Place {
    namespace: NamespacePath,
    key: Option<ConfigKey>,
}

fn list(
    app: &App,
    call: &Call,
    namespaces: &Namespaces,
    namespace: &NamespacePath,
    seen: Seen,
) -> Result<Response<Body>, Problem> {
    if call.parameter("version").is_some() {
        return Err(bad_parameter("version", "is for keys; the path names a namespace"));
    }
    let (limit, values, recursive) = (call.page_limit()?, call.flag("values")?, call.flag("recursive")?);
    let start = start_of(call, namespace)?;
    let actor = call.actor()?;
    if !may(namespaces, actor, Action::ReadPublished, namespace) {
        return Err(not_found());
    }
    let visible = namespaces
        .range(start.namespace.clone()..)
        .map(|(path, _)| path)
        .take_while(|path| recursive || *path == namespace)
        .filter(|path| *path == namespace || path.is_below(namespace))
        .filter(|path| may(namespaces, actor, Action::ReadPublished, path));
    let prefix = call.parameter("prefix").unwrap_or("");
    let page = app
        .reader
        .state()
        .read(|view| collect(view, visible, &start, prefix, limit))
        .map_err(|error| storage_problem(&error))?;
    let next = page.next.map(|place| cursor::encode(call, &place_text(&place)));
    let body = page_body(&page.versions, values, limit, next)?;
    let mut response = reply::with_body(StatusCode::OK, reply::JSON, body);
    reply::mark_seen(&mut response, seen);
    Ok(response)
}

struct Listed {
    versions: Vec<Version>,
    next: Option<Place>,
}

/// The live versions of the namespaces, in order of path and key, from one state.
fn collect<'a>(
    view: &SnapshotView<'_>,
    namespaces: impl Iterator<Item = &'a NamespacePath>,
    start: &Place,
    prefix: &str,
    limit: usize,
) -> Result<Listed, ReadError> {
    let mut versions = Vec::new();
    for namespace in namespaces {
        let after = start.key.as_ref().filter(|_| *namespace == start.namespace);
        if versions.len() >= limit {
            let next = Place {
                namespace: namespace.clone(),
                key: None,
            };
            return Ok(Listed {
                versions,
                next: Some(next),
            });
        }
        let page = view.live_versions(namespace, prefix, after, limit - versions.len())?;
        versions.extend(page.items);
        if let Some(key) = page.next {
            let next = Place {
                namespace: namespace.clone(),
                key: Some(key),
            };
            return Ok(Listed {
                versions,
                next: Some(next),
            });
        }
    }
    Ok(Listed { versions, next: None })
}

fn place_text(place: &Place) -> String {
    let key = place.key.as_ref().map_or("", ConfigKey::as_str);
    format!("{} {key}", place.namespace)
}

/// The place that the cursor names, or the beginning.
fn start_of(call: &Call, namespace: &NamespacePath) -> Result<Place, Problem> {
    let Some(text) = cursor::decode(call)? else {
        return Ok(Place {
            namespace: namespace.clone(),
            key: None,
        });
    };
    let foreign = || bad_parameter("cursor", "is not one that this query was answered with");
    let (path, key) = text.split_once(' ').ok_or_else(foreign)?;
    let key = match key {
        "" => None,
        key => Some(ConfigKey::parse(key).map_err(|_| foreign())?),
    };
    Ok(Place {
        namespace: NamespacePath::parse(path).map_err(|_| foreign())?,
        key,
    })
}

/// The page as JSON; values are written as they are stored.
fn page_body(versions: &[Version], values: bool, limit: usize, next: Option<String>) -> Result<Vec<u8>, Problem> {
    let unwritable = |error: serde_json::Error| storage_problem(&error);
    let mut body = b"{\"items\":[".to_vec();
    for version in versions {
        let end = body.len();
        if body.last() != Some(&b'[') {
            body.push(b',');
        }
        let written = if values {
            render(version, &mut body)
        } else {
            let view = KeyView::of(version);
            view.as_ref()
                .map(|view| serde_json::to_writer(&mut body, view))
                .transpose()
                .map_err(unwritable)?;
            view.is_some()
        };
        if !written {
            body.truncate(end);
        }
    }
    body.extend_from_slice(b"],\"pagination\":");
    let pagination = Pagination {
        limit,
        has_more: next.is_some(),
        next_cursor: next,
    };
    serde_json::to_writer(&mut body, &pagination).map_err(unwritable)?;
    body.push(b'}');
    Ok(body)
}

/// Writes a key directly. The rules decide in the log; what they would refuse for want of a role is not even proposed.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let expected_digest = negotiate::required_digest(call.headers())?;
    let actor = call.actor_with_address()?;
    check_write(&app.reader.state().namespaces(), &actor, &namespace)?;
    let trace_id = call.trace_id();
    let value = body::read_value(call.headers(), body).await?;
    let command = Command::PutEntry(PutEntry {
        actor,
        namespace: namespace.clone(),
        key: key.clone(),
        value,
        expected_digest,
    });
    let answered = app
        .proposer
        .propose(command, trace_id)
        .await
        .map_err(|error| propose_problem(&error))?;
    written(namespace, key, answered)
}

fn check_write(
    namespaces: &Namespaces,
    actor: &confman_core::principal::Actor,
    namespace: &NamespacePath,
) -> Result<(), Problem> {
    if !may(namespaces, actor, Action::ReadPublished, namespace) {
        return Err(not_found());
    }
    if may(namespaces, actor, Action::Publish, namespace) {
        return Ok(());
    }
    Err(Problem::from_rejection(Rejection::Forbidden {
        principal: actor.principal.clone(),
        action: Action::Publish,
        namespace: namespace.clone(),
    }))
}

fn written(namespace: NamespacePath, key: ConfigKey, answered: Answered) -> Result<Response<Body>, Problem> {
    let entry = answered.position;
    let (version, digest, position) = match answered.verdict.map_err(Problem::from_rejection)? {
        Outcome::EntryWritten {
            version,
            digest,
            position,
        } => (version, digest, position),
        Outcome::ClusterInitialised { .. }
        | Outcome::StampKeyRegistered { .. }
        | Outcome::NamespaceDeclared { .. }
        | Outcome::NamespaceReleased { .. }
        | Outcome::Request(_) => {
            return Err(Problem::new(
                ProblemType::Internal,
                "the state machine answered something else",
            ));
        }
    };
    let mut response = reply::json(&WrittenView {
        namespace,
        key,
        version,
        digest,
        position,
    })?;
    mark_value(&mut response, version, &digest);
    response
        .headers_mut()
        .insert(reply::INDEX, HeaderValue::from(entry.index));
    Ok(response)
}
