//! What loosens governance and what tightens it, and the limits of its fields.

use std::collections::BTreeMap;

use crate::access::Role;
use crate::audit::AuditChange;
use crate::digest::governance_digest;
use crate::ids::NamespacePath;
use crate::namespace::{
    Channels, ConfigNamespace, Governance, HistoryRetention, NamespaceSettings, PublishMode, RoleAssignments,
    RollbackMode, SchemaBinding, Workflow, each, effective_channels, effective_retention, effective_workflow,
};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::principal::Principal;
use crate::schema::MAX_SCHEMA_BYTES;
use crate::state::StateView;
use crate::webhook::WebhookTarget;

use super::context::{Context, Lineage, Step, Stop, check_length, invalid};

/// A change of governance as the audit tells it, by digest of all its fields.
pub(super) fn change(before: Option<&Governance>, after: &Governance) -> AuditChange {
    AuditChange {
        previous_version: None,
        new_version: None,
        previous_digest: before.map(governance_digest),
        new_digest: Some(governance_digest(after)),
    }
}

/// Refuses settings that break a limit.
pub(super) fn check_settings(settings: &NamespaceSettings) -> Result<(), Rejection> {
    let NamespaceSettings {
        display_name,
        description,
        labels,
        webhooks,
        governance:
            Governance {
                owner,
                inherit: _,
                roles,
                workflow,
                schema,
                history_retention,
            },
    } = settings;
    check_length(
        "displayName",
        display_name.as_deref(),
        NamespaceSettings::MAX_DISPLAY_NAME_BYTES,
    )?;
    check_length(
        "description",
        description.as_deref(),
        NamespaceSettings::MAX_DESCRIPTION_BYTES,
    )?;
    check_length("owner", owner.as_deref(), Governance::MAX_OWNER_BYTES)?;
    let subjects = roles.values().map(std::collections::BTreeSet::len).sum::<usize>();
    if subjects > Governance::MAX_SUBJECTS {
        let limit = Governance::MAX_SUBJECTS;
        return Err(invalid(
            "roles",
            format!("{subjects} subjects given, the limit is {limit}"),
        ));
    }
    check_labels(labels)?;
    WebhookTarget::check_all(webhooks).map_err(|error| invalid("webhooks", error.to_string()))?;
    if let Some(SchemaBinding::Inline(text)) = schema {
        check_length("schema.inline", Some(text), MAX_SCHEMA_BYTES)?;
    }
    if history_retention.is_some_and(|retention| retention.versions < HistoryRetention::LEAST_VERSIONS) {
        let least = HistoryRetention::LEAST_VERSIONS;
        return Err(invalid(
            "historyRetention.versions",
            format!("it must be at least {least}"),
        ));
    }
    workflow.map_or(Ok(()), |workflow| check_workflow("workflow", workflow))
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let (given, limit) = (labels.len(), NamespaceSettings::MAX_LABELS);
    if given > limit {
        return Err(invalid("labels", format!("{given} given, the limit is {limit}")));
    }
    labels.iter().try_for_each(|(name, value)| {
        if name.is_empty() {
            return Err(invalid("labels", "a name is empty"));
        }
        check_length("labels", Some(name), NamespaceSettings::MAX_LABEL_NAME_BYTES)?;
        check_length("labels", Some(value), NamespaceSettings::MAX_LABEL_VALUE_BYTES)
    })
}

/// Refuses a binding to a revision that is not there.
pub(super) fn check_schema<V: StateView>(context: &Context<'_, V>, governance: &Governance) -> Step<(), V> {
    match &governance.schema {
        Some(SchemaBinding::Stored(reference)) => match context.view.schema(reference).map_err(Stop::Fault)? {
            Some(_) => Ok(()),
            None => Err(Rejection::SchemaNotFound {
                path: reference.path.clone(),
                revision: reference.revision,
            })?,
        },
        Some(SchemaBinding::Inline(_)) | None => Ok(()),
    }
}

/// Refuses a number of approvers that is out of range.
pub(super) fn check_workflow(field: &str, workflow: Workflow) -> Result<(), Rejection> {
    let limit = Workflow::MAX_APPROVERS;
    if workflow
        .channels
        .is_some_and(|channels| !channels.kubernetes && !channels.http)
    {
        return Err(invalid(&format!("{field}.channels"), "at least one must be open"));
    }
    if (1..=limit).contains(&workflow.min_approvers) {
        return Ok(());
    }
    let detail = format!("{} given, it must be 1 to {limit}", workflow.min_approvers);
    Err(invalid(&format!("{field}.minApprovers"), detail))
}

/// A namespace may tighten the floor of its ancestors (nearest first), never loosen it.
pub(super) fn check_floor(workflow: Option<Workflow>, ancestors: &Lineage) -> Result<(), Rejection> {
    let Some(own) = workflow.filter(|_| !is_planted(Mistake::ChildLoosensParent)) else {
        return Ok(());
    };
    for ancestor in each(ancestors) {
        let Some(floor) = ancestor.own_workflow() else {
            continue;
        };
        if floor.require_approval && !own.require_approval {
            return Err(below_floor("workflow.requireApproval", "true", &ancestor.path));
        }
        if own.min_approvers < floor.min_approvers {
            let least = floor.min_approvers.to_string();
            return Err(below_floor("workflow.minApprovers", &least, &ancestor.path));
        }
        if floor.publish == Some(PublishMode::Manual) && own.publish == Some(PublishMode::Automatic) {
            return Err(below_floor("workflow.publish", "manual", &ancestor.path));
        }
        if floor.rollback == Some(RollbackMode::Reviewed) && own.rollback == Some(RollbackMode::Instant) {
            return Err(below_floor("workflow.rollback", "reviewed", &ancestor.path));
        }
        let (Some(open), Some(wanted)) = (floor.channels, own.channels) else {
            continue;
        };
        if (wanted.kubernetes && !open.kubernetes) || (wanted.http && !open.http) {
            return Err(below_floor("workflow.channels", "what is open there", &ancestor.path));
        }
    }
    Ok(())
}

