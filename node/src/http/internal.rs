//! The courier's routes: bodies become commands, outcomes become answers, and nothing is decided here.

use axum::body::Body;
use confman_api::internal::{Initialise, Items, Recorded, RequestPage, RequestReference};
use confman_api::problem::{Problem, ProblemType};
use confman_api::reading::Consistency;
use confman_core::ids::RequestId;
use confman_core::outcome::Outcome;
use confman_core::proposal::{
    Command, DeclareNamespace, RegisterStampKey, ReleaseNamespace, Review, ReviewRequest, SubmitRequest, WithdrawCause,
    WithdrawRequest,
};
use confman_core::publish_request::{Decision, PublishRequest, RequestState};
use http::{HeaderValue, Response};
use serde::Serialize;

use super::App;
use super::call::{Call, bad_parameter, read_problem, storage_problem};
use super::{body, reply, target};
use crate::propose::{Answered, Origin};
use crate::raft::bootstrap::propose_problem;
use crate::raft::status::node_status;

const REQUESTS: &str = "/internal/v1/publish-requests/";

/// How this node sees the cluster.
pub fn status(app: &App) -> Result<Response<Body>, Problem> {
    let cluster = app.reader.state().cluster();
    let id = cluster.map(|cluster| cluster.cluster_id.clone());
    reply::json(&node_status(&app.raft, id))
}

/// Bootstraps the cluster.
pub async fn initialise(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let command: Initialise = body::read_json(call.headers(), body).await?;
    recorded(app.bootstrap.initialise(command, origin).await?)
}

/// Adds a stamp key.
pub async fn register_stamp_key(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let command: RegisterStampKey = body::read_json(call.headers(), body).await?;
    propose(app, Command::RegisterStampKey(command), origin).await
}

/// Every stamp key.
pub async fn stamp_keys(app: &App) -> Result<Response<Body>, Problem> {
    linearizable(app).await?;
    let keys = app.reader.state().read(|view| view.stamp_keys());
    items(keys.map_err(|error| storage_problem(&error))?)
}

/// Creates or updates a namespace.
pub async fn declare_namespace(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let command: DeclareNamespace = body::read_json(call.headers(), body).await?;
    propose(app, Command::DeclareNamespace(command), origin).await
}

