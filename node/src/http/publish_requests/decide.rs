//! Decides about a publish request: approve, reject, withdraw, publish.

use axum::body::Body;
use confman_api::problem::{Problem, ProblemType};
use confman_api::publish_request::DecisionBody;
use confman_api::reading::Consistency;
use confman_core::access::Action;
use confman_core::digest::Digest;
use confman_core::outcome::Outcome;
use confman_core::proposal::{AuthenticatedReview, Command, Review, ReviewRequest, WithdrawCause, WithdrawRequest};
use confman_core::publish_request::{PublishRequest, RequestState};
use http::{Response, StatusCode};

use super::super::App;
use super::super::call::{Call, not_found, read_problem, storage_problem};
use super::super::{body, reply, target, write};
use super::{PREFIX, view_of};

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decided {
    Approve,
    Reject,
    Withdraw,
    Publish,
}

impl Decided {
    fn parse(action: &str) -> Option<Self> {
        match action {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            "withdraw" => Some(Self::Withdraw),
            "publish" => Some(Self::Publish),
            _ => None,
        }
    }
}

/// `{id}/approve`, `/reject`, `/withdraw` or `/publish`.
pub async fn decide(app: &App, call: &Call, body: Body) -> Result<Response<Body>, Problem> {
    let behind = call.path().strip_prefix(PREFIX).unwrap_or("");
    let (id, action) = behind.split_once('/').unwrap_or((behind, ""));
    let id = target::request_id(id)?;
    let decided = Decided::parse(action).ok_or_else(|| {
        let detail = "a publish request takes approve, reject, withdraw and publish";
        Problem::new(ProblemType::NotFound, detail).field("action")
    })?;
    let request = find(app, &id).await?;
    // What a person may do with a request they can see is for the rules: the requester withdraws without a role.
    let incoming = write::begin(app, call, body, (Action::ReadPublished, &request.namespace)).await?;
    let given: DecisionBody = if incoming.bytes.is_empty() {
        DecisionBody::default()
    } else {
        body::expect_json(call.headers())?;
        body::parse_json(&incoming.bytes)?
    };
    let review = AuthenticatedReview {
        actor: incoming.actor.clone(),
        digest: digest(decided, given.digest, &request)?,
        comment: given.comment,
    };
    let accepted = write::propose(app, incoming, command(decided, request, review)).await?;
    let Outcome::Request(request) = accepted.outcome else {
        return Err(reply::unexpected(&accepted.outcome));
    };
    if request.state == RequestState::Superseded {
        return Err(superseded(&request));
    }
    write::answer(StatusCode::OK, &view_of(*request)?, accepted.index)
}

/// Nobody compared the request with what is there now: it ends, and is asked for again on top of that.
fn superseded(request: &PublishRequest) -> Problem {
    let note = request
        .steps
        .last()
        .and_then(|step| step.comment.as_deref())
        .unwrap_or("");
    let again = match request.key() {
        Some(key) => format!("ask again for {key} with POST /api/v1/publish-requests"),
        None => "ask for the change again".to_owned(),
    };
    let detail = format!(
        "{note}; {} is superseded, nothing was published: look at what changed, then {again}",
        request.id
    );
    Problem::new(ProblemType::Superseded, detail)
}

/// The request, by the newest state: it may just have been opened elsewhere.
async fn find(app: &App, id: &confman_core::ids::RequestId) -> Result<PublishRequest, Problem> {
    let state = app.reader.state();
    if let Some(request) = state.request(id).map_err(|error| storage_problem(&error))? {
        return Ok(request);
    }
    let caught_up = app.reader.prepare(Consistency::Linearizable).await;
    caught_up.map_err(|error| read_problem(&error))?;
    let request = state.request(id).map_err(|error| storage_problem(&error))?;
    request.ok_or_else(not_found)
}

/// An approval says what it approves; who takes back or says no need not.
fn digest(decided: Decided, given: Option<Digest>, request: &PublishRequest) -> Result<Digest, Problem> {
    match (decided, given) {
        (_, Some(digest)) => Ok(digest),
        (Decided::Reject | Decided::Withdraw, None) => Ok(request.digest),
        (Decided::Approve | Decided::Publish, None) => {
            let detail = "digest is missing: name the content that you have seen, as the request's digest says";
            Err(Problem::new(ProblemType::InvalidBody, detail).field("digest"))
        }
    }
}

fn command(decided: Decided, request: PublishRequest, review: AuthenticatedReview) -> Command {
    let request_id = request.id;
    if decided == Decided::Withdraw {
        return Command::WithdrawRequest(WithdrawRequest {
            request_id,
            cause: WithdrawCause::ByActor(review),
        });
    }
    let review = ReviewRequest {
        request_id,
        review: Review::Authenticated(review),
        verdict: None,
    };
    match decided {
        Decided::Approve => Command::ApproveRequest(review),
        Decided::Publish => Command::PublishApproved(review),
        Decided::Reject | Decided::Withdraw => Command::RejectRequest(review),
    }
}
