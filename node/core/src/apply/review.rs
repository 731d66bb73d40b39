//! What approving, rejecting and publishing share: the facts about a review, and the list of checks on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Action;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::namespace::{Channel, ConfigNamespace};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::principal::Principal;
use crate::proposal::{AuthenticatedReview, Review as Given, ReviewRequest};
use crate::publish_request::{Decision, PublishRequest, RequestState, Step as RequestStep, StepKind, Subject};
use crate::reviewers::{contributed_as, counts_as_human, may_review, persons_of, review_action, told_from_the_others};
use crate::stamp::{ReviewStatement, Signed};
use crate::state::StateView;

use super::caller::{Caller, check_channel, is_managed_from};
use super::context::{Context, Step, Stop, bound, check_length, granting_groups, invalid_stamp};
use super::opening::same_digest;

/// One review of one request, verified to be about it.
pub(super) struct Review<'a> {
    pub(super) request: PublishRequest,
    pub(super) reviewer: Caller,
    /// Digest that the reviewer saw.
    digest: Digest,
    pub(super) comment: Option<&'a str>,
    /// The request's namespace and its ancestors, nearest first.
    pub(super) lineage: Vec<Arc<ConfigNamespace>>,
    /// What tells people from each other.
    identity: &'a Identity,
}

type Check = fn(&Review<'_>) -> Result<(), Rejection>;

/// What must hold before an approval or a rejection counts; the first refusal wins.
const REVIEW_CHECKS: &[Check] = &[
    request_is_open,
    reviewer_is_human,
    reviewer_did_not_contribute,
    reviewer_can_be_told_from_the_others,
    digest_is_the_requests,
    reviewer_may_review,
    channel_is_open,
];

impl<'a> Review<'a> {
    /// Reads the request and verifies that the review is about it and says `decision`.
    pub(super) fn of<V: StateView>(
        context: &'a Context<'_, V>,
        command: &'a ReviewRequest,
        decision: Decision,
    ) -> Step<Self, V> {
        let identity = &context.cluster()?.identity;
        let mut request = context.request(&command.request_id)?;
        if is_planted(Mistake::HandsGoneWithDraft) && lost_its_draft(context, &request)? {
            request.contributors = [request.requested_by.clone()].into();
        }
        let (reviewer, digest, comment) = match &command.review {
            Given::Stamped(signed) => {
                verify_review(context, signed, &request, decision)?;
                let statement = &signed.statement;
                let reviewer = context.stamped(&statement.user, &signed.key_id)?;
                (reviewer, statement.digest, statement.comment.as_deref())
            }
            Given::Authenticated(AuthenticatedReview { actor, digest, comment }) => {
                check_length("comment", comment.as_deref(), ReviewStatement::MAX_COMMENT_BYTES)?;
                let reviewer = context.authenticated(actor, &request.namespace)?;
                (reviewer, *digest, comment.as_deref())
            }
        };
        Ok(Self {
            lineage: context.existing_lineage(&request.namespace)?,
            request,
            reviewer,
            digest,
            comment,
            identity,
        })
    }

    /// Runs the checks.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        REVIEW_CHECKS.iter().try_for_each(|check| check(self))
    }

    /// Refuses a review of other content, whatever else it is.
    pub(super) fn is_of_the_content(&self) -> Result<(), Rejection> {
        digest_is_the_requests(self)
    }

    /// Runs the checks on someone who publishes what others have approved; machines may.
    pub(super) fn check_publisher(&self) -> Result<(), Rejection> {
        match self.request.state {
            RequestState::Approved => {}
            state @ (RequestState::PendingReview
            | RequestState::Published
            | RequestState::Rejected
            | RequestState::Withdrawn
            | RequestState::Superseded) => return Err(Rejection::RequestNotPending { state }),
        }
        digest_is_the_requests(self)?;
        channel_is_open(self)
    }

    /// What a reviewer of this request must be allowed to do.
    pub(super) fn action(&self) -> Action {
        review_action(&self.request)
    }

    /// The groups that gave the right to review.
    pub(super) fn groups(&self) -> BTreeSet<Principal> {
        granting_groups(&self.reviewer.actor, self.action(), &self.lineage)
    }

    /// The step of this review, with the groups that gave the right to it.
    pub(super) fn step<V: StateView>(&self, context: &Context<'_, V>, kind: StepKind) -> RequestStep {
        let reviewer = self.reviewer.principal();
        let login = &self.reviewer.login;
        RequestStep {
            login: (login != reviewer).then(|| login.clone()),
            groups: self.groups(),
            ..step(context, kind, reviewer, self.comment)
        }
    }

    /// True if this person's step of `kind` is recorded.
    pub(super) fn is_recorded(&self, kind: StepKind) -> bool {
        let reviewer = self.reviewer.principal();
        let mut steps = self.request.steps.iter().filter(|step| step.kind == kind);
        steps.any(|step| persons_of(self.identity, step).contains(reviewer))
    }
}

