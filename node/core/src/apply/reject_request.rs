//! One person's rejection ends a request; also that of someone who approved it before.

use crate::audit::AuditAction;
use crate::outcome::Outcome;
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, RequestState, StepKind};
use crate::state::{Change, StateView};
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::context::{Context, Step};
use super::journal::{Journal, Transition};
use super::review::Review;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReviewRequest) -> Step<Accepted, V> {
    let review = Review::of(context, command, Decision::Reject)?;
    if review.is_recorded(StepKind::Rejected) {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(review.request))));
    }
    review.check()?;
    let rejection = review.step(context, StepKind::Rejected);
    let groups = rejection.groups.clone();
    let Review {
        mut request,
        reviewer,
        comment,
        lineage,
        ..
    } = review;
    request.state = RequestState::Rejected;
    request.steps.push(rejection);
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestRejected, reviewer.principal(), &request.namespace);
    journal.record(transition.by(&reviewer, groups).of_request(&request).comment(comment));
    journal.tell(context, &lineage, WebhookEvent::Rejected)?;
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}
