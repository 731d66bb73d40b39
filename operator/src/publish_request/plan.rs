//! From the object and the cluster's view to the commands that are missing. No rule about people is decided here.

use confman_api::internal::{
    Decision, PublishRequest as Recorded, ReviewOf, ReviewRequest, StepKind, SubmitRequest, WithdrawCause,
    WithdrawRequest,
};
use confman_api::principal::Principal;
use confman_crds::{RefusedReview, Review};
use kube::{Resource as _, ResourceExt as _};

use super::observe::{Observed, View};
use crate::translate;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// The object is going away; the sweep finds it gone.
    Nothing,
    /// Another object must change first: reason and message.
    Wait(&'static str, String),
    /// Nobody can do anything with this object: reason and message.
    Stall(&'static str, String),
    /// The cluster does not know it yet.
    Submit(Box<SubmitRequest>),
    /// Each review that the cluster has not recorded.
    Relay(Vec<Relay>),
}

/// What to do about one review.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Relay {
    /// Tell the cluster.
    Review(Review, Box<ReviewRequest>),
    /// Tell the cluster that the requester takes it back.
    Withdraw(Review, Box<WithdrawRequest>),
    /// It was refused, or cannot even be sent.
    Refused(RefusedReview),
}

/// Decides.
pub(super) fn plan(observed: &Observed) -> Plan {
    if observed.object.meta().deletion_timestamp.is_some() {
        return Plan::Nothing;
    }
    match &observed.view {
        View::NotYet(reason, message) => Plan::Wait(reason, message.clone()),
        View::Unknown => submit(observed),
        View::Known(known) => Plan::Relay(relays(observed, known)),
    }
}

fn submit(observed: &Observed) -> Plan {
    let object = &observed.object;
    let stamped = object.spec.requested_by.as_ref().filter(|by| !by.signature.is_empty());
    let Some(requested_by) = stamped else {
        let message = "spec.requestedBy has no stamp: admission did not see who made this request. Check that the admission \
                       service runs, then make the request again under another name";
        return Plan::Stall("NotStamped", message.to_owned());
    };
    let namespace = object.namespace().unwrap_or_default();
    let spec = match translate::request_spec(&object.spec) {
        Ok(spec) => spec,
        Err(error) => return Plan::Stall("InvalidSpec", error.to_string()),
    };
    match translate::requester_stamp(requested_by, &namespace, &object.name_any()) {
        Ok(requester) => Plan::Submit(Box::new(SubmitRequest {
            request_id: observed.id.clone(),
            spec,
            requester,
            verdict: None,
        })),
        Err(error) => Plan::Stall("InvalidStamp", error.to_string()),
    }
}

fn relays(observed: &Observed, known: &Recorded) -> Vec<Relay> {
    let Some(status) = &observed.object.status else {
        return Vec::new();
    };
    let open = status.reviews.iter().filter(|review| !is_recorded(known, review));
    open.map(|review| {
        let told = status
            .refused_reviews
            .iter()
            .find(|refused| refused.reviewer == review.reviewer && refused.decision == review.decision);
        match (observed.refusals.refusal(review), told) {
            (Some(refused), _) => Relay::Refused(refused.clone()),
            // Why it was refused while that mattered says more than that it is too late now.
            (None, Some(told)) if known.state.is_final() => Relay::Refused(told.clone()),
            (None, _) => relay(observed, review),
        }
    })
    .collect()
}

fn is_recorded(known: &Recorded, review: &Review) -> bool {
    let kind = match translate::decision(&review.decision) {
        Ok(Decision::Approve) => StepKind::Approved,
        Ok(Decision::Reject) => StepKind::Rejected,
        Ok(Decision::Withdraw) => StepKind::Withdrawn,
        Ok(Decision::Publish) => StepKind::Published,
        Err(_) => return false,
    };
    let reviewer = Principal::from_kubernetes_username(&review.reviewer);
    known
        .steps
        .iter()
        .any(|step| step.kind == kind && step.actor == reviewer)
}

fn relay(observed: &Observed, review: &Review) -> Relay {
    let refused = |reason: &str, message: String| Relay::Refused(refused(review, reason, &message));
    let Some(stamp) = &review.stamp else {
        let message =
            "the review has no stamp: admission did not see who wrote it. Check that the admission service runs";
        return refused("NotStamped", message.to_owned());
    };
    if stamp.username != review.reviewer {
        let message = format!("the stamp is of {}, the review of {}", stamp.username, review.reviewer);
        return refused("InvalidStamp", message);
    }
    let signed = match translate::signed_review(review, stamp) {
        Ok(signed) => signed,
        Err(error) => return refused("InvalidStamp", error.to_string()),
    };
    let request_id = observed.id.clone();
    match signed.statement.decision {
        Decision::Approve | Decision::Reject | Decision::Publish => {
            let command = ReviewRequest {
                request_id,
                review: ReviewOf::Stamped(Box::new(signed)),
                verdict: None,
            };
            Relay::Review(review.clone(), Box::new(command))
        }
        Decision::Withdraw => {
            let cause = WithdrawCause::ByRequester(Box::new(signed));
            Relay::Withdraw(review.clone(), Box::new(WithdrawRequest { request_id, cause }))
        }
    }
}

/// `review` as refused.
pub(super) fn refused(review: &Review, reason: &str, message: &str) -> RefusedReview {
    RefusedReview {
        reviewer: review.reviewer.clone(),
        decision: review.decision.clone(),
        reason: reason.to_owned(),
        message: crate::context::cut(message, 1024),
    }
}

#[cfg(test)]
mod tests;
