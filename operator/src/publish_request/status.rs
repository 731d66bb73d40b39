//! Says in the object's status what the cluster says: never more, and never a review.

use confman_api::internal::{PublishRequest as Recorded, RequestState, Step, StepKind};
use confman_crds::{PublishRequestStatus, RecordedStep};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource as _, ResourceExt as _};

use super::execute::Done;
use super::observe::Observed;
use super::plan::Plan;
use crate::conditions::{self, Wanted};
use crate::context::{Context, Error};
use crate::report;
use crate::seen::SeenRequest;

/// The CRD keeps at most this many steps; a request has at most 16 approvals and a handful of others.
const MAX_STEPS: usize = 64;

/// The status that follows, reviews as they are; none where there is nothing to say.
pub(super) fn status(observed: &Observed, plan: &Plan, done: &Done, now: &Time) -> Option<PublishRequestStatus> {
    let old = observed.object.status.clone().unwrap_or_default();
    let mut next = old.clone();
    let wanted = match (plan, &done.request, &done.refused) {
        (Plan::Nothing, _, _) | (Plan::Submit(_) | Plan::Relay(_), None, None) => return None,
        // A cluster that cannot be asked has not forgotten what it said.
        (Plan::Wait(..), _, _) if old.state.is_some() => return None,
        (Plan::Wait(reason, message), _, _) => conditions::reconciling(reason, message),
        (Plan::Stall(reason, message), _, _) => conditions::stalled(reason, message),
        (Plan::Submit(_) | Plan::Relay(_), None, Some((reason, message))) => conditions::stalled(reason, message),
        (Plan::Submit(_) | Plan::Relay(_), Some(request), _) => {
            mirror(request, &mut next);
            next.refused_reviews.clone_from(&done.refused_reviews);
            conditions_of(request)
        }
    };
    if done.request.is_none() {
        // Somebody else wrote these, or an operator about another object: no cluster says so.
        clear(&mut next);
    }
    let generation = observed.object.meta().generation;
    next.observed_generation = generation;
    next.conditions = conditions::merge(&old.conditions, &wanted, generation, now);
    Some(next)
}

fn clear(status: &mut PublishRequestStatus) {
    *status = PublishRequestStatus {
        reviews: std::mem::take(&mut status.reviews),
        ..PublishRequestStatus::default()
    };
}

fn mirror(request: &Recorded, status: &mut PublishRequestStatus) {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    status.state = Some(request.state.to_string());
    status.digest = Some(request.digest.to_string());
    status.required_approvals = Some(i32::from(request.required_approvals));
    status.counted_approvals = i32::try_from(request.approvers().count()).ok();
    status.published_version = request.published_version.map(number);
    let step = |step: &Step| RecordedStep {
        step: format!("{:?}", step.kind),
        actor: step.actor.to_string(),
        time: step.at.to_string(),
        term: number(step.position.term),
        index: number(step.position.index),
    };
    status.recorded = request.steps.iter().take(MAX_STEPS).map(step).collect();
}

/// Waiting for people is not `Reconciling`: tools that wait for that would time out.
fn conditions_of(request: &Recorded) -> Vec<Wanted> {
    let accepted = |message: String| Wanted::new("Accepted", "True", "Submitted", message);
    let last = request.steps.last();
    let comment = last
        .and_then(|step| step.comment.clone())
        .map(|comment| format!(": {comment}"));
    let ended = |by: &str| {
        let actor = last.map(|step| step.actor.to_string()).unwrap_or_default();
        format!("{by} {actor}{}", comment.unwrap_or_default())
    };
    let mut wanted = match request.state {
        RequestState::PendingReview | RequestState::Approved => {
            let (counted, required) = (request.approvers().count(), request.required_approvals);
            let message = format!("{counted} of {required} approvals; waiting for people who hold publisher or admin");
            return vec![
                accepted("the cluster has it".to_owned()),
                Wanted::new("Approved", "Unknown", "WaitingForReviews", message),
            ];
        }
        RequestState::Published => conditions::ready(published_reason(request), published(request)),
        RequestState::Rejected => conditions::stalled("Rejected", ended("rejected by")),
        RequestState::Withdrawn => conditions::stalled("Withdrawn", ended("withdrawn by")),
        // Manifests that stay in Git are applied again and again: nothing is wrong with the object.
        RequestState::Superseded if request.published_version.is_some() => {
            conditions::ready("AlreadyApplied", already_applied(request))
        }
        RequestState::Superseded => conditions::stalled("Superseded", ended("approved too late by")),
    };
    wanted.push(accepted("the cluster has it".to_owned()));
    wanted
}

fn published_reason(request: &Recorded) -> &'static str {
    let approved = request.steps.iter().any(|step| step.kind == StepKind::Approved);
    if approved { "Published" } else { "AlreadyPublished" }
}

fn published(request: &Recorded) -> String {
    let version = request
        .published_version
        .map(|version| version.to_string())
        .unwrap_or_default();
    let changed = match request.key() {
        Some(key) => request.namespace.join(key),
        None => request.namespace.to_string(),
    };
    format!("{changed} is at version {version}")
}

fn already_applied(request: &Recorded) -> String {
    let version = request.published_version.unwrap_or_default();
    format!(
        "this spec was published before, as version {version}; to ask for it again, make a request under another name"
    )
}

/// Writes it, if it is not there already.
pub(super) async fn write(
    seen: &SeenRequest,
    old: Option<&PublishRequestStatus>,
    status: &PublishRequestStatus,
    context: &Context,
) -> Result<(), Error> {
    let namespace = seen.namespace().unwrap_or_default();
    // The answer of the API server is not parsed further than the watch is: it may be too deep.
    let api = Api::<SeenRequest>::namespaced(context.client.clone(), &namespace);
    report::status(&api, seen, old, status).await
}

/// The status of an object that nobody can read. Always the same one: what is there already cannot be read either, and a
/// status that changes each time would wake the controller each time.
pub(super) fn unreadable(seen: &SeenRequest, why: &str) -> PublishRequestStatus {
    let message = format!("the object cannot be read: {why}. Delete it; admission refuses such objects where it runs");
    let generation = seen.meta().generation;
    let since = seen.meta().creation_timestamp.clone().unwrap_or_else(conditions::now);
    PublishRequestStatus {
        observed_generation: generation,
        conditions: conditions::merge(&[], &conditions::stalled("Unreadable", message), generation, &since),
        ..PublishRequestStatus::default()
    }
}
