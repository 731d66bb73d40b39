//! What every writing route does: look whether the caller may at all, read the body, propose, and say what came of it.

use axum::body::Body;
use bytes::Bytes;
use confman_api::config::WrittenView;
use confman_api::namespaces::PendingView;
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_core::access::Action;
use confman_core::idempotency::{Idempotency, IdempotencyKey, body_digest, fingerprint, key_digest};
use confman_core::ids::NamespacePath;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::principal::Actor;
use confman_core::proposal::Command;
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::App;
use super::call::{Call, not_found, read_problem};
use super::target::KeyTarget;
use super::{body, reply};
use crate::auth::access::{Namespaces, may};
use crate::auth::known::Known;
use crate::propose::Origin;
use crate::raft::bootstrap::propose_problem;
use crate::read::Seen;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A write whose caller may try it.
pub struct Incoming {
    /// Who, with the address of the connection.
    pub actor: Actor,
    /// The body, bounded.
    pub bytes: Bytes,
    origin: Origin,
}

impl Incoming {
    /// Forgets the idempotency key: what the first call was answered is not kept, so a repeat is another call.
    #[must_use]
    pub fn only_once(mut self) -> Self {
        self.origin.idempotency = None;
        self
    }
}

/// An accepted command.
pub struct Accepted {
    /// What came of it.
    pub outcome: Outcome,
    /// Log index of its entry.
    pub index: u64,
}

/// Lets in who may do `action` in `namespace` by what this node knows, and reads the body. What the caller may not even
/// read does not exist. The rules decide again in the log.
pub async fn begin(
    app: &App,
    call: &Call,
    body: Body,
    (action, namespace): (Action, &NamespacePath),
) -> Result<Incoming, Problem> {
    let (caller, actor) = (call.actor()?, call.actor_with_address()?);
    let check = || check(&app.reader.state().namespaces(), caller, (action, namespace));
    if check().is_err() {
        // The role may be newer than what this node has applied.
        let caught_up = app.reader.prepare(Consistency::Linearizable).await;
        caught_up.map_err(|error| read_problem(&error))?;
        check()?;
    }
    if call.headers().contains_key(IF_MATCH) && !call.route.is_conditional() {
        let detail = "this route has nothing that If-Match could be compared with; nothing was done";
        return Err(Problem::new(ProblemType::InvalidParameter, detail).field("If-Match"));
    }
    let bytes = body::read(call.headers(), body).await?;
    let mut origin = call.origin()?;
    origin.idempotency = idempotency(call, &actor, &bytes)?;
    Ok(Incoming { actor, bytes, origin })
}

/// As fresh as a read wants it, once the caller may do `action` in `namespace` there.
pub async fn fresh(app: &App, call: &Call, may: (Action, &NamespacePath)) -> Result<Seen, Problem> {
    let caller = call.actor()?;
    let check = |namespaces: &Namespaces| check(namespaces, caller, may);
    let seen = app.fresh_for(call, |namespaces| check(namespaces).is_ok()).await?;
    check(&app.reader.state().namespaces())?;
    Ok(seen)
}

/// That the caller may do `action` in `namespace`, by their roles and by what their credential is for; what they may not
/// even read is not there.
pub fn check(
    namespaces: &Namespaces,
    caller: &Known,
    (action, namespace): (Action, &NamespacePath),
) -> Result<(), Problem> {
    if !may(namespaces, caller, Action::ReadPublished, namespace) {
        return Err(not_found());
    }
    if may(namespaces, caller, action, namespace) {
        return Ok(());
    }
    Err(Problem::from_rejection(Rejection::Forbidden {
        principal: caller.principal.clone(),
        action,
        namespace: namespace.clone(),
    }))
}

fn idempotency(call: &Call, actor: &Actor, bytes: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let mut values = call.headers().get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let detail = "the header Idempotency-Key is given more than once";
        return Err(Problem::new(ProblemType::InvalidParameter, detail).field("Idempotency-Key"));
    }
    let key = IdempotencyKey::parse_header(value.to_str().unwrap_or("")).map_err(|error| {
        Problem::new(ProblemType::InvalidParameter, error.to_string())
            .field("Idempotency-Key")
            .limit(format!("1 to {} visible ASCII characters", IdempotencyKey::MAX_BYTES))
    })?;
    let media_type = call.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let body = body_digest(media_type.unwrap_or(""), bytes);
    Ok(Some(Idempotency {
        key: key_digest(&actor.principal, &key),
        fingerprint: fingerprint(call.route.method.name(), &call.path_and_query(), body, &actor.principal),
    }))
}

/// Proposes `command` and waits for the verdict.
pub async fn propose(app: &App, incoming: Incoming, command: Command) -> Result<Accepted, Problem> {
    let answered = app.proposer.propose(command, incoming.origin).await;
    let answered = answered.map_err(|error| propose_problem(&error))?;
    Ok(Accepted {
        outcome: answered.verdict.map_err(Problem::from_rejection)?,
        index: answered.position.index,
    })
}

/// The answer where the change waits for other people.
pub fn pending(accepted: Accepted) -> Result<Response<Body>, Problem> {
    let Outcome::GovernancePending { path, request_id } = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    let view = PendingView {
        namespace: path,
        request_id,
    };
    answer(StatusCode::ACCEPTED, &view, accepted.index)
}

/// What a command made of the key in `target`.
pub fn written(target: KeyTarget, outcome: &Outcome) -> Result<WrittenView, Problem> {
    let KeyTarget { namespace, key } = target;
    let Outcome::EntryWritten {
        version,
        digest,
        position,
    } = outcome
    else {
        return Err(reply::unexpected(outcome));
    };
    Ok(WrittenView {
        namespace,
        key,
        version: *version,
        digest: *digest,
        position: *position,
    })
}

/// An answer with the log index of the write.
pub fn answer(status: StatusCode, body: &impl Serialize, index: u64) -> Result<Response<Body>, Problem> {
    let mut response = reply::json(body)?;
    *response.status_mut() = status;
    response.headers_mut().insert(reply::INDEX, HeaderValue::from(index));
    Ok(response)
}

/// An answer without a body, with the log index of the write.
pub fn empty(index: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(reply::INDEX, HeaderValue::from(index));
    response
}
