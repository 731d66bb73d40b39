//! Changes what can authenticate a person: another admin of `/` must agree, unless only aliases are added.

use crate::access::Action;
use crate::audit::AuditAction;
use crate::identity::Identity;
use crate::ids::NamespacePath;
use crate::outcome::Outcome;
use crate::proposal::SetIdentity;
use crate::publish_request::GovernanceChange;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, check_may, granting_groups, invalid};
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
    let mut journal = Journal::new(context);
    if !only_adds_aliases(present, &command.identity) {
        let change = GovernanceChange::Identity(command.identity.clone());
        return governing::ask(context, journal, (&caller, &lineage), change);
    }
    let enacted = governing::enact_identity(context, &mut journal, &command.identity)?;
    let groups = granting_groups(&caller.actor, Action::Govern, &lineage);
    let transition = Transition::new(AuditAction::IdentityUpdated, caller.principal(), &root);
    journal.record(transition.by(&caller, groups).change(enacted.change));
    Ok(journal.accept(Outcome::IdentitySet))
}

/// Saying that two logins are one person only ever takes a say away, as long as that person was none before.
fn only_adds_aliases(before: &Identity, after: &Identity) -> bool {
    let kept = before
        .aliases
        .iter()
        .all(|(login, person)| after.aliases.get(login) == Some(person));
    let rest = |identity: &Identity| Identity {
        aliases: std::collections::BTreeMap::new(),
        ..identity.clone()
    };
    kept && rest(before) == rest(after)
}
