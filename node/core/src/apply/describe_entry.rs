//! Says something about a key beside its value; what clears `final` or a pin is decided by others.

use crate::access::Action;
use crate::audit::AuditAction;
use crate::entry::{ConfigEntry, EntryMeta};
use crate::outcome::{Outcome, Rejection};
use crate::planted::{Mistake, is_planted};
use crate::proposal::DescribeEntry;
use crate::publish_request::GovernanceChange;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, check_length, check_may, granting_groups, invalid};
use super::enact;
use super::governing;
use super::journal::{Journal, Transition};
use super::opening::retained;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DescribeEntry) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    check_meta(&command.meta)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::Govern, &lineage, &command.namespace)?;
    let entry = context.entry(&command.namespace, &command.key)?;
    let entry = entry.ok_or_else(|| Rejection::KeyNotFound {
        namespace: command.namespace.clone(),
        key: command.key.clone(),
    })?;
    if entry.meta == command.meta {
        return Ok(Accepted::unchanged(Outcome::EntryDescribed));
    }
    for number in command.meta.pins.difference(&entry.meta.pins) {
        retained(context, &command.namespace, &command.key, *number)?;
    }
    let mut journal = Journal::new(context);
    if loosens(&entry, &command.meta) && !is_planted(Mistake::LoosenedByDescription) {
        let change = GovernanceChange::Entry {
            key: command.key.clone(),
            meta: command.meta.clone(),
        };
        return governing::ask(context, journal, (&caller, &lineage), change);
    }
    let change = enact::describe(&mut journal, entry, &command.meta);
    let groups = granting_groups(&caller.actor, Action::Govern, &lineage);
    let transition = Transition::new(AuditAction::EntryDescribed, caller.principal(), &command.namespace);
    journal.record(transition.by(&caller, groups).key(&command.key).change(change));
    Ok(journal.accept(Outcome::EntryDescribed))
}

fn loosens(entry: &ConfigEntry, meta: &EntryMeta) -> bool {
    (entry.meta.is_final && !meta.is_final) || !entry.meta.pins.is_subset(&meta.pins)
}

fn check_meta(meta: &EntryMeta) -> Result<(), Rejection> {
    let EntryMeta {
        description,
        tags,
        is_final: _,
        pins,
    } = meta;
    check_length("description", description.as_deref(), EntryMeta::MAX_DESCRIPTION_BYTES)?;
    let too_many = |field: &str, given: usize, limit: usize| {
        let detail = format!("{given} given, the limit is {limit}");
        if given > limit {
            Err(invalid(field, detail))
        } else {
            Ok(())
        }
    };
    too_many("tags", tags.len(), EntryMeta::MAX_TAGS)?;
    too_many("pins", pins.len(), EntryMeta::MAX_PINS)?;
    tags.iter().try_for_each(|tag| {
        if tag.is_empty() {
            return Err(invalid("tags", "a tag is empty"));
        }
        check_length("tags", Some(tag), EntryMeta::MAX_TAG_BYTES)
    })
}
