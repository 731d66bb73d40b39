//! Counts one person's approval; the last one needed publishes, unless the live version has moved since.

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::entry::Version;
use crate::namespace::{ConfigNamespace, may};
use crate::outcome::{Outcome, Rejection};
use crate::principal::{Actor, Principal};
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, PublishRequest, RequestState, StepKind};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, check_names_no_namespace, invalid, live_digest};
use super::journal::{Journal, Transition};
use super::publish::{NewVersion, publish};
use super::review::{Review, step};
use super::submit_request::{applied_spec, required_approvals};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReviewRequest) -> Step<Accepted, V> {
    let review = Review::of(context, command, Decision::Approve)?;
    if review.is_recorded(StepKind::Approved) {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(review.request))));
    }
    review.check()?;
    check_names_no_namespace(context, &review.request.namespace, &review.request.spec.key)?;
    let live = context.live(&review.request.namespace, &review.request.spec.key)?;
    let key_id = &command.review.key_id;
    if live.as_ref().map_or(0, |version| version.number) != review.request.base_version {
        return Ok(supersede(context, review, key_id, live.as_ref()));
    }
    approve(context, review, key_id, live.as_ref())
}

/// The live version moved: approving what nobody compared with it would lose an update.
fn supersede<V: StateView>(
    context: &Context<'_, V>,
    review: Review<'_>,
    key_id: &str,
    live: Option<&Version>,
) -> Accepted {
    let groups = review.groups();
    let mut request = review.request;
    let base = request.base_version;
    let live = live.map_or(0, |version| version.number);
    let note = format!("the request was made against version {base}, version {live} is live");
    request.state = RequestState::Superseded;
    let reviewer = &review.reviewer.principal;
    request
        .steps
        .push(step(context, StepKind::Superseded, reviewer, Some(&note)));
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestSuperseded, reviewer, &request.namespace);
    journal.record(
        transition
            .stamped(key_id, groups)
            .key(&request.spec.key)
            .request(&request)
            .comment(Some(&note)),
    );
    accept(journal, request)
}

fn approve<V: StateView>(
    context: &Context<'_, V>,
    review: Review<'_>,
    key_id: &str,
    live: Option<&Version>,
) -> Step<Accepted, V> {
    let approval = review.approval(context);
    let mut request = review.request;
    let reviewer = review.reviewer.principal;
    let comment = review.statement.comment.as_deref();
    let groups = approval.groups.clone();
    request.steps.push(approval);
    // The policy at submission and the one now must both be met: the stricter of them is.
    request.required_approvals = request
        .required_approvals
        .max(required_approvals(&review.lineage, &request.requested_by));
    let approvers = eligible_approvers(&request, &review.lineage);
    let enough = approvers.len() >= usize::from(request.required_approvals);
    if enough {
        request.state = RequestState::Approved;
    }
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestApproved, &reviewer, &request.namespace);
    journal.record(
        transition
            .stamped(key_id, groups)
            .key(&request.spec.key)
            .request(&request)
            .comment(comment),
    );
    if enough {
        go_live(context, &mut journal, &mut request, (approvers, live))?;
    }
    Ok(accept(journal, request))
}

/// Whose approvals count by the roles of now, in order: one who has lost the right since has no say any more.
fn eligible_approvers(request: &PublishRequest, lineage: &[ConfigNamespace]) -> Vec<Principal> {
    let approvals = request.steps.iter().filter(|step| step.kind == StepKind::Approved);
    let still_may = approvals.filter(|step| {
        let approver = Actor {
            principal: step.actor.clone(),
            groups: step.groups.clone(),
            ip: None,
        };
        may(lineage, &approver, Action::Review)
    });
    still_may.map(|step| step.actor.clone()).collect()
}

/// Publishes in the name of the last approver.
fn go_live<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    request: &mut PublishRequest,
    (approvers, live): (Vec<Principal>, Option<&Version>),
) -> Step<(), V> {
    let publisher = approvers
        .last()
        .cloned()
        .unwrap_or_else(|| request.requested_by.clone());
    // Submission refuses a put without a value.
    let value = request.spec.value.clone().ok_or_else(|| missing_value(request))?;
    let new = NewVersion {
        namespace: &request.namespace,
        key: &request.spec.key,
        value,
        published_by: &publisher,
        request_id: Some(&request.id),
        approvers,
    };
    let version = publish(context, journal, new)?;
    request.state = RequestState::Published;
    request.published_version = Some(version.number);
    request.steps.push(step(context, StepKind::Published, &publisher, None));
    journal.put(applied_spec(request));
    let change = AuditChange {
        previous_version: live.map(|version| version.number),
        new_version: Some(version.number),
        previous_digest: live_digest(live),
        new_digest: version.digest,
    };
    let transition = Transition::new(AuditAction::ConfigPublished, &publisher, &request.namespace);
    journal.record(transition.key(&request.spec.key).change(change).request(request));
    Ok(())
}

fn missing_value(request: &PublishRequest) -> Rejection {
    invalid("value", format!("publish request {} has none", request.id))
}

fn accept(mut journal: Journal, request: PublishRequest) -> Accepted {
    journal.put(Change::PutRequest(Box::new(request.clone())));
    journal.accept(Outcome::Request(Box::new(request)))
}
