//! Writes one key directly, only where approval is not required; audited as unreviewed.

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::entry::Version;
use crate::namespace::{ConfigNamespace, effective_workflow};
use crate::outcome::{Outcome, Rejection};
use crate::proposal::PutEntry;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, check_may, check_names_no_namespace, live_digest};
use super::journal::{Journal, Transition};
use super::publish::{NewVersion, publish};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &PutEntry) -> Step<Accepted, V> {
    context.cluster()?;
    let lineage = context.lineage(&command.namespace)?;
    check_namespace_exists(command, &lineage)?;
    check_may(&command.actor, Action::Publish, &lineage, &command.namespace)?;
    check_no_approval_needed(command, &lineage)?;
    check_names_no_namespace(context, &command.namespace, &command.key)?;
    let live = context.live(&command.namespace, &command.key)?;
    check_expected_digest(command, live.as_ref())?;
    match live {
        Some(live) if live.digest == Some(command.value.digest()) => Ok(Accepted::unchanged(written(&live))),
        live => write(context, command, live.as_ref()),
    }
}

fn check_namespace_exists(command: &PutEntry, lineage: &[ConfigNamespace]) -> Result<(), Rejection> {
    if lineage.first().is_some_and(|nearest| nearest.path == command.namespace) {
        return Ok(());
    }
    Err(Rejection::NamespaceNotFound {
        namespace: command.namespace.to_string(),
    })
}

fn check_no_approval_needed(command: &PutEntry, lineage: &[ConfigNamespace]) -> Result<(), Rejection> {
    if effective_workflow(lineage).require_approval {
        return Err(Rejection::ApprovalRequired {
            namespace: command.namespace.clone(),
        });
    }
    Ok(())
}

fn check_expected_digest(command: &PutEntry, live: Option<&Version>) -> Result<(), Rejection> {
    if command.expected_digest.is_some() && command.expected_digest != live_digest(live) {
        return Err(Rejection::PreconditionFailed);
    }
    Ok(())
}

fn write<V: StateView>(context: &Context<'_, V>, command: &PutEntry, live: Option<&Version>) -> Step<Accepted, V> {
    let mut journal = Journal::new(context);
    let new = NewVersion {
        namespace: &command.namespace,
        key: &command.key,
        value: command.value.clone(),
        published_by: &command.actor.principal,
        request_id: None,
        approvers: Vec::new(),
    };
    let version = publish(context, &mut journal, new)?;
    let change = AuditChange {
        previous_version: live.map(|version| version.number),
        new_version: Some(version.number),
        previous_digest: live_digest(live),
        new_digest: version.digest,
    };
    let transition = Transition::new(
        AuditAction::ConfigUnreviewed,
        &command.actor.principal,
        &command.namespace,
    );
    journal.record(transition.by(&command.actor).key(&command.key).change(change));
    Ok(journal.accept(written(&version)))
}

fn written(version: &Version) -> Outcome {
    Outcome::EntryWritten {
        version: version.number,
        // A live version has a value, and a value has a digest.
        digest: version.digest.unwrap_or(crate::digest::Digest::ZERO),
        position: version.position,
    }
}
