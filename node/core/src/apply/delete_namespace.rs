//! Deletes a config namespace that holds nothing any more. Versions stay in the history; their numbers are not used again.

use crate::access::Action;
use crate::audit::AuditAction;
use crate::namespace::{ConfigNamespace, Governance};
use crate::outcome::{Outcome, Rejection};
use crate::proposal::DeleteNamespace;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Lineage, Step, Stop, check_may, granting_groups, invalid};
use super::governance;
use super::journal::{Journal, Transition};
use super::put_namespace::check_revision;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DeleteNamespace) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.path)?;
    let lineage = context.existing_lineage(&command.path)?;
    check_may(&caller.actor, Action::DeleteNamespace, &lineage, &command.path)?;
    if command.path.is_root() {
        Err(invalid("path", "/ cannot be deleted"))?;
    }
    let namespace = lineage.first().ok_or(Rejection::ClusterNotInitialised)?;
    check_revision(&command.path.to_string(), namespace.revision, command.expected_revision)?;
    if let Some(claim) = &namespace.claim {
        Err(Rejection::ManagedByKubernetes {
            path: command.path.clone(),
            owner: claim.to_string(),
        })?;
    }
    check_empty(context, command)?;
    check_loosens_nothing(namespace, &lineage)?;
    let mut change = governance::change(None, &namespace.settings.governance);
    std::mem::swap(&mut change.previous_digest, &mut change.new_digest);
    let groups = granting_groups(&caller.actor, Action::DeleteNamespace, &lineage);
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::NamespaceDeleted, caller.principal(), &command.path);
    journal.record(transition.by(&caller, groups).change(change));
    journal.put(Change::DeleteNamespace(command.path.clone()));
    Ok(journal.accept(Outcome::NamespaceDeleted {
        path: command.path.clone(),
    }))
}

/// What the namespace asks for beyond its ancestors would be gone, for its history and for whoever makes it again.
fn check_loosens_nothing(namespace: &ConfigNamespace, lineage: &Lineage) -> Result<(), Rejection> {
    let ancestors = lineage.get(1..).unwrap_or(&[]);
    match governance::loosens(namespace, &Governance::inherited(), ancestors) {
        Some(detail) => Err(governance::loosening(format!(
            "{detail}, if {} is deleted; ask for that first, then delete it",
            namespace.path
        ))),
        None => Ok(()),
    }
}

fn check_empty<V: StateView>(context: &Context<'_, V>, command: &DeleteNamespace) -> Step<(), V> {
    let below = context.view.namespaces_below(&command.path).map_err(Stop::Fault)?;
    let occupant = if let Some(child) = below.first() {
        Some(format!("the namespace {} below it", child.path))
    } else {
        let occupant = context.view.occupant(&command.path).map_err(Stop::Fault)?;
        occupant.map(|occupant| occupant.to_string())
    };
    match occupant {
        Some(occupant) => Err(Rejection::NamespaceNotEmpty {
            path: command.path.clone(),
            occupant,
        })?,
        None => Ok(()),
    }
}
