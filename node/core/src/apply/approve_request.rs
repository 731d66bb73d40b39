//! Counts one person's approval; the last one needed publishes, unless a publisher is waited for or the base has moved.

use crate::audit::AuditAction;
use crate::outcome::Outcome;
use crate::planted::{Mistake, is_planted};
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, RequestState, StepKind};
use crate::state::{Change, StateView};
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::context::{Context, Step};
use super::decide::{Decided, check_base, decide, supersede};
use super::journal::{Journal, Transition};
use super::review::Review;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReviewRequest) -> Step<Accepted, V> {
    let review = Review::of(context, command, Decision::Approve)?;
    review.is_of_the_content()?;
    if review.is_recorded(StepKind::Approved) && !is_planted(Mistake::ApproveTwiceCountsTwice) {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(review.request))));
    }
    review.check()?;
    if let Some(note) = check_base(context, &review.request)? {
        return Ok(supersede(context, review, &note));
    }
    let approval = review.step(context, StepKind::Approved);
    let groups = approval.groups.clone();
    let Review {
        mut request,
        reviewer,
        comment,
        lineage,
        ..
    } = review;
    request.steps.push(approval);
    let Decided {
        approvals,
        waits_for_publisher,
    } = decide(context, &mut request, &lineage)?;
    request.state = if approvals.are_enough() {
        RequestState::Approved
    } else {
        RequestState::PendingReview
    };
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestApproved, reviewer.principal(), &request.namespace);
    journal.record(transition.by(&reviewer, groups).of_request(&request).comment(comment));
    journal.tell(context, &lineage, WebhookEvent::Approved)?;
    if approvals.are_enough() && !waits_for_publisher {
        let publisher = approvals.approvers.last().unwrap_or(&request.requested_by).clone();
        super::go_live::go_live(
            context,
            &mut journal,
            super::go_live::GoingLive {
                request: &mut request,
                lineage: &lineage,
                publisher: &publisher,
                approvers: approvals.approvers,
                verdict: command.verdict.as_ref(),
            },
        )?;
    }
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}
