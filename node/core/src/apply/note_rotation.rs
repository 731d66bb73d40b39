//! Notes that a live value is older than its schema allows, and tells the webhooks. Once a version.

use crate::audit::{AuditAction, AuditChange};
use crate::entry::ConfigEntry;
use crate::outcome::Outcome;
use crate::principal::Principal;
use crate::proposal::NoteRotation;
use crate::state::{Change, StateView};
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::context::{Context, Step, live_digest};
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &NoteRotation) -> Step<Accepted, V> {
    context.cluster()?;
    let NoteRotation {
        namespace,
        key,
        version,
    } = command;
    let lineage = context.existing_lineage(namespace)?;
    let is_news = |entry: &ConfigEntry| entry.live == Some(*version) && entry.rotation_noted != *version;
    let Some(entry) = context.entry(namespace, key)?.filter(is_news) else {
        return Ok(Accepted::unchanged(Outcome::RotationNoted));
    };
    let digest = live_digest(context.live(namespace, key)?.as_ref());
    let mut journal = Journal::new(context);
    journal.put(Change::PutEntry(ConfigEntry {
        rotation_noted: *version,
        ..entry
    }));
    let unchanged = AuditChange {
        previous_version: Some(*version),
        new_version: Some(*version),
        previous_digest: digest,
        new_digest: digest,
    };
    let transition = Transition::new(AuditAction::RotationDue, &Principal::nodes(), namespace);
    journal.record(transition.key(key).change(unchanged));
    journal.tell(context, &lineage, WebhookEvent::RotationDue)?;
    Ok(journal.accept(Outcome::RotationNoted))
}
