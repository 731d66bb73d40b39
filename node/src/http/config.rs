//! Published values: read one, list a namespace, and write directly where no approval is required.

pub mod delete;
mod list;
pub mod meta;

use axum::body::Body;
use confman_api::config::{self, WrittenView};
use confman_api::problem::{Problem, ProblemType};
use confman_core::access::Action;
use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, PutEntry};
use http::header::{ETAG, VARY};
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, bad_parameter, storage_problem};
use super::negotiate::{self, Representation};
use super::target::{self, KeyTarget};
use super::write::{Accepted, not_found};
use super::{body, render, reply, write};
use crate::auth::access::{Namespaces, may};
use crate::auth::known::Known;
use crate::read::Seen;
use crate::secrets::Place;

const PREFIX: &str = "/api/v1/config";

/// What a path may name, by its form.
struct Target {
    namespace: Option<NamespacePath>,
    key: Option<KeyTarget>,
}

/// What a path names.
enum Named<'t> {
    Namespace(&'t NamespacePath),
    Key(&'t KeyTarget),
}

impl Target {
    fn parse(path: &str) -> Result<Self, Problem> {
        let namespace = target::namespace(path);
        let key = if path == "/" { None } else { Some(target::key(path)) };
        match (namespace, key) {
            (Err(_), Some(Err(problem))) | (Err(problem), None) => Err(problem),
            (namespace, key) => Ok(Self {
                namespace: namespace.ok(),
                key: key.and_then(Result::ok),
            }),
        }
    }

    /// What it names for `actor`. What may not be read does not exist: a hidden namespace is looked for as a key, like
    /// any name that is not there.
    fn resolve(&self, namespaces: &Namespaces, actor: &Known) -> Option<Named<'_>> {
        let readable = |path: &NamespacePath| may(namespaces, actor, Action::ReadPublished, path);
        let exists = |path: &&NamespacePath| namespaces.contains_key(*path) && readable(path);
        if let Some(namespace) = self.namespace.as_ref().filter(exists) {
            return Some(Named::Namespace(namespace));
        }
        let key = self.key.as_ref().filter(|key| readable(&key.namespace));
        key.map(Named::Key)
    }
}

/// What a read waits for a change of: the keys of a namespace, or one of them.
pub(super) struct Subject {
    /// The namespace.
    pub(super) namespace: NamespacePath,
    /// The key.
    pub(super) key: Option<ConfigKey>,
}

/// What the path of `call` names for its caller, now; none if nothing that they may read.
pub(super) fn subject(app: &App, call: &Call) -> Result<Option<Subject>, Problem> {
    let target = Target::parse(target::behind(call.path(), PREFIX))?;
    let namespaces = app.reader.state().namespaces();
    let named = target.resolve(&namespaces, call.actor()?);
    Ok(named.map(|named| match named {
        Named::Namespace(namespace) => Subject {
            namespace: namespace.clone(),
            key: None,
        },
        Named::Key(KeyTarget { namespace, key }) => Subject {
            namespace: namespace.clone(),
            key: Some(key.clone()),
        },
    }))
}

/// A key's value, or a namespace's keys: whichever the path names. What may not be read does not exist.
pub async fn read(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    // Malformed paths are refused before anything waits.
    let path = target::behind(call.path(), PREFIX);
    let (path, wants_meta) = match path.strip_suffix(meta::SUFFIX) {
        Some(path) => (path, true),
        None => (path, false),
    };
    let target = Target::parse(path)?;
    let actor = call.actor()?;
    let may_read = |namespaces: &Namespaces| target.resolve(namespaces, actor).is_some();
    let seen = app.fresh_for(call, may_read).await?;
    let namespaces = app.reader.state().namespaces();
    match target.resolve(&namespaces, actor) {
        Some(Named::Namespace(namespace)) => list::list(app, call, namespace, seen).await,
        Some(Named::Key(key)) if wants_meta => meta::read(app, key),
        Some(Named::Key(key)) => value(app, call, key, seen),
        None => Err(not_found()),
    }
}

