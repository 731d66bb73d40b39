//! Creates or updates a config namespace: the stamped person must hold the right, and governance may only tighten.

use crate::access::{Action, Role};
use crate::audit::AuditAction;
use crate::digest::{Digest, governance_digest};
use crate::ids::{ConfigKey, NamespacePath};
use crate::namespace::{Claim, ConfigNamespace};
use crate::outcome::{Outcome, Rejection};
use crate::principal::{Actor, Principal};
use crate::proposal::DeclareNamespace;
use crate::stamp::stamp_digest;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{
    Context, Step, Stop, bound, check_kubernetes_name, check_may, check_user, granting_groups, invalid,
};
use super::governance::{self, check_floor, check_only_tightens, check_settings, loosening};
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace) -> Step<Accepted, V> {
    check_stamp(context, command)?;
    check_claim(command)?;
    check_settings(&command.settings)?;
    check_delegated(context, command)?;
    check_claims_one_path(context, command)?;
    let mut ancestors = context.lineage(&command.path)?;
    if ancestors.first().is_some_and(|nearest| nearest.path == command.path) {
        let present = ancestors.remove(0);
        update(context, command, present, &ancestors)
    } else {
        create(context, command, &ancestors)
    }
}

fn check_stamp<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace) -> Step<(), V> {
    context.verify(&command.governance, |statement| &statement.cluster_id)?;
    let statement = &command.governance.statement;
    check_user(&statement.user)?;
    let claim = &command.claim;
    bound(
        "Kubernetes namespace",
        &statement.kubernetes_namespace,
        &claim.kubernetes_namespace,
    )?;
    bound("the object", &statement.name, &claim.name)?;
    bound("path", &statement.path, &command.path)?;
    let digest = governance_digest(&command.settings.governance);
    bound("governance fields with digest", &statement.governance_digest, &digest)?;
    Ok(())
}

fn check_claim(command: &DeclareNamespace) -> Result<(), Rejection> {
    let Claim {
        kubernetes_namespace,
        name,
        uid,
    } = &command.claim;
    check_kubernetes_name("metadata.namespace", kubernetes_namespace)?;
    check_kubernetes_name("metadata.name", name)?;
    check_kubernetes_name("metadata.uid", uid)
}

/// Only the cluster's own Kubernetes namespace declares paths.
fn check_delegated<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace) -> Step<(), V> {
    let kubernetes_namespace = &command.claim.kubernetes_namespace;
    if context.cluster()?.kubernetes_namespace == *kubernetes_namespace {
        return Ok(());
    }
    Err(Rejection::NotDelegated {
        kubernetes_namespace: kubernetes_namespace.clone(),
        path: command.path.clone(),
    })?
}

fn check_claims_one_path<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace) -> Step<(), V> {
    let claim = &command.claim;
    let claimed = context
        .view
        .claimed_path(&claim.kubernetes_namespace, &claim.name)
        .map_err(Stop::Fault)?;
    match claimed {
        Some(other) if other != command.path => Err(invalid("path", format!("{claim} already declares {other}")))?,
        Some(_) | None => Ok(()),
    }
}

fn create<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    ancestors: &[ConfigNamespace],
) -> Step<Accepted, V> {
    let actor = command.governance.statement.user.actor();
    let parent = nearest(ancestors)?;
    check_may(&actor, Action::Govern, ancestors, &parent.path)?;
    check_names_no_key(context, &command.path)?;
    check_floor(command.settings.governance.workflow, ancestors)?;
    check_children(context, command, &actor, parent)?;
    let transition = Transition::new(AuditAction::NamespaceCreated, &actor.principal, &command.path)
        .stamped(
            &command.governance.key_id,
            granting_groups(&actor, Action::Govern, ancestors),
        )
        .change(governance::change(None, &command.settings.governance));
    let namespace = ConfigNamespace {
        path: command.path.clone(),
        claim: Some(command.claim.clone()),
        settings: command.settings.clone(),
        governance_stamp: Some(stamp_digest(&command.governance)),
        created_at: context.time,
        created_by: actor.principal.clone(),
        updated_at: context.time,
        updated_by: actor.principal,
        revision: context.at.index,
    };
    Ok(write(context, command, transition, namespace))
}

fn nearest(ancestors: &[ConfigNamespace]) -> Result<&ConfigNamespace, Rejection> {
    // `/` exists from bootstrap on, so only a state without a cluster has none.
    ancestors.first().ok_or(Rejection::ClusterNotInitialised)
}

fn check_names_no_key<V: StateView>(context: &Context<'_, V>, path: &NamespacePath) -> Step<(), V> {
    let Some((above, name)) = path.split_last() else {
        return Ok(());
    };
    let Ok(key) = ConfigKey::parse(name) else {
        return Ok(());
    };
    match context.entry(&above, &key)? {
        Some(entry) if entry.live.is_some() => Err(Rejection::NameTaken {
            path: path.to_string(),
            existing: "key".to_owned(),
        })?,
        Some(_) | None => Ok(()),
    }
}

