//! Published values: read one, list a namespace, and write directly where no approval is required.

pub mod delete;
mod list;
pub mod meta;

use axum::body::Body;
use confman_api::config;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Representation;
use confman_core::access::Action;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::proposal::{Command, PutEntry};
use confman_core::value::ConfigValue;
use http::{HeaderValue, Response, StatusCode};

use super::App;
use super::call::{Call, bad_parameter, not_found, refuse_parameters, storage_problem};
use super::named::{Named, Target};
use super::target::{self, KeyTarget};
use super::{body, negotiate, render, reply, write};
use crate::auth::access::Namespaces;
use crate::read::Seen;

const PREFIX: &str = "/api/v1/config";

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
    let named = target.resolve(&namespaces, call.actor()?, Action::ReadPublished);
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
    let may_read = |namespaces: &Namespaces| target.resolve(namespaces, actor, Action::ReadPublished).is_some();
    let seen = app.fresh_for(call, may_read).await?;
    let namespaces = app.reader.state().namespaces();
    match target.resolve(&namespaces, actor, Action::ReadPublished) {
        // Only of a key something is said.
        Some(Named::Namespace(_)) if wants_meta => Err(not_found()),
        Some(Named::Namespace(namespace)) => list::list(app, call, namespace, seen).await,
        Some(Named::Key(key)) if wants_meta => meta::read(app, key),
        Some(Named::Key(key)) => value(app, call, key, seen),
        None => Err(not_found()),
    }
}

/// The value of a key in a namespace that the caller may read.
fn value(app: &App, call: &Call, target: &KeyTarget, seen: Seen) -> Result<Response<Body>, Problem> {
    let of_namespaces = ["prefix", "recursive", "values", "limit", "cursor"];
    refuse_parameters(call, &of_namespaces, "is for namespaces; the path does not name one")?;
    let number = version_parameter(call)?;
    let representation = negotiate::representation(call.headers())?;
    let state = app.reader.state();
    let found = match number {
        None => state.live(&target.namespace, &target.key),
        Some(number) => state.version(&target.namespace, &target.key, number),
    };
    let found = found.map_err(|error| storage_problem(&error))?;
    let Some((digest, version)) = found.and_then(|version| Some((version.digest?, version))) else {
        return Ok(missing(call, seen));
    };
    let version = app.open(version)?;
    let mut response = if negotiate::is_known(call.headers(), &digest) {
        reply::not_modified()
    } else {
        let value = version.value.as_ref().ok_or_else(not_found)?;
        represent(value, representation, || document(&version))?
    };
    reply::mark_value(&mut response, version.number, &digest);
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

/// The answer with a value: its metadata are in `document`, as JSON.
pub(super) fn represent(
    value: &ConfigValue,
    representation: Representation,
    document: impl FnOnce() -> Vec<u8>,
) -> Result<Response<Body>, Problem> {
    negotiate::refuse_unsuited(representation, value.value_type())?;
    let body = match representation {
        Representation::Json => document(),
        Representation::Yaml => yaml(&document())?,
        Representation::Text | Representation::Octets => value.canonical_bytes().to_vec(),
    };
    let content_type = HeaderValue::from_static(representation.media_type());
    Ok(reply::with_body(StatusCode::OK, content_type, body))
}

/// A JSON document as YAML.
pub(super) fn yaml(json: &[u8]) -> Result<Vec<u8>, Problem> {
    let failed = || Problem::new(ProblemType::Internal, "the answer cannot be written as YAML");
    let yaml = render::yaml::of_json(&String::from_utf8_lossy(json)).ok_or_else(failed)?;
    Ok(yaml.into_bytes())
}

/// Value and metadata as JSON.
fn document(version: &Version) -> Vec<u8> {
    let mut body = Vec::new();
    config::render(version, &mut body);
    body
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
    let target = target::key(target::behind(call.path(), PREFIX))?;
    let expected = negotiate::precondition(call.headers())?;
    let incoming = write::begin(app, call, body, (Action::Publish, &target.namespace)).await?;
    let command = Command::PutEntry(PutEntry {
        actor: incoming.actor.clone(),
        namespace: target.namespace.clone(),
        key: target.key.clone(),
        value: body::parse_value(call, &incoming.bytes)?,
        expected,
        verdict: None,
    });
    let accepted = write::propose(app, incoming, command).await?;
    let view = write::written(target, &accepted.outcome)?;
    let mut response = write::answer(StatusCode::OK, &view, accepted.index)?;
    if let Some(digest) = &view.digest {
        reply::mark_value(&mut response, view.version, digest);
    }
    Ok(response)
}
