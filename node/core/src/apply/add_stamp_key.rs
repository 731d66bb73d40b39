//! Adds a stamp key by the agreement of two admins of `/`, who log in to the nodes themselves: the way back where no key is
//! left that could vouch for the next, or where the one there is cannot be trusted.

use crate::access::Action;
use crate::cluster::StampKey;
use crate::ids::NamespacePath;
use crate::outcome::Outcome;
use crate::proposal::AddStampKey;
use crate::publish_request::GovernanceChange;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, Stop, check_may, invalid};
use super::governing;
use super::journal::Journal;
use super::register_stamp_key::check_key;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &AddStampKey) -> Step<Accepted, V> {
    let root = NamespacePath::root();
    let caller = context.authenticated(&command.actor, &root)?;
    let lineage = context.lineage(&root)?;
    check_may(&caller.actor, Action::Govern, &lineage, &root)?;
    if is_known(context, &command.key)? {
        let key_id = command.key.key_id.clone();
        return Ok(Accepted::unchanged(Outcome::StampKeyRegistered { key_id }));
    }
    let change = GovernanceChange::StampKey(command.key.clone());
    governing::ask(context, Journal::new(context), (&caller, &lineage), change)
}

/// True if this very key is there. Refuses one that could not be added, and another of the same name.
pub(super) fn is_known<V: StateView>(context: &Context<'_, V>, key: &StampKey) -> Step<bool, V> {
    check_key(key, context.time)?;
    match context.view.stamp_key(&key.key_id).map_err(Stop::Fault)? {
        None => Ok(false),
        Some(known) if known == *key => Ok(true),
        Some(_) => Err(invalid("keyId", format!("{} is taken by another key", key.key_id)))?,
    }
}