/// The value of a key in a namespace that the caller may read.
fn value(app: &App, call: &Call, target: &KeyTarget, seen: Seen) -> Result<Response<Body>, Problem> {
    for name in ["prefix", "recursive", "values", "limit", "cursor"] {
        if call.parameter(name).is_some() {
            return Err(bad_parameter(name, "is for namespaces; the path does not name one"));
        }
    }
    let number = version_parameter(call)?;
    let representation = Representation::accepted(call.headers())?;
    let state = app.reader.state();
    let found = match number {
        None => state.live(&target.namespace, &target.key),
        Some(number) => state.version(&target.namespace, &target.key, number),
    };
    let found = found.map_err(|error| storage_problem(&error))?;
    let Some((digest, mut version)) = found.and_then(|version| Some((version.digest?, version))) else {
        return Ok(missing(call, seen));
    };
    if let Some(sealed) = version.value.as_ref().filter(|value| value.is_sealed()) {
        let place = Place {
            namespace: &target.namespace,
            key: &target.key,
        };
        version.value = Some(app.open(place, sealed)?);
    }
    let mut response = if negotiate::is_known(call.headers(), &digest) {
        let mut unchanged = Response::new(Body::empty());
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        represent(&version, representation)?
    };
    mark_value(&mut response, version.number, &digest);
    if let Some(since) = app.rotation.due_since(&version) {
        reply::mark_rotation_due(&mut response, since);
    }
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
        Representation::Json => document(version),
        Representation::Yaml => {
            let json = String::from_utf8_lossy(&document(version)).into_owned();
            let failed = || Problem::new(ProblemType::Internal, "the value cannot be written as YAML");
            render::yaml::of_json(&json).ok_or_else(failed)?.into_bytes()
        }
        Representation::Text | Representation::Octets => value.canonical_bytes().to_vec(),
    };
    let content_type = HeaderValue::from_static(representation.media_type());
    Ok(reply::with_body(StatusCode::OK, content_type, body))
}

/// Value and metadata as JSON.
fn document(version: &Version) -> Vec<u8> {
    let mut body = Vec::new();
    config::render(version, &mut body);
    body
}

fn mark_value(response: &mut Response<Body>, number: u64, digest: &Digest) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(negotiate::etag(digest)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(reply::VERSION, HeaderValue::from(number));
    headers.insert(VARY, HeaderValue::from_static("accept"));
}

/// Says that there is no such key, and as of when: whoever waits for it goes on from there.
fn missing(call: &Call, seen: Seen) -> Response<Body> {
    let mut problem = not_found();
    problem.instance = Some(call.path().to_owned());
    problem.trace_id = Some(call.trace.id().to_owned());
    let mut response = reply::problem(&problem);
    reply::mark_seen(&mut response, seen);
    response
}

/// Writes a key directly. The rules decide in the log; what they would refuse for want of a role is not even proposed.
pub async fn write(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let KeyTarget { namespace, key } = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::Publish, &namespace)).await?;
    let command = Command::PutEntry(PutEntry {
        actor: incoming.actor.clone(),
        namespace: namespace.clone(),
        key: key.clone(),
        value: body::parse_value(call, &incoming.bytes)?,
        expected,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    written(namespace, key, accepted)
}

fn written(namespace: NamespacePath, key: ConfigKey, accepted: Accepted) -> Result<Response<Body>, Problem> {
    let Accepted { outcome, index } = accepted;
    let Outcome::EntryWritten {
        version,
        digest,
        position,
    } = outcome
    else {
        return Err(reply::unexpected(&outcome));
    };
    let mut response = reply::json(&WrittenView {
        namespace,
        key,
        version,
        digest,
        position,
    })?;
    mark_value(&mut response, version, &digest);
    response.headers_mut().insert(reply::INDEX, HeaderValue::from(index));
    Ok(response)
}
