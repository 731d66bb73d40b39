//! What approving, rejecting and publishing share: the facts about a review, and the list of checks on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Action;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::namespace::{Channel, ConfigNamespace};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::principal::{Principal, PrincipalKind};
use crate::proposal::{AuthenticatedReview, Review as Given, ReviewRequest};
use crate::publish_request::{
    Decision, Operation, PublishRequest, RequestState, Step as RequestStep, StepKind, Subject,
};
use crate::stamp::{ReviewStatement, Signed};
use crate::state::StateView;

use super::caller::{Caller, check_channel, is_managed_from, persons};
use super::context::{Context, Step, bound, check_length, check_may, granting_groups, invalid_stamp};
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
    /// Everyone who had a hand in the change, under their names of now.
    contributors: BTreeSet<Principal>,
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
        let request = context.request(&command.request_id)?;
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
            contributors: persons(context, contributors(&request)),
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

/// Who took a step, by what is known now of the login and of the person that it was known for then: one, or else two of
/// whom neither is to be taken for another.
pub(super) fn persons_of(identity: &Identity, step: &RequestStep) -> BTreeSet<Principal> {
    let login_is_forgotten = is_planted(Mistake::LoginForgotten);
    let names = step.names().filter(|name| !login_is_forgotten || **name == step.actor);
    names.map(|name| identity.canonical(name)).collect()
}

/// The right that a review of `request` needs.
pub(super) fn review_action(request: &PublishRequest) -> Action {
    match request.operation() {
        Operation::Put | Operation::Delete | Operation::Rollback => Action::Review,
        Operation::Govern => Action::Govern,
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

/// Everyone who may not approve `request`.
pub(super) fn contributors(request: &PublishRequest) -> impl Iterator<Item = &Principal> {
    let only_the_requester = is_planted(Mistake::ContributorMayApprove);
    let all = request.contributors.iter();
    all.filter(move |contributor| !only_the_requester || **contributor == request.requested_by)
}

/// True if `login` is one of a person.
pub(super) fn counts_as_human(identity: &Identity, login: &Principal) -> bool {
    let as_if = is_planted(Mistake::ServiceAccountCounts) && login.kind == PrincipalKind::ServiceAccount;
    identity.is_human(login) || as_if
}

/// Four eyes: no role and no flag lifts this. The login counts as well as the person, so that an alias that was taken
/// away since opens no door.
fn reviewer_did_not_contribute(review: &Review<'_>) -> Result<(), Rejection> {
    let names = [review.reviewer.principal(), &review.reviewer.login];
    let contributed = names
        .into_iter()
        .find(|name| review.contributors.contains(name) || contributors(&review.request).any(|other| other == *name));
    match contributed {
        Some(principal) => Err(Rejection::SelfApproval {
            principal: principal.clone(),
        }),
        None => Ok(()),
    }
}

fn reviewer_can_be_told_from_the_others(review: &Review<'_>) -> Result<(), Rejection> {
    let approvers = review.request.approvals().flat_map(RequestStep::names);
    let others = review.request.contributors.iter().chain(approvers);
    let everyone: Vec<_> = others.chain([&review.reviewer.login]).collect();
    review
        .identity
        .comparable(&everyone)
        .map_err(|principal| Rejection::UnmappedIdentity { principal })
}

fn digest_is_the_requests(review: &Review<'_>) -> Result<(), Rejection> {
    if is_planted(Mistake::DigestUnchecked) {
        return Ok(());
    }
    same_digest(review.request.digest, review.digest)
}

/// The admins of the namespace above have a say in the governance of a namespace, too.
fn reviewer_may_review(review: &Review<'_>) -> Result<(), Rejection> {
    let at = &review.request.namespace;
    let own = check_may(&review.reviewer.actor, review.action(), &review.lineage, at);
    match (&review.request.subject, review.lineage.get(1..)) {
        (Subject::Governance(_), Some(above)) if !above.is_empty() => {
            own.or_else(|refusal| check_may(&review.reviewer.actor, Action::Govern, above, at).map_err(|_| refusal))
        }
        (Subject::Governance(_) | Subject::Key(_), _) => own,
    }
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
