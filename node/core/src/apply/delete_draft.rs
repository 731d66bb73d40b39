//! Throws the draft of one key away.

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::outcome::{Outcome, Rejection};
use crate::proposal::DeleteDraft;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, Stop, check_may, granting_groups};
use super::journal::{Journal, Transition};
use super::put_entry::check_expected;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DeleteDraft) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::EditDraft, &lineage, &command.namespace)?;
    let present = context
        .view
        .draft(&command.namespace, &command.key)
        .map_err(Stop::Fault)?;
    let digest = present.map(|draft| draft.value.digest());
    check_expected(command.expected, digest)?;
    if digest.is_none() {
        Err(Rejection::DraftNotFound {
            namespace: command.namespace.clone(),
            key: command.key.clone(),
        })?;
    }
    let change = AuditChange {
        previous_version: None,
        new_version: None,
        previous_digest: digest,
        new_digest: None,
    };
    let mut journal = Journal::new(context);
    let groups = granting_groups(&caller.actor, Action::EditDraft, &lineage);
    let transition = Transition::new(AuditAction::DraftDeleted, caller.principal(), &command.namespace);
    journal.record(transition.by(&caller, groups).key(&command.key).change(change));
    journal.put(Change::DeleteDraft {
        namespace: command.namespace.clone(),
        key: command.key.clone(),
    });
    Ok(journal.accept(Outcome::DraftDeleted))
}
