//! Long polling: a read that waits until what it is about has changed.

use std::time::Duration;

use axum::body::Body;
use confman_api::limits;
use confman_api::problem::Problem;
use confman_api::reading::Consistency;
use confman_api::routes::Route;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use http::{Response, Uri};
use tokio::time::{Instant, timeout_at};

use super::App;
use super::call::{Call, bad_parameter, read_problem, refuse_parameters};
use super::config::{self, Subject};
use super::reply;
use super::watch::{begin, take_place};
use crate::auth::access::may;
use crate::watch::{Filter, Interest, Keys, Kinds, Start, Step, Watcher, parse_position};

/// How much longer than others a request may take because it waits for a change.
pub fn longest_wait(route: &Route, uri: &Uri) -> Duration {
    let may_wait = route.query.iter().any(|parameter| parameter.name == "wait");
    if may_wait && uri.query().is_some_and(|query| query.contains("wait=")) {
        Duration::from_millis(limits::LONG_POLL.value as u64)
    } else {
        Duration::ZERO
    }
}

/// Waits, if `call` asks for it. None once it is to be answered like any read: something has changed, or there is
/// nothing to wait for. Otherwise the answer that nothing has.
pub async fn wait(app: &App, call: &Call) -> Result<Option<Response<Body>>, Problem> {
    let index = call.parameter("index");
    let (wait, index) = match (call.wait()?, index) {
        (None, None) => return Ok(None),
        (Some(wait), Some(index)) => (wait, index),
        (Some(_), None) => {
            return Err(bad_parameter(
                "index",
                "is needed with wait: the Confman-Index of the last answer",
            ));
        }
        (None, Some(_)) => {
            return Err(bad_parameter(
                "index",
                "is for wait; to read at least that index, use consistency=index=N",
            ));
        }
    };
    // Requests that do not wait carry no room for it.
    Box::pin(wait_after(app, call, wait, index)).await
}

/// Waits until something has changed after `index`.
async fn wait_after(app: &App, call: &Call, wait: Duration, index: &str) -> Result<Option<Response<Body>>, Problem> {
    let give_up = Instant::now() + wait;
    let position = parse_position(index).filter(|position| position.seq == u32::MAX);
    let asked = position.ok_or_else(|| bad_parameter("index", "must be a log index"))?;
    refuse_parameters(call, &["version", "cursor"], "cannot be waited for")?;
    let recursive = call.flag("recursive")?;
    let Some(subject) = subject(app, call).await? else {
        return Ok(None);
    };
    let place = take_place(app, call)?;
    let Start::After(position) = begin(app, Some(asked)).await? else {
        return Ok(None);
    };
    let (interest, filter) = narrowed(call, subject, recursive);
    let mut watcher = app.feed.watch(place, interest, filter, position);
    match timeout_at(give_up, change(app, call, &mut watcher)).await {
        Ok(Awaited::Answerable) => Ok(None),
        Ok(Awaited::Over) | Err(_) => unchanged(app).await.map(Some),
    }
}

/// What the path names. The role may be newer than what this node has applied.
async fn subject(app: &App, call: &Call) -> Result<Option<Subject>, Problem> {
    if let Some(subject) = config::subject(app, call)? {
        return Ok(Some(subject));
    }
    let caught_up = app.reader.prepare(Consistency::Linearizable).await;
    caught_up.map_err(|error| read_problem(&error))?;
    config::subject(app, call)
}

fn narrowed(call: &Call, subject: Subject, recursive: bool) -> (Interest, Filter) {
    let keys = match (subject.key, call.parameter("prefix")) {
        (Some(key), _) => Keys::One(key),
        (None, Some(prefix)) => Keys::Prefix(prefix.to_owned()),
        (None, None) => Keys::All,
    };
    let interest = Interest {
        namespace: subject.namespace,
        recursive: recursive && !matches!(keys, Keys::One(_)),
    };
    let kinds = Kinds::VALUES;
    (interest, Filter { kinds, keys })
}

/// What waiting came to.
enum Awaited {
    /// The read has something to say: a change, or that it may not be read any more.
    Answerable,
    /// Nothing will change here.
    Over,
}

async fn change(app: &App, call: &Call, watcher: &mut Watcher) -> Awaited {
    let may_read = |path: &NamespacePath| {
        let namespaces = app.reader.state().namespaces();
        call.actor()
            .is_ok_and(|actor| may(&namespaces, actor, Action::ReadPublished, path))
    };
    loop {
        match watcher.next().await {
            Step::Change(change) if may_read(&change.namespace) => return Awaited::Answerable,
            Step::Change(_) => {}
            Step::Woken if may_read(&watcher.interest().namespace) => {}
            Step::Woken => return Awaited::Answerable,
            Step::Closed(_) => return Awaited::Over,
        }
    }
}

/// Nothing has changed up to the index that this answer names.
async fn unchanged(app: &App) -> Result<Response<Body>, Problem> {
    let seen = app.reader.prepare(Consistency::Stale).await;
    let seen = seen.map_err(|error| read_problem(&error))?;
    let mut response = reply::not_modified();
    reply::mark_seen(&mut response, seen);
    Ok(response)
}
