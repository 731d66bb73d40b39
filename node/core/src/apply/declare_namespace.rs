//! Creates or updates a config namespace: the stamped person must hold the right, and what loosens waits for others.

use crate::audit::AuditAction;
use crate::digest::{Digest, governance_digest};
use crate::namespace::{Claim, ConfigNamespace};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::DeclareNamespace;
use crate::publish_request::{GovernanceChange, RequestState, Subject};
use crate::stamp::stamp_digest;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Lineage, Step, Stop, bound, check_kubernetes_name, check_user, invalid};
use super::governance::{self, check_settings, loosening};
use super::governing::{self, Wanted};
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace) -> Step<Accepted, V> {
    check_stamp(context, command)?;
    check_claim(command)?;
    check_settings(&command.settings)?;
    check_delegated(context, command)?;
    check_claims_one_path(context, command)?;
    let lineage = context.lineage(&command.path)?;
    let statement = &command.governance.statement;
    let caller = context.stamped(&statement.user, &command.governance.key_id)?;
    let wanted = Wanted {
        path: &command.path,
        settings: &command.settings,
        claim: Some((&command.claim, stamp_digest(&command.governance))),
        caller: &caller,
    };
    match lineage.first() {
        Some(nearest) if nearest.path == command.path => change(context, command, &wanted, &lineage),
        Some(_) | None => governing::create(context, &wanted, &lineage),
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

fn change<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    wanted: &Wanted<'_>,
    lineage: &Lineage,
) -> Step<Accepted, V> {
    let present = lineage.first().ok_or(Rejection::ClusterNotInitialised)?;
    check_claim_is_free(present, command)?;
    let stamp = stamp_digest(&command.governance);
    if let Some(pending) = pending(context, command, present)? {
        return Ok(Accepted::unchanged(pending));
    }
    if present.governance_stamp != Some(stamp) {
        check_follows(present, command)?;
        return governing::update(context, wanted, lineage);
    }
    if present.claim.as_ref() == Some(&command.claim) && present.settings == command.settings {
        return Ok(Accepted::unchanged(governing::declared(present)));
    }
    Ok(describe(context, command, present))
}

/// The answer while this very declaration waits for others to agree. What they refused is not asked for again.
fn pending<V: StateView>(
    context: &Context<'_, V>,
    command: &DeclareNamespace,
    present: &ConfigNamespace,
) -> Step<Option<Outcome>, V> {
    let Some(request) = governing::last_request(context, present)? else {
        return Ok(None);
    };
    let stamp = stamp_digest(&command.governance);
    let is_this = match &request.subject {
        Subject::Governance(change) => match change.as_ref() {
            GovernanceChange::Settings(change) => change.governance_stamp == Some(stamp),
            GovernanceChange::Entry { .. } | GovernanceChange::Identity(_) | GovernanceChange::StampKey(_) => false,
        },
        Subject::Key(_) => false,
    };
    match request.state {
        RequestState::PendingReview | RequestState::Approved if is_this => Ok(Some(Outcome::GovernancePending {
            path: command.path.clone(),
            request_id: request.id,
        })),
        RequestState::Rejected | RequestState::Withdrawn if is_this => Err(loosening(format!(
            "publish request {} for it is {}",
            request.id, request.state
        )))?,
        RequestState::PendingReview
        | RequestState::Approved
        | RequestState::Published
        | RequestState::Rejected
        | RequestState::Withdrawn
        | RequestState::Superseded => Ok(None),
    }
}

/// No word of a person: another object under the same name, or fields that no stamp covers.
fn describe<V: StateView>(context: &Context<'_, V>, command: &DeclareNamespace, present: &ConfigNamespace) -> Accepted {
    let courier = Principal::courier();
    let transition = Transition::new(AuditAction::NamespaceUpdated, &courier, &command.path);
    let change = governance::change(Some(&present.settings.governance), &command.settings.governance);
    let namespace = ConfigNamespace {
        claim: Some(command.claim.clone()),
        settings: command.settings.clone(),
        updated_at: context.time,
        updated_by: courier,
        revision: context.at.index,
        ..present.clone()
    };
    let mut journal = Journal::new(context);
    let outcome = governing::declared(&namespace);
    governing::put(&mut journal, namespace);
    journal.record(transition.change(change));
    journal.accept(outcome)
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
