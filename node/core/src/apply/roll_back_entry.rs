//! Goes back to an earlier version: a new version with the old bytes, at once where the namespace allows it, else by a
//! publish request.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::audit::AuditAction;
use crate::entry::Version;
use crate::ids::{ConfigKey, NamespacePath};
use crate::namespace::{each, effective_workflow};
use crate::planted::{Mistake, is_planted};
use crate::proposal::RollBackEntry;
use crate::publish_request::{Operation, RequestSpec};
use crate::state::StateView;
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::caller::{check_channel, is_managed_from};
use super::context::{Context, Step, check_length, check_may, check_names_no_namespace, invalid};
use super::judge::{Judged, check, check_protected};
use super::opening::{Opening, id_of_entry, open, retained};
use super::publish::{NewVersion, check_not_final};
use super::put_entry::{WrittenBy, write};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &RollBackEntry) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    check_length("comment", command.comment.as_deref(), RequestSpec::MAX_REASON_BYTES)?;
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::Rollback, &lineage, &command.namespace)?;
    check_names_no_namespace(context, &command.namespace, &command.key)?;
    let at_once = effective_workflow(each(&lineage)).rolls_back_at_once();
    check_channel(&lineage, &caller, at_once || is_managed_from(&lineage, &caller))?;
    if !at_once && !is_planted(Mistake::RollbackSkipsApproval) {
        return open(
            context,
            Opening {
                id: id_of_entry(context)?,
                object: None,
                namespace: &command.namespace,
                lineage: &lineage,
                spec: &spec(command),
                caller: &caller,
                resubmits: None,
                verdict: command.verdict.as_ref(),
            },
        );
    }
    let live = context.live(&command.namespace, &command.key)?;
    let place = (&command.namespace, &command.key);
    let old = earlier(context, place, live.as_ref(), command.to_version)?;
    let judged = Judged {
        namespace: &command.namespace,
        lineage: &lineage,
        live: live.as_ref().map_or(0, |live| live.number),
    };
    let rules = check(context, &judged, command.verdict.as_ref())?;
    if let Some(value) = &old.value {
        check_not_final(context, &lineage, &command.key)?;
        check_protected(&rules, &command.key, value)?;
    }
    let new = NewVersion {
        namespace: &command.namespace,
        key: &command.key,
        value: old.value,
        published_by: caller.principal(),
        request_id: None,
        approvers: Vec::new(),
        is_sensitive: rules.hidden() || old.is_sensitive,
    };
    let note = match &command.comment {
        Some(comment) => format!("to version {}: {comment}", command.to_version),
        None => format!("to version {}", command.to_version),
    };
    let by = WrittenBy {
        action: AuditAction::ConfigRolledBack,
        event: WebhookEvent::RolledBack,
        comment: Some(note),
    };
    write(context, (&caller, &lineage), new, (live.as_ref(), by))
}

/// The retained version to go back to. Refused where nothing would change: it is live, or the key is deleted and so is it.
pub(super) fn earlier<V: StateView>(
    context: &Context<'_, V>,
    (namespace, key): (&NamespacePath, &ConfigKey),
    live: Option<&Version>,
    number: u64,
) -> Step<Version, V> {
    if live.is_some_and(|live| live.number == number) {
        Err(invalid("toVersion", format!("version {number} is live")))?;
    }
    let version = retained(context, namespace, key, number)?;
    if live.is_none() && version.value.is_none() {
        let detail = format!("version {number} is a deletion, and the key is deleted already");
        Err(invalid("toVersion", detail))?;
    }
    Ok(version)
}

fn spec(command: &RollBackEntry) -> RequestSpec {
    RequestSpec {
        namespace_ref: command.namespace.to_string(),
        key: command.key.clone(),
        operation: Operation::Rollback,
        value: None,
        expected_version: None,
        reason: command.comment.clone(),
        on_behalf_of: BTreeSet::new(),
        to_version: Some(command.to_version),
        draft: None,
    }
}