fn below_floor(field: &str, floor: &str, ancestor: &NamespacePath) -> Rejection {
    Rejection::BelowFloor {
        field: field.to_owned(),
        floor: floor.to_owned(),
        ancestor: ancestor.clone(),
    }
}

/// How a change of `old` to `new` loosens governance, in a line; none if it does not. `ancestors` are those of the namespace.
pub(super) fn loosens(old: &ConfigNamespace, new: &Governance, ancestors: &Lineage) -> Option<String> {
    let before = &old.settings.governance;
    if is_planted(Mistake::LooseningUnnoticed) {
        return None;
    }
    if before.inherit != new.inherit {
        return Some(format!("inherit changes from {} to {}", before.inherit, new.inherit));
    }
    let mut renewed = old.clone();
    renewed.settings.governance.workflow = new.workflow;
    renewed.settings.governance.history_retention = new.history_retention;
    let lineage = |own| std::iter::once(own).chain(each(ancestors));
    looser_workflow(effective_workflow(lineage(old)), effective_workflow(lineage(&renewed)))
        .or_else(|| {
            let (were, are) = (effective_channels(lineage(old)), effective_channels(lineage(&renewed)));
            opens_channel(were, are).then(another_channel)
        })
        .or_else(|| looser_schema(before.schema.as_ref(), new.schema.as_ref()))
        .or_else(|| {
            looser_retention(
                effective_retention(lineage(old)),
                effective_retention(lineage(&renewed)),
            )
        })
        .or_else(|| wider_role(&before.roles, &new.roles).map(|(subject, role)| format!("{subject} becomes {role}")))
}

/// How the workflow of a new namespace would be looser than what it would inherit; the floors are checked elsewhere.
pub(super) fn looser_than_inherited(new: &Governance, ancestors: &Lineage) -> Option<String> {
    let was = effective_workflow(each(ancestors));
    let becomes = new.workflow.map_or(was, |own| own.stricter(was));
    let opens = match (was.channels, becomes.channels) {
        (Some(were), Some(are)) => opens_channel(were, are),
        // Nothing was open before; both is more than the one where it will be managed from.
        (None, Some(are)) => are.kubernetes && are.http,
        (Some(_) | None, None) => false,
    };
    looser_workflow(was, becomes)
        .or_else(|| opens.then(another_channel))
        .or_else(|| {
            new.workflow
                .filter(|own| own.rollback == Some(RollbackMode::Instant) && !was.rolls_back_at_once())
                .map(|_| "workflow.rollback becomes instant".to_owned())
        })
}

fn looser_workflow(was: Workflow, becomes: Workflow) -> Option<String> {
    if was.require_approval && !becomes.require_approval {
        return Some("workflow.requireApproval is switched off".to_owned());
    }
    if becomes.min_approvers < was.min_approvers {
        let (from, to) = (was.min_approvers, becomes.min_approvers);
        return Some(format!("workflow.minApprovers goes from {from} to {to}"));
    }
    if was.waits_for_publisher() && !becomes.waits_for_publisher() {
        return Some("workflow.publish becomes automatic".to_owned());
    }
    if !was.rolls_back_at_once() && becomes.rolls_back_at_once() {
        return Some("workflow.rollback becomes instant".to_owned());
    }
    None
}

fn opens_channel(were: Channels, are: Channels) -> bool {
    (are.kubernetes && !were.kubernetes) || (are.http && !were.http)
}

fn another_channel() -> String {
    "workflow.channels opens another channel".to_owned()
}

/// Whether another schema asks for less cannot be told from its text, so every change of one that holds may.
fn looser_schema(before: Option<&SchemaBinding>, after: Option<&SchemaBinding>) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before != after => Some("schema is another one".to_owned()),
        (Some(_), None) => Some("schema is taken away".to_owned()),
        (Some(_), Some(_)) | (None, Some(_) | None) => None,
    }
}

/// What holds for a namespace gets shorter; none is for ever.
pub(super) fn looser_retention(before: Option<HistoryRetention>, after: Option<HistoryRetention>) -> Option<String> {
    let shorter = match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after.versions < before.versions || after.days < before.days,
    };
    shorter.then(|| "historyRetention drops more versions".to_owned())
}

/// What a subject that gains a role is and becomes; none when roles only shrink.
fn wider_role(before: &RoleAssignments, after: &RoleAssignments) -> Option<(Principal, Role)> {
    let before = strongest_of_each(before);
    strongest_of_each(after)
        .into_iter()
        .find(|(subject, role)| before.get(subject).is_none_or(|was| was < role))
        .map(|(subject, role)| (subject.clone(), role))
}

fn strongest_of_each(roles: &RoleAssignments) -> BTreeMap<&Principal, Role> {
    let mut strongest = BTreeMap::new();
    // Roles come weakest first, so that the strongest one stays.
    for (role, subjects) in roles {
        strongest.extend(subjects.iter().map(|subject| (subject, *role)));
    }
    strongest
}

/// A loosening that this person may not decide alone.
pub(super) fn loosening(detail: String) -> Rejection {
    Rejection::LooseningNeedsApproval { detail }
}
