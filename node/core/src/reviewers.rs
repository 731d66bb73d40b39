//! Who may agree to a request, whose agreement counts, and how much of it is needed: by the policy and the roles of now.
//!
//! A lineage is the namespace of the request and its existing ancestors, nearest first, ending with `/`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Action;
use crate::identity::Identity;
use crate::namespace::{ConfigNamespace, each, effective_workflow, may};
use crate::planted::{Mistake, is_planted};
use crate::principal::{Actor, Principal, PrincipalKind};
use crate::publish_request::{Operation, PublishRequest, RequestState, Step, Subject};

/// What the approvals of a request come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// Whose approvals count, in order, each person once.
    pub approvers: Vec<Principal>,
    /// How many are needed.
    pub required: u8,
    /// True if those who must have a say all have; only governance asks for particular people.
    pub has_all_sides: bool,
}

impl Approvals {
    /// True if nobody else has to agree.
    pub fn are_enough(&self) -> bool {
        self.has_all_sides && self.approvers.len() >= usize::from(self.required)
    }
}

/// The right that a review of `request` needs.
pub fn review_action(request: &PublishRequest) -> Action {
    match request.operation() {
        Operation::Put | Operation::Delete | Operation::Rollback => Action::Review,
        Operation::Govern => Action::Govern,
    }
}

/// What the policy in force asks for; one more when no named human asked, so that a robot never stands in for one.
pub fn required_approvals(lineage: &[Arc<ConfigNamespace>], identity: &Identity, requested_by: &Principal) -> u8 {
    let is_human = identity.is_human(requested_by);
    effective_workflow(each(lineage)).min_approvers + u8::from(!is_human)
}

/// Counts the approvals of `request`. The policy at submission and the one now must both be met: the stricter is asked
/// for. Of governance: an admin of the namespace and one of its parent, who may be one person; of `/`, another admin.
pub fn approvals(request: &PublishRequest, lineage: &[Arc<ConfigNamespace>], identity: &Identity) -> Approvals {
    let counted = |has_right: &dyn Fn(&Actor) -> bool| counted(request, identity, has_right);
    let approvers = counted(&|actor| may_review(request, lineage, actor));
    match request.subject {
        Subject::Key(_) => {
            let now = required_approvals(lineage, identity, &request.requested_by);
            let by_one = is_planted(Mistake::DeletionByOne) && request.operation() == Operation::Delete;
            let required = if by_one { 1 } else { request.required_approvals.max(now) };
            Approvals {
                approvers,
                required,
                has_all_sides: true,
            }
        }
        Subject::Governance(_) => {
            let above = above(lineage).unwrap_or(lineage);
            let of_namespace = counted(&|actor| may(each(lineage), actor, Action::Govern));
            let of_parent = counted(&|actor| may(each(above), actor, Action::Govern));
            Approvals {
                approvers,
                required: request.required_approvals,
                has_all_sides: !of_namespace.is_empty() && !of_parent.is_empty(),
            }
        }
    }
}

/// Every role subject that may review `request`: people, and groups, since nobody here knows who is in one. Machines and
/// those who had a hand in the change are left out.
pub fn eligible_subjects(
    request: &PublishRequest,
    lineage: &[Arc<ConfigNamespace>],
    identity: &Identity,
) -> BTreeSet<Principal> {
    let is_possible = |subject: &Principal| match subject.kind {
        PrincipalKind::User => identity.is_human(subject) && contributed_as(request, identity, subject).is_none(),
        PrincipalKind::Group => true,
        PrincipalKind::ServiceAccount | PrincipalKind::ApiKey => false,
    };
    let assigned = lineage
        .iter()
        .flat_map(|namespace| namespace.settings.governance.roles.values().flatten());
    let subjects: BTreeSet<&Principal> = assigned.collect();
    subjects
        .into_iter()
        .filter(|subject| is_possible(subject))
        .filter(|subject| may_review(request, lineage, &Actor::new((*subject).clone())))
        .cloned()
        .collect()
}

/// True if `request` waits for something that `login` can do: approve it, or publish what others have approved.
pub fn waits_for(
    request: &PublishRequest,
    lineage: &[Arc<ConfigNamespace>],
    identity: &Identity,
    login: &Actor,
) -> bool {
    let actor = identity.canonical_actor(login);
    match request.state {
        RequestState::PendingReview => {
            let has_approved = request
                .approvals()
                .any(|approval| persons_of(identity, approval).contains(&actor.principal));
            counts_as_human(identity, &login.principal)
                && contributed_as(request, identity, &login.principal).is_none()
                && !has_approved
                && told_from_the_others(request, identity, &login.principal).is_ok()
                && may_review(request, lineage, &actor)
        }
        RequestState::Approved => may(each(lineage), &actor, Action::Publish),
        RequestState::Published | RequestState::Rejected | RequestState::Withdrawn | RequestState::Superseded => false,
    }
}

