//! Whether enough people have agreed, by the policy and the roles of now, and whether what they agreed to still fits.

use crate::audit::AuditAction;
use crate::namespace::{each, effective_workflow};
use crate::outcome::Outcome;
use crate::planted::{Mistake, is_planted};
use crate::publish_request::{PublishRequest, RequestState, StepKind, Subject};
use crate::reviewers::{Approvals, approvals};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Lineage, Step, check_names_no_namespace};
use super::governance_base::content_digest;
use super::journal::{Journal, Transition};
use super::review::{Review, step};

/// What the approvals of a request come to.
pub(super) struct Decided {
    /// Those that count.
    pub(super) approvals: Approvals,
    /// True if enough is not the end of it.
    pub(super) waits_for_publisher: bool,
}

/// Counts the approvals of `request`. The policy at submission and the one now must both be met: the stricter is kept.
pub(super) fn decide<V: StateView>(
    context: &Context<'_, V>,
    request: &mut PublishRequest,
    lineage: &Lineage,
) -> Step<Decided, V> {
    let approvals = approvals(request, lineage, &context.cluster()?.identity);
    request.required_approvals = approvals.required;
    let waits_for_publisher = match request.subject {
        Subject::Key(_) if is_planted(Mistake::ManualIgnored) => false,
        Subject::Key(_) => {
            let waited = request.waits_for_publisher && !is_planted(Mistake::ManualForgotten);
            waited || effective_workflow(each(lineage)).waits_for_publisher()
        }
        Subject::Governance(_) => false,
    };
    Ok(Decided {
        approvals,
        waits_for_publisher,
    })
}

/// Why the request does not fit any more; none while its base is what it was.
pub(super) fn check_base<V: StateView>(context: &Context<'_, V>, request: &PublishRequest) -> Step<Option<String>, V> {
    if is_planted(Mistake::BaseVersionUnchecked) {
        return Ok(None);
    }
    let base = request.base_version;
    match &request.subject {
        Subject::Key(spec) => {
            check_names_no_namespace(context, &request.namespace, &spec.key)?;
            let last = context.last_version(&request.namespace, &spec.key)?;
            let moved = last != base;
            Ok(moved
                .then(|| format!("the request was made against version {base}, the last one now is version {last}")))
        }
        Subject::Governance(change) => {
            let namespace = context.namespace(&request.namespace)?;
            let revision = namespace.map_or(0, |namespace| namespace.revision);
            if revision != base {
                let note = format!("the request was made against revision {base}, the namespace is at {revision}");
                return Ok(Some(note));
            }
            let now = content_digest(context, &request.namespace, change, base)?;
            let moved = now != request.digest;
            Ok(moved.then(|| "what the request changes was changed since".to_owned()))
        }
    }
}

/// The base moved: approving what nobody compared with it would lose an update.
pub(super) fn supersede<V: StateView>(context: &Context<'_, V>, review: Review<'_>, note: &str) -> Accepted {
    let groups = review.groups();
    let Review {
        mut request, reviewer, ..
    } = review;
    request.state = RequestState::Superseded;
    request
        .steps
        .push(step(context, StepKind::Superseded, reviewer.principal(), Some(note)));
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::RequestSuperseded, reviewer.principal(), &request.namespace);
    journal.record(
        transition
            .by(&reviewer, groups)
            .of_request(&request)
            .comment(Some(note)),
    );
    journal.put(Change::PutRequest(Box::new(request.clone())));
    journal.accept(Outcome::Request(Box::new(request)))
}