/// Every namespace.
pub async fn namespaces(app: &App) -> Result<Response<Body>, Problem> {
    linearizable(app).await?;
    let namespaces = app.reader.state().namespaces();
    items(namespaces.values().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Frees a claim.
pub async fn release_namespace(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let command: ReleaseNamespace = body::read_json(call.headers(), body).await?;
    propose(app, Command::ReleaseNamespace(command), origin).await
}

/// Opens a publish request.
pub async fn submit(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let command: SubmitRequest = body::read_json(call.headers(), body).await?;
    propose(app, Command::SubmitRequest(command), origin).await
}

/// One page of the publish requests in one state, by name.
pub async fn publish_requests(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let names = RequestState::ALL.map(|state| state.to_string()).join(", ");
    let wrong = || bad_parameter("state", "must name a state").limit(format!("one of: {names}"));
    let text = call.parameter("state").ok_or_else(wrong)?;
    let state = RequestState::ALL
        .into_iter()
        .find(|state| state.to_string() == text)
        .ok_or_else(wrong)?;
    let after = call.parameter("after").map(RequestId::parse).transpose();
    let after = after.map_err(|_| bad_parameter("after", "must be the id of a publish request"))?;
    let limit = call.page_limit()?;
    linearizable(app).await?;
    let page = app.list(move |view| view.requests_by_state(state, after.as_ref(), limit));
    let page = page.await?;
    reply::json(&RequestPage {
        items: page.items.into_iter().filter_map(reference).collect(),
        next: page.next,
    })
}

/// Requests without an object are not the operator's business.
fn reference(request: PublishRequest) -> Option<RequestReference> {
    let object = request.object?;
    Some(RequestReference {
        id: request.id,
        kubernetes_namespace: object.kubernetes_namespace,
        name: object.name,
    })
}

/// One publish request.
pub async fn publish_request(app: &App, call: &Call) -> Result<Response<Body>, Problem> {
    let id = target::request_id(call.path().strip_prefix(REQUESTS).unwrap_or(""))?;
    linearizable(app).await?;
    let request = app
        .reader
        .state()
        .request(&id)
        .map_err(|error| storage_problem(&error))?;
    match request {
        Some(request) => reply::json(&request),
        None => Err(Problem::new(
            ProblemType::NotFound,
            format!("there is no publish request {id}"),
        )),
    }
}

/// `{id}:review` or `{id}:withdraw`.
pub async fn act(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let origin = call.origin()?;
    let target = call.path().strip_prefix(REQUESTS).unwrap_or("").to_owned();
    let (id, action) = target.split_once(':').unwrap_or((target.as_str(), ""));
    let id = target::request_id(id)?;
    match action {
        "review" => {
            let review: ReviewRequest = body::read_json(call.headers(), body).await?;
            same_id(&id, &review.request_id)?;
            propose(app, review_command(review)?, origin).await
        }
        "withdraw" => {
            let withdrawal: WithdrawRequest = body::read_json(call.headers(), body).await?;
            same_id(&id, &withdrawal.request_id)?;
            if matches!(withdrawal.cause, WithdrawCause::ByActor(_)) {
                let detail = "the operator relays stamps, and speaks for nobody";
                return Err(Problem::new(ProblemType::InvalidBody, detail).field("cause"));
            }
            propose(app, Command::WithdrawRequest(withdrawal), origin).await
        }
        _ => {
            let problem = Problem::new(ProblemType::NotFound, "the action must be :review or :withdraw");
            Err(problem.field("action"))
        }
    }
}

/// The decision is in the stamp: the person's word, not the courier's.
fn review_command(body: ReviewRequest) -> Result<Command, Problem> {
    let Review::Stamped(signed) = &body.review else {
        let detail = "the operator relays stamps, and speaks for nobody";
        return Err(Problem::new(ProblemType::InvalidBody, detail).field("review"));
    };
    match signed.statement.decision {
        Decision::Approve => Ok(Command::ApproveRequest(body)),
        Decision::Reject => Ok(Command::RejectRequest(body)),
        Decision::Publish => Ok(Command::PublishApproved(body)),
        Decision::Withdraw => {
            let detail = "a stamped withdrawal is relayed as {id}:withdraw";
            Err(Problem::new(ProblemType::InvalidBody, detail).field("review.statement.decision"))
        }
    }
}

fn same_id(path: &RequestId, body: &RequestId) -> Result<(), Problem> {
    if path == body {
        return Ok(());
    }
    let detail = format!("the body is about {body}, the path about {path}");
    Err(Problem::new(ProblemType::InvalidBody, detail).field("requestId"))
}

async fn linearizable(app: &App) -> Result<(), Problem> {
    let seen = app.reader.prepare(Consistency::Linearizable).await;
    seen.map(drop).map_err(|error| read_problem(&error))
}

async fn propose(app: &App, command: Command, origin: Origin) -> Result<Response<Body>, Problem> {
    let answered = app.proposer.propose(command, origin).await;
    recorded(answered.map_err(|error| propose_problem(&error))?)
}

fn recorded(answered: Answered) -> Result<Response<Body>, Problem> {
    let Answered { position, verdict } = answered;
    let outcome = verdict.map_err(Problem::from_rejection)?;
    let mut response = reply::json(&Recorded::<Outcome> { outcome, position })?;
    response
        .headers_mut()
        .insert(reply::INDEX, HeaderValue::from(position.index));
    Ok(response)
}

fn items<T: Serialize>(items: Vec<T>) -> Result<Response<Body>, Problem> {
    reply::json(&Items { items })
}
