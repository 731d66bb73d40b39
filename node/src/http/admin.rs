//! How the cluster does and who is in it, for the admins of `/`.

use std::time::Duration;

use axum::body::Body;
use confman_api::cluster::{LeaderView, MembershipBody, MembershipState, MembershipView, SnapshotView, TransferBody};
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use confman_store::types::{LogId, NodeId};
use http::{Response, StatusCode};
use openraft::async_runtime::WatchReceiver as _;

use super::call::{Call, not_found, read_problem};
use super::write::Incoming;
use super::{App, body, reply, write};
use crate::raft::membership::{Changed, MembershipError};
use crate::raft::wire::MembershipAsk;

/// How long an answer waits for a snapshot; a large one goes on behind it.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(5);

/// Every member, with what it says of itself.
pub async fn status(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let state = app.reader.state();
    write::check(
        &state.namespaces(),
        call.actor()?,
        (Action::Govern, &NamespacePath::root()),
    )?;
    let cluster = state.cluster().ok_or_else(not_found)?;
    reply::json(&app.reporter.cluster(cluster.cluster_id.clone()).await)
}

/// Adds or removes one member. 202 while a new one catches up; asked again, it says how far that is.
pub async fn change_membership(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    check_now(app, call).await?;
    let incoming = begin(app, call, body).await?;
    let MembershipBody { add, remove } = body::parse_json(&incoming.bytes)?;
    let ask = match (add, remove) {
        (Some(address), None) => MembershipAsk::Add(checked_address(address)?),
        (None, Some(id)) => MembershipAsk::Remove(node_id("remove", &id)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::new(ProblemType::InvalidBody, "give either add or remove").field("add"));
        }
    };
    let (status, state, id) = match ask_leader(app, &incoming, &ask).await? {
        Changed::Learner(id) => (StatusCode::ACCEPTED, MembershipState::Learner, id),
        Changed::Voter(id) | Changed::Leads(id) => (StatusCode::OK, MembershipState::Voter, id),
        Changed::Removed(id) => (StatusCode::OK, MembershipState::Removed, id),
    };
    let mut response = reply::json(&MembershipView {
        node_id: id.to_string(),
        state,
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// Hands the leadership over.
pub async fn transfer_leader(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    check_now(app, call).await?;
    let incoming = begin(app, call, body).await?;
    let TransferBody { to } = if incoming.bytes.is_empty() {
        TransferBody::default()
    } else {
        body::parse_json(&incoming.bytes)?
    };
    let to = to.map(|to| node_id("to", &to)).transpose()?;
    match ask_leader(app, &incoming, &MembershipAsk::Transfer(to.unwrap_or(0))).await? {
        Changed::Leads(id) | Changed::Voter(id) | Changed::Learner(id) | Changed::Removed(id) => {
            reply::json(&LeaderView { leader: id.to_string() })
        }
    }
}

/// Takes a snapshot of this node, up to what it has applied now.
pub async fn take_snapshot(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let incoming = begin(app, call, body).await?;
    tracing::info!(by = %incoming.actor.principal, "taking a snapshot");
    // The metrics of Raft may lag behind the state.
    let applied = app.reader.state().applied().map_or(0, |position| position.index);
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(%error, "a snapshot cannot be taken");
        Problem::new(ProblemType::Internal, "the node failed; its log says why")
    };
    app.raft.trigger().snapshot().await.map_err(|error| failed(&error))?;
    let taken = app.raft.wait(Some(SNAPSHOT_WAIT));
    let taken = taken
        .metrics(move |metrics| index_of(metrics.snapshot) >= applied, "the snapshot")
        .await;
    let status = if taken.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = reply::json(&SnapshotView {
        node_id: app.raft.node_id().to_string(),
        snapshot_index: index_of(app.raft.metrics().borrow_watched().snapshot),
    })?;
    *response.status_mut() = status;
    Ok(response)
}

fn index_of(log_id: Option<LogId>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index)
}

/// That the caller is an admin of `/` now: no rule decides about these calls in the log.
pub(super) async fn check_now(app: &App, call: &Call) -> Result<(), Problem> {
    call.actor()?;
    let caught_up = app.reader.prepare(Consistency::Linearizable).await;
    caught_up.map(drop).map_err(|error| read_problem(&error))
}

/// Reads the call of an admin of `/`, whose body is JSON if it has one.
pub(super) async fn begin(app: &App, call: &Call, body: Body) -> Result<Incoming, Problem> {
    let incoming = write::begin(app, call, body, (Action::Govern, &NamespacePath::root())).await?;
    if !incoming.bytes.is_empty() {
        body::expect_json(call.headers())?;
    }
    Ok(incoming)
}

async fn ask_leader(app: &App, incoming: &Incoming, ask: &MembershipAsk) -> Result<Changed, Problem> {
    app.membership
        .change(ask, &incoming.actor.principal)
        .await
        .map_err(|error| problem(&error))
}

fn problem(error: &MembershipError) -> Problem {
    let kind = match error {
        MembershipError::NoLeader => ProblemType::NoLeader,
        MembershipError::Refused(_) => ProblemType::Conflict,
        MembershipError::NotFound(_) => ProblemType::NotFound,
        MembershipError::Unknown(_) => ProblemType::OutcomeUnknown,
    };
    Problem::new(kind, error.to_string())
}

/// `host:port`; whether anybody is there is found out by asking.
fn checked_address(address: String) -> Result<String, Problem> {
    let parts = address.rsplit_once(':');
    let is_address =
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if is_address && address.len() <= 260 {
        return Ok(address);
    }
    let detail = "it is the address that peers reach the node at";
    Err(Problem::new(ProblemType::InvalidBody, detail)
        .field("add")
        .limit("host:port, at most 260 bytes"))
}

fn node_id(field: &str, text: &str) -> Result<NodeId, Problem> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(id),
        Ok(_) | Err(_) => {
            let detail = "it is a node id as GET /admin/status shows it";
            Err(Problem::new(ProblemType::InvalidBody, detail)
                .field(field)
                .limit("a decimal number in quotes"))
        }
    }
}