/// True if the draft that was asked for is there no more; only a planted mistake asks.
fn lost_its_draft<V: StateView>(context: &Context<'_, V>, request: &PublishRequest) -> Step<bool, V> {
    let Some(spec) = request.spec().filter(|spec| spec.draft.is_some()) else {
        return Ok(false);
    };
    let draft = context.view.draft(&request.namespace, &spec.key).map_err(Stop::Fault)?;
    Ok(draft.is_none())
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
    bound("publish request", statement.object_uid.as_str(), request.id.as_str())?;
    let Some(object) = &request.object else {
        Err(invalid_stamp("the request has no object".to_owned()))?
    };
    bound("a request by", &statement.requester, &object.requested_by_username)?;
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

/// Open means that people may still say something: also what waits for its publisher.
fn request_is_open(review: &Review<'_>) -> Result<(), Rejection> {
    match review.request.state {
        RequestState::PendingReview | RequestState::Approved => Ok(()),
        RequestState::Rejected if is_planted(Mistake::RejectedRequestApprovedLater) => Ok(()),
        state @ (RequestState::Published
        | RequestState::Rejected
        | RequestState::Withdrawn
        | RequestState::Superseded) => Err(Rejection::RequestNotPending { state }),
    }
}

fn reviewer_is_human(review: &Review<'_>) -> Result<(), Rejection> {
    if counts_as_human(review.identity, &review.reviewer.login) {
        return Ok(());
    }
    Err(Rejection::NotHuman {
        principal: review.reviewer.login.clone(),
    })
}

/// Four eyes: no role and no flag lifts this.
fn reviewer_did_not_contribute(review: &Review<'_>) -> Result<(), Rejection> {
    match contributed_as(&review.request, review.identity, &review.reviewer.login) {
        Some(principal) => Err(Rejection::SelfApproval { principal }),
        None => Ok(()),
    }
}

fn reviewer_can_be_told_from_the_others(review: &Review<'_>) -> Result<(), Rejection> {
    told_from_the_others(&review.request, review.identity, &review.reviewer.login)
        .map_err(|principal| Rejection::UnmappedIdentity { principal })
}

fn digest_is_the_requests(review: &Review<'_>) -> Result<(), Rejection> {
    if is_planted(Mistake::DigestUnchecked) {
        return Ok(());
    }
    same_digest(review.request.digest, review.digest)
}

fn reviewer_may_review(review: &Review<'_>) -> Result<(), Rejection> {
    if may_review(&review.request, &review.lineage, &review.reviewer.actor) {
        return Ok(());
    }
    Err(Rejection::Forbidden {
        principal: review.reviewer.principal().clone(),
        action: review.action(),
        namespace: review.request.namespace.clone(),
    })
}

/// Changes of governance are decided over HTTP also where an object manages the namespace, unless that is closed.
fn channel_is_open(review: &Review<'_>) -> Result<(), Rejection> {
    let is_governance = match review.request.subject {
        Subject::Governance(_) => true,
        Subject::Key(_) => false,
    };
    let from_here = match review.reviewer.channel {
        Channel::Kubernetes => review.request.object.is_some(),
        Channel::Http => is_governance || is_managed_from(&review.lineage, &review.reviewer),
    };
    check_channel(&review.lineage, &review.reviewer, from_here)
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
        login: None,
        groups: BTreeSet::new(),
        at: context.time,
        position: context.at,
        comment: comment.map(str::to_owned),
    }
}
