//! What loosens governance and what tightens it, and the limits of its fields.

use std::collections::BTreeMap;

use crate::access::Role;
use crate::audit::AuditChange;
use crate::digest::governance_digest;
use crate::ids::NamespacePath;
use crate::namespace::{ConfigNamespace, Governance, NamespaceSettings, RoleAssignments, Workflow, effective_workflow};
use crate::outcome::Rejection;
use crate::principal::Principal;

use super::context::{check_length, invalid};

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
        governance:
            Governance {
                owner,
                inherit: _,
                roles,
                workflow,
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
    workflow.map_or(Ok(()), |workflow| check_workflow("workflow", workflow))
}

/// Refuses a number of approvers that is out of range.
pub(super) fn check_workflow(field: &str, workflow: Workflow) -> Result<(), Rejection> {
    let limit = Workflow::MAX_APPROVERS;
    if (1..=limit).contains(&workflow.min_approvers) {
        return Ok(());
    }
    let detail = format!("{} given, it must be 1 to {limit}", workflow.min_approvers);
    Err(invalid(&format!("{field}.minApprovers"), detail))
}

/// A namespace may tighten the floor of its ancestors (nearest first), never loosen it.
pub(super) fn check_floor(workflow: Option<Workflow>, ancestors: &[ConfigNamespace]) -> Result<(), Rejection> {
    let Some(own) = workflow else {
        return Ok(());
    };
    for ancestor in ancestors {
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

/// Refuses a change of `old` to `new` that would loosen governance; `ancestors` are those of the namespace.
pub(super) fn check_only_tightens(
    old: &ConfigNamespace,
    new: &Governance,
    ancestors: &[ConfigNamespace],
) -> Result<(), Rejection> {
    let before = &old.settings.governance;
    if before.inherit != new.inherit {
        return Err(loosening(format!(
            "inherit changes from {} to {}",
            before.inherit, new.inherit
        )));
    }
    let mut renewed = old.clone();
    renewed.settings.governance.workflow = new.workflow;
    let effective = |own| effective_workflow(std::iter::once(own).chain(ancestors));
    let (was, becomes) = (effective(old), effective(&renewed));
    if was.require_approval && !becomes.require_approval {
        return Err(loosening("workflow.requireApproval is switched off".to_owned()));
    }
    if becomes.min_approvers < was.min_approvers {
        let (from, to) = (was.min_approvers, becomes.min_approvers);
        return Err(loosening(format!("workflow.minApprovers goes from {from} to {to}")));
    }
    match wider_role(&before.roles, &new.roles) {
        Some((subject, role)) => Err(loosening(format!("{subject} becomes {role}"))),
        None => Ok(()),
    }
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
