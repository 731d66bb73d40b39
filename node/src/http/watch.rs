//! Streams of changes as server-sent events.

mod stream;

use axum::body::Body;
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_api::watch::EVENT_STREAM;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use confman_store::AuditPosition;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};

use self::stream::{EventStream, Viewer};
use super::App;
use super::call::{Call, bad_parameter, read_problem, storage_problem};
use super::{negotiate, target};
use crate::auth::access::may;
use crate::watch::{Filter, Interest, Keys, Kinds, Place, Refused, Start, parse_position};

const PREFIX: &str = "/api/v1/watch";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies to pass each event on at once (nginx, and what imitates it).
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Opens a stream, for whoever may read the namespace.
pub async fn open(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let namespace = target::namespace(target::behind(call.path(), PREFIX))?;
    negotiate::require_accepted(call.headers(), EVENT_STREAM)?;
    let interest = Interest {
        namespace,
        recursive: call.flag("recursive")?,
    };
    let filter = Filter {
        kinds: kinds(call)?,
        keys: Keys::All,
    };
    let values = call.flag("values")?;
    let asked = asked(call)?;
    check_readable(app, call, &interest.namespace).await?;
    let place = take_place(app, call)?;
    let start = begin(app, asked).await?;
    let watcher = app.feed.watch(place, interest, filter, start.position());
    let stream = EventStream::new(watcher, Viewer::of(app, call)?, values, start);
    let mut response = Response::new(stream.into_body());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if call.leave_connection_place() {
        // It has no place for another request after this one.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn kinds(call: &Call) -> Result<Kinds, Problem> {
    let Some(text) = call.parameter("types") else {
        return Ok(Kinds::VALUES);
    };
    let known = "values, workflow, governance";
    Kinds::parse(text).ok_or_else(|| bad_parameter("types", "must be a list of known types").limit(known))
}

/// The position that the stream is to go on after.
fn asked(call: &Call) -> Result<Option<AuditPosition>, Problem> {
    let form = "INDEX or INDEX.SEQ";
    if let Some(id) = call.headers().get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
        let position = id.to_str().ok().and_then(parse_position);
        let problem = Problem::new(
            ProblemType::InvalidParameter,
            "Last-Event-ID must be the id of an event",
        );
        return position
            .map(Some)
            .ok_or_else(|| problem.field("Last-Event-ID").limit(form));
    }
    let Some(text) = call.parameter("from") else {
        return Ok(None);
    };
    let problem = || bad_parameter("from", "must be a log index or the id of an event").limit(form);
    parse_position(text).map(Some).ok_or_else(problem)
}

/// What may not be read does not exist. The role may be newer than what this node has applied.
async fn check_readable(app: &App, call: &Call, namespace: &NamespacePath) -> Result<(), Problem> {
    let actor = call.actor()?;
    let readable = || {
        let namespaces = app.reader.state().namespaces();
        namespaces.contains_key(namespace) && may(&namespaces, actor, Action::ReadPublished, namespace)
    };
    if readable() {
        return Ok(());
    }
    let caught_up = app.reader.prepare(Consistency::Linearizable).await;
    caught_up.map_err(|error| read_problem(&error))?;
    if readable() {
        return Ok(());
    }
    let detail = "the path names no namespace that the caller may read";
    Err(Problem::new(ProblemType::NotFound, detail))
}

/// A place among those who watch.
pub(super) fn take_place(app: &App, call: &Call) -> Result<Place, Problem> {
    let taken = app.feed.take_place(&call.actor()?.principal);
    taken.map_err(|refused| match refused {
        Refused::Node => Problem::new(
            ProblemType::Overloaded,
            "the node has as many watches as it may; try another one",
        )
        .limit(limits::WATCHES.text()),
        Refused::Principal => {
            let detail = "the caller has as many watches on this node as one principal may";
            Problem::new(ProblemType::RateLimited, detail).limit(limits::WATCHES_OF_ONE.text())
        }
    })
}

/// Where the watch begins. A position ahead of this node may come from one that is less behind; only after this one has
/// caught up is it known to be of another log.
pub(super) async fn begin(app: &App, asked: Option<AuditPosition>) -> Result<Start, Problem> {
    let applied = app.reader.state().applied().map_or(0, |position| position.index);
    if asked.is_some_and(|asked| asked.index > applied) {
        let caught_up = app.reader.prepare(Consistency::Linearizable).await;
        caught_up.map_err(|error| read_problem(&error))?;
    }
    app.feed.start(asked).await.map_err(|error| storage_problem(&error))
}
