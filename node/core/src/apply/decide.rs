//! Whether enough people have agreed, by the policy and the roles of now, and whether what they agreed to still fits.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::audit::AuditAction;
use crate::identity::Identity;
use crate::namespace::{effective_workflow, may};
use crate::outcome::Outcome;
use crate::planted::{Mistake, is_planted};
use crate::principal::{Actor, Principal};
use crate::publish_request::{PublishRequest, RequestState, Step as RequestStep, StepKind, Subject};
use crate::state::{Change, StateView};

use super::Accepted;
use super::caller::persons;
use super::context::{Context, Lineage, Step, check_names_no_namespace, each};
use super::governance_base::content_digest;
use super::journal::{Journal, Transition};
use super::opening::required_approvals;
use super::review::{Review, contributors, counts_as_human, persons_of, step};

/// What the approvals of a request come to.
pub(super) struct Decided {
    /// Whose approvals count, in order, each person once.
    pub(super) approvers: Vec<Principal>,
    /// How many are needed.
    pub(super) required: u8,
    /// True if those who must have a say all have; only governance asks for particular people.
    has_all_sides: bool,
    /// True if enough is not the end of it.
    pub(super) waits_for_publisher: bool,
}

impl Decided {
    pub(super) fn is_enough(&self) -> bool {
        self.has_all_sides && self.approvers.len() >= usize::from(self.required)
    }

    pub(super) fn last_approver(&self) -> Option<&Principal> {
        self.approvers.last()
    }
}

/// Counts the approvals of `request`. The policy at submission and the one now must both be met: the stricter is kept.
pub(super) fn decide<V: StateView>(
    context: &Context<'_, V>,
    request: &mut PublishRequest,
    lineage: &Lineage,
) -> Step<Decided, V> {
    match request.subject {
        Subject::Key(_) => {
            let now = required_approvals(context, lineage, &request.requested_by)?;
            request.required_approvals = request.required_approvals.max(now);
            let approvers = eligible(context, request, |actor| may(each(lineage), actor, Action::Review));
            Ok(Decided {
                approvers,
                required: request.required_approvals,
                has_all_sides: true,
                waits_for_publisher: effective_workflow(each(lineage)).waits_for_publisher(),
            })
        }
        Subject::Governance(_) => Ok(decide_governance(context, request, lineage)),
    }
}

/// An admin of the namespace and one of its parent, who may be one person; of `/`, another admin of it.
fn decide_governance<V: StateView>(context: &Context<'_, V>, request: &PublishRequest, lineage: &Lineage) -> Decided {
    let above = match lineage.get(1..) {
        Some(above) if !above.is_empty() => above,
        Some(_) | None => lineage,
    };
    let of_namespace = eligible(context, request, |actor| may(each(lineage), actor, Action::Govern));
    let of_parent = eligible(context, request, |actor| may(each(above), actor, Action::Govern));
    let has_all_sides = !of_namespace.is_empty() && !of_parent.is_empty();
    let approvers = eligible(context, request, |actor| {
        may(each(lineage), actor, Action::Govern) || may(each(above), actor, Action::Govern)
    });
    Decided {
        approvers,
        required: request.required_approvals,
        has_all_sides,
        waits_for_publisher: false,
    }
}

/// Whose approvals count by what holds now, in order: one who has lost the right since, who turned out to be someone who
/// had a hand in the change, or the same person again, has no say. Where a login is known for another person now than
/// then, all of that must hold for both.
fn eligible<V: StateView>(
    context: &Context<'_, V>,
    request: &PublishRequest,
    has_right: impl Fn(&Actor) -> bool,
) -> Vec<Principal> {
    let Some(cluster) = context.known_cluster() else {
        return Vec::new();
    };
    let contributors = persons(context, contributors(request));
    let identity = &cluster.identity;
    let counts = |approval: &RequestStep, person: &Principal| {
        counts_as_human(identity, person)
            && !contributors.contains(person)
            && is_told_apart(identity, request, person)
            && has_right(&actor_of(approval, person))
    };
    let mut counted = BTreeSet::new();
    let mut approvers = Vec::new();
    for approval in request.approvals() {
        let persons = persons_of(identity, approval);
        if !persons.iter().all(|person| counts(approval, person)) {
            continue;
        }
        if counted.is_disjoint(&persons) || is_planted(Mistake::ApproveTwiceCountsTwice) {
            approvers.push(identity.canonical(&approval.actor));
        }
        counted.extend(persons);
    }
    approvers
}

/// An approval counts only while the person and those who had a hand in the change are known to be different people.
fn is_told_apart(identity: &Identity, request: &PublishRequest, person: &Principal) -> bool {
    let everyone: Vec<_> = request.contributors.iter().chain([person]).collect();
    identity.comparable(&everyone).is_ok()
}

fn actor_of(approval: &RequestStep, person: &Principal) -> Actor {
    Actor {
        principal: person.clone(),
        groups: approval.groups.clone(),
        ip: None,
    }
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
            let live = context.live(&request.namespace, &spec.key)?;
            let live = live.map_or(0, |version| version.number);
            let moved = live != base;
            Ok(moved.then(|| format!("the request was made against version {base}, version {live} is live")))
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
