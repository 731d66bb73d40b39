//! Writes one key directly, only where approval is not required; audited as unreviewed.

use crate::access::Action;
use crate::audit::{AuditAction, AuditChange};
use crate::digest::Digest;
use crate::entry::Version;
use crate::ids::NamespacePath;
use crate::namespace::{each, effective_workflow};
use crate::outcome::{Outcome, Rejection};
use crate::proposal::{Precondition, PutEntry};
use crate::state::StateView;
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::caller::{Caller, check_channel};
use super::context::{Context, Lineage, Step, check_may, check_names_no_namespace, granting_groups, live_digest};
use super::journal::{Journal, Transition};
use super::judge::{Judged, check, check_protected};
use super::publish::{NewVersion, check_not_final, publish};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &PutEntry) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::Publish, &lineage, &command.namespace)?;
    check_channel(&lineage, &caller, true)?;
    check_no_approval_needed(&lineage, &command.namespace)?;
    check_names_no_namespace(context, &command.namespace, &command.key)?;
    let live = context.live(&command.namespace, &command.key)?;
    check_expected(command.expected, live_digest(live.as_ref()))?;
    if let Some(live) = live.as_ref().filter(|live| live.digest == Some(command.value.digest())) {
        return Ok(Accepted::unchanged(written(live)));
    }
    check_not_final(context, &lineage, &command.key)?;
    let judged = Judged {
        namespace: &command.namespace,
        lineage: &lineage,
        live: live.as_ref().map_or(0, |live| live.number),
    };
    let rules = check(context, &judged, command.verdict.as_ref())?;
    check_protected(&rules, &command.key, &command.value)?;
    let new = NewVersion {
        namespace: &command.namespace,
        key: &command.key,
        value: Some(command.value.clone()),
        published_by: caller.principal(),
        request_id: None,
        approvers: Vec::new(),
        is_sensitive: rules.hidden(),
    };
    write(context, (&caller, &lineage), new, (live.as_ref(), WrittenBy::HAND))
}

/// How a version without review is audited and told.
pub(super) struct WrittenBy {
    pub(super) action: AuditAction,
    pub(super) event: WebhookEvent,
    pub(super) comment: Option<String>,
}

impl WrittenBy {
    /// By a direct write or deletion.
    pub(super) const HAND: Self = Self {
        action: AuditAction::ConfigUnreviewed,
        event: WebhookEvent::Published,
        comment: None,
    };
}

/// Refuses direct writes where approval is required.
pub(super) fn check_no_approval_needed(lineage: &Lineage, namespace: &NamespacePath) -> Result<(), Rejection> {
    if effective_workflow(each(lineage)).require_approval {
        return Err(Rejection::ApprovalRequired {
            namespace: namespace.clone(),
        });
    }
    Ok(())
}

/// Refuses a write whose caller saw something else than `present`.
pub(super) fn check_expected(expected: Precondition, present: Option<Digest>) -> Result<(), Rejection> {
    let holds = match expected {
        Precondition::Any => true,
        Precondition::Present => present.is_some(),
        Precondition::Absent => present.is_none(),
        Precondition::Digest(digest) => present == Some(digest),
    };
    if holds {
        Ok(())
    } else {
        Err(Rejection::PreconditionFailed)
    }
}

/// Publishes without review, and says so.
pub(super) fn write<V: StateView>(
    context: &Context<'_, V>,
    (caller, lineage): (&Caller, &Lineage),
    new: NewVersion<'_>,
    (live, by): (Option<&Version>, WrittenBy),
) -> Step<Accepted, V> {
    let mut journal = Journal::new(context);
    let (namespace, key) = (new.namespace, new.key);
    let version = publish(context, &mut journal, lineage, new)?;
    let change = AuditChange {
        previous_version: live.map(|version| version.number),
        new_version: Some(version.number),
        previous_digest: live_digest(live),
        new_digest: version.digest,
    };
    let groups = granting_groups(&caller.actor, Action::Publish, lineage);
    let transition = Transition::new(by.action, caller.principal(), namespace).by(caller, groups);
    journal.record(transition.key(key).change(change).comment(by.comment.as_deref()));
    journal.tell(context, lineage, by.event)?;
    Ok(journal.accept(written(&version)))
}

/// The answer that names `version`.
pub(super) fn written(version: &Version) -> Outcome {
    Outcome::EntryWritten {
        version: version.number,
        digest: version.digest,
        position: version.position,
    }
}
