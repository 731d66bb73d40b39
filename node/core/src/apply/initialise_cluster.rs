//! Bootstraps the state: the cluster record, `/` with its admins and workflow floor, the first stamp key. Once.

use std::collections::BTreeMap;

use crate::access::Role;
use crate::audit::AuditAction;
use crate::cluster::ClusterRecord;
use crate::ids::NamespacePath;
use crate::namespace::{ConfigNamespace, Governance, NamespaceSettings};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::InitialiseCluster;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, check_kubernetes_name, invalid};
use super::governance::{self, check_workflow};
use super::journal::{Journal, Transition};
use super::register_stamp_key::check_key;

/// Most admins that `/` may begin with.
const MAX_ROOT_ADMINS: usize = 64;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &InitialiseCluster) -> Step<Accepted, V> {
    let outcome = Outcome::ClusterInitialised {
        cluster_id: command.cluster_id.clone(),
    };
    if let Some(cluster) = context.known_cluster() {
        if cluster.cluster_id == command.cluster_id {
            return Ok(Accepted::unchanged(outcome));
        }
        let cluster_id = cluster.cluster_id.clone();
        Err(Rejection::ClusterAlreadyInitialised { cluster_id })?;
    }
    check_kubernetes_name("metadata.namespace", &command.kubernetes_namespace)?;
    check_kubernetes_name("metadata.name", &command.name)?;
    check_root_admins(&command.root_admins)?;
    check_workflow("defaults.workflow", command.workflow)?;
    command
        .identity
        .validate()
        .map_err(|error| invalid("identity", error.to_string()))?;
    if let Some(key) = &command.stamp_key {
        check_key(key, context.time)?;
    }
    let mut journal = Journal::new(context);
    journal.put(Change::PutCluster(ClusterRecord {
        cluster_id: command.cluster_id.clone(),
        kubernetes_namespace: command.kubernetes_namespace.clone(),
        name: command.name.clone(),
        initialised_at: context.time,
        identity: command.identity.clone(),
        recoveries: Vec::new(),
    }));
    let root = root(context, command);
    let change = governance::change(None, &root.settings.governance);
    journal.put(Change::PutNamespace(Box::new(root)));
    if let Some(key) = &command.stamp_key {
        journal.put(Change::PutStampKey(key.clone()));
    }
    let courier = Principal::courier();
    let transition = Transition::new(AuditAction::ClusterInitialised, &courier, &NamespacePath::root());
    journal.record(transition.change(change));
    Ok(journal.accept(outcome))
}

fn check_root_admins(admins: &[Principal]) -> Result<(), Rejection> {
    if admins.is_empty() || admins.len() > MAX_ROOT_ADMINS {
        let detail = format!("{} given, 1 to {MAX_ROOT_ADMINS} are needed", admins.len());
        return Err(invalid("rootAdmins", detail));
    }
    Ok(())
}

fn root<V: StateView>(context: &Context<'_, V>, command: &InitialiseCluster) -> ConfigNamespace {
    let admins = command.root_admins.iter().cloned().collect();
    ConfigNamespace {
        path: NamespacePath::root(),
        claim: None,
        settings: NamespaceSettings::governed(Governance {
            roles: BTreeMap::from([(Role::Admin, admins)]),
            workflow: Some(command.workflow),
            ..Governance::inherited()
        }),
        governance_stamp: None,
        created_at: context.time,
        created_by: Principal::courier(),
        updated_at: context.time,
        updated_by: Principal::courier(),
        revision: context.at.index,
        governance_request: None,
    }
}
