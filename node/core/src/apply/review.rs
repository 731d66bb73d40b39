//! What approving and rejecting share: the facts about a review, and the list of checks on them.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::namespace::ConfigNamespace;
use crate::outcome::Rejection;
use crate::principal::{Actor, Principal};
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, PublishRequest, RequestState, Step as RequestStep, StepKind};
use crate::stamp::{ReviewStatement, Signed};
use crate::state::StateView;

use super::context::{Context, Step, bound, check_length, check_may, check_user, granting_groups};

/// One stamped review of one request, verified to be about it.
pub(super) struct Review<'a> {
    pub(super) request: PublishRequest,
    pub(super) statement: &'a ReviewStatement,
    pub(super) reviewer: Actor,
    /// The request's namespace and its ancestors, nearest first.
    pub(super) lineage: Vec<ConfigNamespace>,
}

type Check = fn(&Review<'_>) -> Result<(), Rejection>;

/// What must hold before a review counts; the first refusal wins.
const REVIEW_CHECKS: &[Check] = &[
    request_is_pending,
    reviewer_is_human,
    reviewer_did_not_contribute,
    digest_is_the_requests,
    reviewer_may_review,
];

impl<'a> Review<'a> {
    /// Reads the request and verifies that the stamp holds, is about this request, and says `decision`.
    pub(super) fn of<V: StateView>(
        context: &Context<'_, V>,
        command: &'a ReviewRequest,
        decision: Decision,
    ) -> Step<Self, V> {
        let request = context.request(&command.request_id)?;
        verify_review(context, &command.review, &request, decision)?;
        let statement = &command.review.statement;
        Ok(Self {
            lineage: context.lineage(&request.namespace)?,
            request,
            statement,
            reviewer: statement.user.actor(),
        })
    }

    /// Runs the checks.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        REVIEW_CHECKS.iter().try_for_each(|check| check(self))
    }

    /// The groups that gave the right to review.
    pub(super) fn groups(&self) -> BTreeSet<Principal> {
        granting_groups(&self.reviewer, Action::Review, &self.lineage)
    }

    /// The step that counts this approval, with the groups that gave the right to it.
    pub(super) fn approval<V: StateView>(&self, context: &Context<'_, V>) -> RequestStep {
        let comment = self.statement.comment.as_deref();
        RequestStep {
            groups: self.groups(),
            ..step(context, StepKind::Approved, &self.reviewer.principal, comment)
        }
    }

    /// True if this person's step of `kind` is recorded.
    pub(super) fn is_recorded(&self, kind: StepKind) -> bool {
        let reviewer = &self.reviewer.principal;
        let same = |step: &RequestStep| step.kind == kind && step.actor == *reviewer;
        self.request.steps.iter().any(same)
    }
}

/// Verifies that `signed` holds, is about `request`, and says `decision`.
pub(super) fn verify_review<V: StateView>(
    context: &Context<'_, V>,
    signed: &Signed<ReviewStatement>,
    request: &PublishRequest,
    decision: Decision,
) -> Step<(), V> {
    context.verify(signed, |statement| &statement.cluster_id)?;
    let statement = &signed.statement;
    check_user(&statement.user)?;
    bound("publish request", statement.object_uid.as_str(), request.id.as_str())?;
    bound("a request by", &statement.requester, &request.requested_by_username)?;
    check_length(
        "comment",
        statement.comment.as_deref(),
        ReviewStatement::MAX_COMMENT_BYTES,
    )?;
    if statement.decision != decision {
        let decision = statement.decision.to_string();
        Err(Rejection::WrongDecision { decision })?;
    }
    Ok(())
}

fn request_is_pending(review: &Review<'_>) -> Result<(), Rejection> {
    match review.request.state {
        RequestState::PendingReview => Ok(()),
        state @ (RequestState::Approved
        | RequestState::Published
        | RequestState::Rejected
        | RequestState::Withdrawn
        | RequestState::Superseded) => Err(Rejection::RequestNotPending { state }),
    }
}

fn reviewer_is_human(review: &Review<'_>) -> Result<(), Rejection> {
    if review.reviewer.principal.is_human() {
        return Ok(());
    }
    Err(Rejection::NotHuman {
        principal: review.reviewer.principal.clone(),
    })
}

/// Four eyes: no role and no flag lifts this.
fn reviewer_did_not_contribute(review: &Review<'_>) -> Result<(), Rejection> {
    let principal = &review.reviewer.principal;
    if review.request.contributors().contains(principal) {
        return Err(Rejection::SelfApproval {
            principal: principal.clone(),
        });
    }
    Ok(())
}

fn digest_is_the_requests(review: &Review<'_>) -> Result<(), Rejection> {
    let (expected, given) = (review.request.digest, review.statement.digest);
    if expected == given {
        return Ok(());
    }
    Err(Rejection::DigestMismatch { expected, given })
}

fn reviewer_may_review(review: &Review<'_>) -> Result<(), Rejection> {
    check_may(
        &review.reviewer,
        Action::Review,
        &review.lineage,
        &review.request.namespace,
    )
}

/// One step of a request, taken at this log entry.
pub(super) fn step<V: StateView>(
    context: &Context<'_, V>,
    kind: StepKind,
    actor: &Principal,
    comment: Option<&str>,
) -> RequestStep {
    RequestStep {
        kind,
        actor: actor.clone(),
        groups: BTreeSet::new(),
        at: context.time,
        position: context.at,
        comment: comment.map(str::to_owned),
    }
}
