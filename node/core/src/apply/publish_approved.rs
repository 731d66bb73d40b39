//! Publishes what enough people have approved, where the namespace waits for a publisher. Everything is looked at again.

use crate::access::Action;
use crate::outcome::{Outcome, Rejection};
use crate::planted::{Mistake, is_planted};
use crate::proposal::ReviewRequest;
use crate::publish_request::{Decision, StepKind};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, check_may};
use super::decide::{check_base, decide, supersede};
use super::go_live::{GoingLive, go_live};
use super::journal::Journal;
use super::review::Review;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReviewRequest) -> Step<Accepted, V> {
    let review = Review::of(context, command, Decision::Publish)?;
    if review.is_recorded(StepKind::Published) {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(review.request))));
    }
    review.check_publisher()?;
    if !is_planted(Mistake::AnyonePublishes) {
        check_may(
            &review.reviewer.actor,
            Action::Publish,
            &review.lineage,
            &review.request.namespace,
        )?;
    }
    if let Some(note) = check_base(context, &review.request)? {
        return Ok(supersede(context, review, &note));
    }
    let Review {
        mut request,
        reviewer,
        lineage,
        ..
    } = review;
    let approvals = decide(context, &mut request, &lineage)?.approvals;
    if !approvals.are_enough() && !is_planted(Mistake::PublisherCountsNothing) {
        Err(Rejection::NotEnoughApprovals {
            counted: u8::try_from(approvals.approvers.len()).unwrap_or(u8::MAX),
            required: approvals.required,
        })?;
    }
    let mut journal = Journal::new(context);
    go_live(
        context,
        &mut journal,
        GoingLive {
            request: &mut request,
            lineage: &lineage,
            publisher: reviewer.principal(),
            approvers: approvals.approvers,
            verdict: command.verdict.as_ref(),
        },
    )?;
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}
