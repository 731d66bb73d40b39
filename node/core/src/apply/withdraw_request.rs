//! Ends an open request without a decision: its requester says so, or its object is gone.

use std::collections::BTreeSet;

use crate::audit::AuditAction;
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::{AuthenticatedReview, WithdrawCause, WithdrawRequest};
use crate::publish_request::{Decision, PublishRequest, RequestState, StepKind};
use crate::stamp::ReviewStatement;
use crate::state::{Change, StateView};

use super::Accepted;
use super::caller::Caller;
use super::context::{Context, Step, check_length, invalid_stamp};
use super::journal::{Journal, Transition};
use super::opening::same_digest;
use super::review::{step, verify_review};

/// Comment of the event when nobody withdrew the request by hand.
const OBJECT_DELETED: &str = "object-deleted";

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &WithdrawRequest) -> Step<Accepted, V> {
    let mut request = context.request(&command.request_id)?;
    let (caller, comment) = match &command.cause {
        WithdrawCause::ObjectDeleted => (None, Some(OBJECT_DELETED)),
        WithdrawCause::ByRequester(signed) => {
            verify_review(context, signed, &request, Decision::Withdraw)?;
            let caller = context.stamped(&signed.statement.user, &signed.key_id)?;
            if *caller.principal() != request.requested_by {
                Err(invalid_stamp(not_theirs(&caller, &request)))?;
            }
            same_digest(request.digest, signed.statement.digest)?;
            (Some(caller), signed.statement.comment.as_deref())
        }
        WithdrawCause::ByActor(AuthenticatedReview { actor, digest, comment }) => {
            check_length("comment", comment.as_deref(), ReviewStatement::MAX_COMMENT_BYTES)?;
            let caller = context.authenticated(actor, &request.namespace)?;
            if *caller.principal() != request.requested_by {
                Err(Rejection::NotRequester {
                    principal: caller.principal().clone(),
                    requester: request.requested_by.clone(),
                })?;
            }
            same_digest(request.digest, *digest)?;
            (Some(caller), comment.as_deref())
        }
    };
    match request.state {
        RequestState::PendingReview | RequestState::Approved => {}
        RequestState::Withdrawn => return Ok(unchanged(request)),
        state @ (RequestState::Published | RequestState::Rejected | RequestState::Superseded) => match command.cause {
            // An object may be deleted at any time; what was decided stays.
            WithdrawCause::ObjectDeleted => return Ok(unchanged(request)),
            WithdrawCause::ByRequester(_) | WithdrawCause::ByActor(_) => Err(Rejection::RequestNotPending { state })?,
        },
    }
    let courier = Principal::courier();
    let actor = caller.as_ref().map_or(&courier, Caller::principal);
    request.state = RequestState::Withdrawn;
    request.steps.push(step(context, StepKind::Withdrawn, actor, comment));
    let mut journal = Journal::new(context);
    let mut transition = Transition::new(AuditAction::RequestWithdrawn, actor, &request.namespace);
    if let Some(caller) = &caller {
        // Taking back what one has asked for needs no role.
        transition = transition.by(caller, BTreeSet::new());
    }
    journal.record(transition.of_request(&request).comment(comment));
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}

fn unchanged(request: PublishRequest) -> Accepted {
    Accepted::unchanged(Outcome::Request(Box::new(request)))
}

fn not_theirs(caller: &Caller, request: &PublishRequest) -> String {
    format!(
        "only {} may withdraw this request, not {}",
        request.requested_by,
        caller.principal()
    )
}
