//! Writes the draft of one key: editors, and everyone who ever wrote to it is remembered.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::entry::Draft;
use crate::outcome::Outcome;
use crate::proposal::PutDraft;
use crate::state::{Change, StateView};
use crate::value::ConfigValue;

use super::Accepted;
use super::context::{Context, Step, Stop, check_may, check_names_no_namespace, granting_groups, invalid};
use super::journal::{Journal, Transition};
use super::judge::{Judged, check_protected, rules};
use super::put_entry::check_expected;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &PutDraft) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::EditDraft, &lineage, &command.namespace)?;
    check_names_no_namespace(context, &command.namespace, &command.key)?;
    let present = context
        .view
        .draft(&command.namespace, &command.key)
        .map_err(Stop::Fault)?;
    check_expected(command.expected, present.as_ref().map(|draft| draft.value.digest()))?;
    let live = context.live(&command.namespace, &command.key)?;
    let judged = Judged {
        namespace: &command.namespace,
        lineage: &lineage,
        live: live.map_or(0, |live| live.number),
    };
    // A draft may break the schema; a secret may not be written down all the same.
    let rules = rules(context, &judged, command.verdict.as_ref())?;
    check_protected(&rules, &command.key, &command.value)?;
    let previous_digest = present.as_ref().map(|draft| draft.value.digest());
    let (author, mut contributors) = match present {
        Some(draft) => (draft.author, draft.contributors),
        None => (caller.principal().clone(), BTreeSet::new()),
    };
    // The login as well, so that an alias that is taken away later opens no door.
    contributors.extend([caller.principal().clone(), caller.login.clone()]);
    if contributors.len() > Draft::MAX_CONTRIBUTORS {
        let limit = Draft::MAX_CONTRIBUTORS;
        Err(invalid(
            "draft",
            format!("{limit} people have written to it; begin it anew"),
        ))?;
    }
    let draft = Draft {
        namespace: command.namespace.clone(),
        key: command.key.clone(),
        value: command.value.clone(),
        author,
        contributors,
        updated_at: context.time,
        updated_by: caller.principal().clone(),
        revision: context.at.index,
    };
    let change = AuditChange {
        previous_version: None,
        new_version: None,
        previous_digest,
        new_digest: Some(ConfigValue::digest(&draft.value)),
    };
    let mut journal = Journal::new(context);
    let groups = granting_groups(&caller.actor, Action::EditDraft, &lineage);
    let transition = Transition::new(AuditAction::DraftUpdated, caller.principal(), &command.namespace);
    journal.record(transition.by(&caller, groups).key(&command.key).change(change));
    let outcome = Outcome::DraftWritten {
        digest: draft.value.digest(),
        revision: draft.revision,
    };
    journal.put(Change::PutDraft(Box::new(draft)));
    Ok(journal.accept(outcome))
}
