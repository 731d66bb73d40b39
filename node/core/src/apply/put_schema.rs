//! Stores the next revision of a schema. Nothing holds by it until a namespace binds it.

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::digest::Digest;
use crate::namespace::SchemaReference;
use crate::outcome::Outcome;
use crate::proposal::PutSchema;
use crate::schema::MAX_SCHEMA_BYTES;
use crate::state::{Change, StateView, StoredSchema};

use super::Accepted;
use super::context::{Context, Step, Stop, check_length, check_may, granting_groups};
use super::journal::{Journal, Transition};
use super::put_namespace::check_revision;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &PutSchema) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.path)?;
    check_length("schema", Some(&command.text), MAX_SCHEMA_BYTES)?;
    // A schema belongs to the admins of the namespace at its path, or of the nearest one above.
    let lineage = context.lineage(&command.path)?;
    check_may(&caller.actor, Action::Govern, &lineage, &command.path)?;
    let last = context.view.last_schema_revision(&command.path).map_err(Stop::Fault)?;
    check_revision(&format!("schema {}", command.path), last, command.expected_revision)?;
    let reference = |revision| SchemaReference {
        path: command.path.clone(),
        revision,
    };
    let stored = |revision| Outcome::SchemaStored {
        path: command.path.clone(),
        revision,
    };
    let previous = context.view.schema(&reference(last)).map_err(Stop::Fault)?;
    if previous.as_ref().is_some_and(|previous| previous.text == command.text) {
        return Ok(Accepted::unchanged(stored(last)));
    }
    let change = AuditChange {
        previous_version: (last > 0).then_some(last),
        new_version: Some(last + 1),
        previous_digest: previous.map(|previous| Digest::of(previous.text.as_bytes())),
        new_digest: Some(Digest::of(command.text.as_bytes())),
    };
    let groups = granting_groups(&caller.actor, Action::Govern, &lineage);
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::SchemaStored, caller.principal(), &command.path);
    journal.record(transition.by(&caller, groups).change(change));
    journal.put(Change::PutSchema(Box::new(StoredSchema {
        reference: reference(last + 1),
        text: command.text.clone(),
        stored_by: caller.principal().clone(),
        stored_at: context.time,
    })));
    Ok(journal.accept(stored(last + 1)))
}
