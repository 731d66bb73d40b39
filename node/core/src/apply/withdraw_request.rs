//! Ends an open request without a decision: its requester says so, or its object is gone.

use std::collections::BTreeSet;

use crate::audit::AuditAction;
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::{WithdrawCause, WithdrawRequest};
use crate::publish_request::{Decision, PublishRequest, RequestState, StepKind};
use crate::stamp::{ReviewStatement, Signed};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, invalid_stamp};
use super::journal::{Journal, Transition};
use super::review::{step, verify_review};

/// Comment of the event when nobody withdrew the request by hand.
const OBJECT_DELETED: &str = "object-deleted";

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &WithdrawRequest) -> Step<Accepted, V> {
    let mut request = context.request(&command.request_id)?;
    let (actor, comment, key_id) = match &command.cause {
        WithdrawCause::ObjectDeleted => (Principal::courier(), Some(OBJECT_DELETED), None),
        WithdrawCause::ByRequester(signed) => {
            check_requester(context, signed, &request)?;
            let comment = signed.statement.comment.as_deref();
            (request.requested_by.clone(), comment, Some(signed.key_id.as_str()))
        }
    };
    match request.state {
        RequestState::PendingReview => {}
        RequestState::Withdrawn => return Ok(unchanged(request)),
        state @ (RequestState::Approved
        | RequestState::Published
        | RequestState::Rejected
        | RequestState::Superseded) => match command.cause {
            // An object may be deleted at any time; what was decided stays.
            WithdrawCause::ObjectDeleted => return Ok(unchanged(request)),
            WithdrawCause::ByRequester(_) => Err(Rejection::RequestNotPending { state })?,
        },
    }
    request.state = RequestState::Withdrawn;
    request.steps.push(step(context, StepKind::Withdrawn, &actor, comment));
    let mut journal = Journal::new(context);
    let mut transition = Transition::new(AuditAction::RequestWithdrawn, &actor, &request.namespace);
    if let Some(key_id) = key_id {
        // Taking back what one has asked for needs no role.
        transition = transition.stamped(key_id, BTreeSet::new());
    }
    journal.record(transition.key(&request.spec.key).request(&request).comment(comment));
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}

fn unchanged(request: PublishRequest) -> Accepted {
    Accepted::unchanged(Outcome::Request(Box::new(request)))
}

fn check_requester<V: StateView>(
    context: &Context<'_, V>,
    signed: &Signed<ReviewStatement>,
    request: &PublishRequest,
) -> Step<(), V> {
    verify_review(context, signed, request, Decision::Withdraw)?;
    let given = signed.statement.user.actor().principal;
    if given != request.requested_by {
        let detail = format!("only {} may withdraw this request, not {given}", request.requested_by);
        Err(invalid_stamp(detail))?;
    }
    if signed.statement.digest != request.digest {
        Err(Rejection::DigestMismatch {
            expected: request.digest,
            given: signed.statement.digest,
        })?;
    }
    Ok(())
}