/// A namespace put between others governs the ones below it: their admins must agree, and nothing may get looser there.
fn check_children<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    actor: &Actor,
    parent: &ConfigNamespace,
) -> Step<(), V> {
    let below = context.view.namespaces_below(&command.path).map_err(Stop::Fault)?;
    let Some(first) = below.first() else {
        return Ok(());
    };
    for child in &below {
        check_may(actor, Action::Govern, &context.lineage(&child.path)?, &child.path)?;
    }
    let governance = &command.settings.governance;
    if !governance.inherit {
        Err(loosening(format!(
            "inherit would be cut between {} and {}",
            parent.path, first.path
        )))?;
    }
    if governance.roles.values().any(|subjects| !subjects.is_empty()) {
        Err(loosening(format!("the roles would also hold in {}", first.path)))?;
    }
    Ok(())
}

fn update<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    present: ConfigNamespace,
    ancestors: &[ConfigNamespace],
) -> Step<Accepted, V> {
    check_claim_is_free(&present, command)?;
    let stamp = stamp_digest(&command.governance);
    let same_stamp = present.governance_stamp == Some(stamp);
    if same_stamp && present.claim.as_ref() == Some(&command.claim) && present.settings == command.settings {
        return Ok(Accepted::unchanged(Outcome::NamespaceDeclared {
            path: command.path.clone(),
            revision: present.revision,
        }));
    }
    let (updated_by, transition) = if same_stamp {
        // No word of a person: another object under the same name, or fields that no stamp covers.
        let courier = Principal::courier();
        let transition = Transition::new(AuditAction::NamespaceUpdated, &courier, &command.path);
        (courier, transition)
    } else {
        govern(&present, command, ancestors)?
    };
    let transition = transition.change(governance::change(
        Some(&present.settings.governance),
        &command.settings.governance,
    ));
    let namespace = ConfigNamespace {
        claim: Some(command.claim.clone()),
        settings: command.settings.clone(),
        governance_stamp: Some(stamp),
        updated_at: context.time,
        updated_by,
        revision: context.at.index,
        ..present
    };
    Ok(write(context, command, transition, namespace))
}

/// A person changes governance by a new stamp: checks that they may, and that nothing gets looser.
fn govern(
    present: &ConfigNamespace,
    command: &DeclareNamespace,
    ancestors: &[ConfigNamespace],
) -> Result<(Principal, Transition), Rejection> {
    check_follows(present, command)?;
    let actor = command.governance.statement.user.actor();
    let mut lineage = vec![present.clone()];
    lineage.extend_from_slice(ancestors);
    check_may(&actor, Action::Govern, &lineage, &command.path)?;
    check_floor(command.settings.governance.workflow, ancestors)?;
    check_only_tightens(present, &command.settings.governance, ancestors)?;
    check_root_keeps_an_admin(command)?;
    let groups = granting_groups(&actor, Action::Govern, &lineage);
    let transition = Transition::new(AuditAction::NamespaceUpdated, &actor.principal, &command.path);
    Ok((actor.principal, transition.stamped(&command.governance.key_id, groups)))
}

/// A claim is (Kubernetes namespace, name): an object made again under the same name adopts its path.
fn check_claim_is_free(present: &ConfigNamespace, command: &DeclareNamespace) -> Result<(), Rejection> {
    let claim = &command.claim;
    match &present.claim {
        Some(other) if (&other.kubernetes_namespace, &other.name) != (&claim.kubernetes_namespace, &claim.name) => {
            Err(Rejection::PathClaimed {
                path: command.path.clone(),
                owner: other.to_string(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// A governance stamp follows the one in force, so that an older, laxer one cannot be replayed. An object made again
/// does not know the one in force; its first stamp must be later than the settings it changes.
fn check_follows(present: &ConfigNamespace, command: &DeclareNamespace) -> Result<(), Rejection> {
    let statement = &command.governance.statement;
    let in_force: Option<Digest> = present.governance_stamp;
    let object_is_new = present
        .claim
        .as_ref()
        .is_none_or(|claim| claim.uid != command.claim.uid);
    let first_of_a_new_object = object_is_new && statement.previous.is_none() && statement.time > present.updated_at;
    if statement.previous == in_force || first_of_a_new_object {
        return Ok(());
    }
    Err(Rejection::StaleGovernanceStamp)
}

fn check_root_keeps_an_admin(command: &DeclareNamespace) -> Result<(), Rejection> {
    let admins = command.settings.governance.roles.get(&Role::Admin);
    if command.path.is_root() && admins.is_none_or(std::collections::BTreeSet::is_empty) {
        return Err(invalid("roles", "/ needs at least one admin"));
    }
    Ok(())
}

fn write<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    transition: Transition,
    namespace: ConfigNamespace,
) -> Accepted {
    let mut journal = Journal::new(context);
    let outcome = Outcome::NamespaceDeclared {
        path: namespace.path.clone(),
        revision: namespace.revision,
    };
    journal.put(Change::PutClaim {
        kubernetes_namespace: command.claim.kubernetes_namespace.clone(),
        name: command.claim.name.clone(),
        path: namespace.path.clone(),
    });
    journal.put(Change::PutNamespace(Box::new(namespace)));
    journal.record(transition);
    journal.accept(outcome)
}
