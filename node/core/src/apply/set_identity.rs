//! Changes what can authenticate a person: another admin of `/` must agree, whatever it is. A new alias takes a say away from
//! a login that was a person of its own, but it also gives the login every right of the person behind it.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::ids::NamespacePath;
use crate::outcome::Outcome;
use crate::planted::{Mistake, is_planted};
use crate::proposal::SetIdentity;
use crate::publish_request::GovernanceChange;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, check_may, invalid};
use super::enact;
use super::governing;
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &SetIdentity) -> Step<Accepted, V> {
    let root = NamespacePath::root();
    let caller = context.authenticated(&command.actor, &root)?;
    command
        .identity
        .validate()
        .map_err(|error| invalid("identity", error.to_string()))?;
    let lineage = context.lineage(&root)?;
    check_may(&caller.actor, Action::Govern, &lineage, &root)?;
    let present = &context.cluster()?.identity;
    if *present == command.identity {
        return Ok(Accepted::unchanged(Outcome::IdentitySet));
    }
    if is_planted(Mistake::AliasByOneAdmin) {
        let mut journal = Journal::new(context);
        let enacted = enact::identity(context, &mut journal, &command.identity)?;
        let transition = Transition::new(enacted.action, caller.principal(), &root);
        journal.record(transition.by(&caller, BTreeSet::new()).change(enacted.change));
        return Ok(journal.accept(Outcome::IdentitySet));
    }
    let change = GovernanceChange::Identity(command.identity.clone());
    governing::ask(context, Journal::new(context), (&caller, &lineage), change)
}
