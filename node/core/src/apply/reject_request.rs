//! One person's rejection ends a request; also that of someone who approved it before.

use crate::audit::AuditAction;
use crate::outcome::Outcome;
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, RequestState, StepKind};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step};
use super::journal::{Journal, Transition};
use super::review::{Review, step};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReviewRequest) -> Step<Accepted, V> {
    let review = Review::of(context, command, Decision::Reject)?;
    if review.is_recorded(StepKind::Rejected) {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(review.request))));
    }
    review.check()?;
    let groups = review.groups();
    let Review {
        mut request,
        statement,
        reviewer,
        lineage: _,
    } = review;
    let comment = statement.comment.as_deref();
    request.state = RequestState::Rejected;
    request
        .steps
        .push(step(context, StepKind::Rejected, &reviewer.principal, comment));
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestRejected, &reviewer.principal, &request.namespace);
    journal.record(
        transition
            .stamped(&command.review.key_id, groups)
            .key(&request.spec.key)
            .request(&request)
            .comment(comment),
    );
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}