/// The right to review: of governance, the admins of the namespace above have it too.
pub(crate) fn may_review(request: &PublishRequest, lineage: &[Arc<ConfigNamespace>], actor: &Actor) -> bool {
    let own = may(each(lineage), actor, review_action(request));
    match &request.subject {
        Subject::Key(_) => own,
        Subject::Governance(_) => own || above(lineage).is_some_and(|above| may(each(above), actor, Action::Govern)),
    }
}

/// Everyone who may not approve `request`.
fn contributors(request: &PublishRequest) -> impl Iterator<Item = &Principal> {
    let only_the_requester = is_planted(Mistake::ContributorMayApprove);
    let all = request.contributors.iter();
    all.filter(move |contributor| !only_the_requester || **contributor == request.requested_by)
}

/// The same people under the names of now.
fn persons(request: &PublishRequest, identity: &Identity) -> BTreeSet<Principal> {
    contributors(request).map(|login| identity.canonical(login)).collect()
}

/// True if `login` is one of a person.
pub(crate) fn counts_as_human(identity: &Identity, login: &Principal) -> bool {
    let as_if = is_planted(Mistake::ServiceAccountCounts) && login.kind == PrincipalKind::ServiceAccount;
    identity.is_human(login) || as_if
}

/// The name under which `login` had a hand in `request`, if so. The login counts as well as the person, so that an alias
/// that was taken away since opens no door.
pub(crate) fn contributed_as(request: &PublishRequest, identity: &Identity, login: &Principal) -> Option<Principal> {
    let persons = persons(request, identity);
    let names = [identity.canonical(login), login.clone()];
    names
        .into_iter()
        .find(|name| persons.contains(name) || contributors(request).any(|other| other == name))
}

/// Refuses a login of which it cannot be told that it is none of those who had a say: the one that nothing is known of.
pub(crate) fn told_from_the_others(
    request: &PublishRequest,
    identity: &Identity,
    login: &Principal,
) -> Result<(), Principal> {
    let approvers = request.approvals().flat_map(Step::names);
    let others = request.contributors.iter().chain(approvers);
    let everyone: Vec<_> = others.chain([login]).collect();
    identity.comparable(&everyone)
}

/// Who took a step, by what is known now of the login and of the person that it was known for then: one, or else two of
/// whom neither is to be taken for another.
pub(crate) fn persons_of(identity: &Identity, step: &Step) -> BTreeSet<Principal> {
    let login_is_forgotten = is_planted(Mistake::LoginForgotten);
    let names = step.names().filter(|name| !login_is_forgotten || **name == step.actor);
    names.map(|name| identity.canonical(name)).collect()
}

/// Whose approvals count by what holds now, in order: one who has lost the right since, who turned out to be someone who
/// had a hand in the change, or the same person again, has no say. Where a login is known for another person now than
/// then, all of that must hold for both.
fn counted(request: &PublishRequest, identity: &Identity, has_right: &dyn Fn(&Actor) -> bool) -> Vec<Principal> {
    let contributors = persons(request, identity);
    let counts = |approval: &Step, person: &Principal| {
        counts_as_human(identity, person)
            && !contributors.contains(person)
            && is_told_apart(request, identity, person)
            && has_right(&actor_of(approval, person))
    };
    let mut seen = BTreeSet::new();
    let mut approvers = Vec::new();
    for approval in request.approvals() {
        let persons = persons_of(identity, approval);
        if !persons.iter().all(|person| counts(approval, person)) {
            continue;
        }
        if seen.is_disjoint(&persons) || is_planted(Mistake::ApproveTwiceCountsTwice) {
            approvers.push(identity.canonical(&approval.actor));
        }
        seen.extend(persons);
    }
    approvers
}

/// An approval counts only while the person and those who had a hand in the change are known to be different people.
fn is_told_apart(request: &PublishRequest, identity: &Identity, person: &Principal) -> bool {
    let everyone: Vec<_> = request.contributors.iter().chain([person]).collect();
    identity.comparable(&everyone).is_ok()
}

fn actor_of(approval: &Step, person: &Principal) -> Actor {
    Actor {
        principal: person.clone(),
        groups: approval.groups.clone(),
        ip: None,
    }
}

/// The namespaces above the first; none for `/`.
fn above(lineage: &[Arc<ConfigNamespace>]) -> Option<&[Arc<ConfigNamespace>]> {
    lineage.get(1..).filter(|above| !above.is_empty())
}
