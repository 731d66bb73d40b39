//! What is there: the Secrets, the StatefulSet, the stamp keys, and each node's own view of the cluster.

use confman_api::client::CourierClient;
use confman_api::ids::Timestamp;
use confman_api::internal::{NodeStatus, StampKey};
use confman_crds::ConfmanCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DynamicObject;
use kube::{Api, ResourceExt as _};

use super::children::{self, children};
use super::names::Names;
use super::plan::is_available;
use crate::context::{Context, Error, with_causes};
use crate::courier::{CA, NodeAddress};
use crate::stamp_keys;

/// Annotation of our Secrets: the cluster that they were made for.
pub(super) const CLUSTER_ID: &str = "confman.io/cluster-id";
/// Entry of the Secret with the token.
pub(super) const TOKEN: &str = "token";

/// A Secret of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It does not exist.
    Missing,
    /// Made for this cluster.
    Ours,
    /// Made for this cluster, with another CA than the one that is there.
    Outdated,
    /// Made for the cluster with this id.
    Anothers(String),
    /// It does not say for which cluster it was made, so it is somebody else's.
    Foreign,
}

/// The Secret with API keys that the spec names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiKeys {
    /// The spec names none.
    NotWanted,
    /// It exists.
    Found,
    /// It does not; its name.
    Missing(String),
}

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// The object.
    pub cluster: ConfmanCluster,
    /// Where the nodes are, in ordinal order.
    pub nodes: Vec<NodeAddress>,
    /// The CA.
    pub authority: Kept,
    /// The nodes' certificate.
    pub nodes_certificate: Kept,
    /// The courier's certificate.
    pub courier_certificate: Kept,
    /// The one-use token.
    pub token: Option<String>,
    /// The other objects of the cluster, if they are to be applied.
    pub due: Option<Vec<DynamicObject>>,
    /// Objects of somebody else under the names that the cluster needs, as kind and name.
    pub taken: Vec<String>,
    /// The first stamp key, or why there is none. Not asked once the cluster exists.
    pub stamp_key: Option<Result<StampKey, String>>,
    /// When the last stamp key of the cluster ends; none where the cluster cannot be asked.
    pub stamp_keys_end: Option<Timestamp>,
    /// The API keys.
    pub api_keys: ApiKeys,
    /// The StatefulSet.
    pub stateful_set: Option<StatefulSet>,
    /// What each node says, in ordinal order; none where it does not answer.
    pub answers: Vec<Option<NodeStatus>>,
}

impl Observed {
    /// Id of the cluster: the UID of its object.
    pub(super) fn id(&self) -> String {
        self.cluster.uid().unwrap_or_default()
    }

    /// Whether the cluster exists in its own log.
    pub(super) fn is_bootstrapped(&self) -> bool {
        let id = self.id();
        let recorded = self
            .cluster
            .status
            .as_ref()
            .and_then(|status| status.cluster_id.as_deref());
        let says_so = |status: &NodeStatus| status.cluster_id.as_ref().is_some_and(|own| own.as_str() == id);
        recorded == Some(id.as_str()) || self.answers.iter().flatten().any(says_so)
    }
}

/// Looks.
pub(super) async fn observe(cluster: &ConfmanCluster, context: &Context) -> Result<Observed, Error> {
    let names = Names::of(cluster);
    let secrets = Api::<Secret>::namespaced(context.client.clone(), &names.namespace);
    let secret = async |name: String| {
        let found = secrets.get_opt(&name).await;
        found.map_err(Error::kubernetes("read a Secret of the cluster"))
    };
    let (authority, nodes, courier, bootstrap) = (
        secret(names.authority_secret()).await?,
        secret(names.nodes_secret()).await?,
        secret(names.courier_secret()).await?,
        secret(names.bootstrap_secret()).await?,
    );
    let id = cluster.uid().unwrap_or_default();
    let signer = authority.as_ref();
    let due = children(cluster);
    let due = context.applied.is_due(&id, &due).then_some(due);
    let mut observed = Observed {
        cluster: cluster.clone(),
        nodes: context.couriers.addresses(cluster),
        authority: kept(signer, None, &id),
        nodes_certificate: kept(nodes.as_ref(), signer, &id),
        courier_certificate: kept(courier.as_ref(), signer, &id),
        token: bootstrap.as_ref().and_then(|secret| token(secret, &id)),
        taken: foreign_secrets([&authority, &nodes, &courier, &bootstrap]),
        due,
        stamp_key: None,
        stamp_keys_end: None,
        api_keys: api_keys(cluster, &secrets).await?,
        stateful_set: stateful_set(&names, context).await?,
        answers: Vec::new(),
    };
    let others = foreign_children(&observed, context).await?;
    observed.taken.extend(others);
    observed.answers = answers(&observed, context).await?;
    if !observed.is_bootstrapped() {
        let keys = stamp_keys::public_keys(&context.client, &context.namespace).await;
        let first = keys.map_err(|error| with_causes(&error)).and_then(|keys| {
            let first = keys.into_iter().next();
            first.ok_or_else(|| "there is no stamp key".to_owned())
        });
        observed.stamp_key = Some(first);
    } else if is_available(&observed.answers) {
        observed.stamp_keys_end = stamp_keys_end(&observed, context).await;
    }
    Ok(observed)
}

/// Whose a Secret is; a leaf is outdated when `signer` is another CA than it was signed by.
fn kept(secret: Option<&Secret>, signer: Option<&Secret>, id: &str) -> Kept {
    let Some(secret) = secret else {
        return Kept::Missing;
    };
    let authority = |secret: &Secret| secret.data.as_ref().and_then(|data| data.get(CA).cloned());
    match secret.annotations().get(CLUSTER_ID) {
        None => Kept::Foreign,
        Some(other) if other != id => Kept::Anothers(other.clone()),
        Some(_) if signer.is_some_and(|signer| authority(signer) != authority(secret)) => Kept::Outdated,
        Some(_) => Kept::Ours,
    }
}

fn foreign_secrets(secrets: [&Option<Secret>; 4]) -> Vec<String> {
    let foreign = secrets.into_iter().flatten();
    foreign
        .filter(|secret| !secret.annotations().contains_key(CLUSTER_ID))
        .map(|secret| format!("Secret {}", secret.name_any()))
        .collect()
}

/// Those objects, under the names of what is to be applied, that no controller owner reference makes this cluster's.
async fn foreign_children(observed: &Observed, context: &Context) -> Result<Vec<String>, Error> {
    let mut foreign = Vec::new();
    for object in observed.due.iter().flatten() {
        let api = children::api(object, &context.client)?;
        let found = api.get_metadata_opt(&object.name_any()).await;
        let Some(found) = found.map_err(Error::kubernetes("look for an object of the cluster"))? else {
            continue;
        };
        let is_ours = |owner: &OwnerReference| owner.controller == Some(true) && owner.uid == observed.id();
        if !found.owner_references().iter().any(is_ours) {
            let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
            foreign.push(format!("{kind} {}", object.name_any()));
        }
    }
    Ok(foreign)
}

/// Asked only of a cluster that is available, and only for as long as a node may take: a status must not wait for it.
async fn stamp_keys_end(observed: &Observed, context: &Context) -> Option<Timestamp> {
    let courier = context.couriers.get(&observed.cluster).await.ok()?;
    let asked = tokio::time::timeout(super::STATUS_TIMEOUT, courier.stamp_keys()).await;
    let keys = asked.ok()?.ok()?;
    keys.into_iter().map(|key| key.not_after).max()
}

/// The token of this cluster, not of an earlier one whose Secret is still being collected.
fn token(secret: &Secret, id: &str) -> Option<String> {
    secret
        .annotations()
        .get(CLUSTER_ID)
        .filter(|made_for| *made_for == id)?;
    let bytes = secret.data.as_ref()?.get(TOKEN)?;
    String::from_utf8(bytes.0.clone()).ok()
}

async fn api_keys(cluster: &ConfmanCluster, secrets: &Api<Secret>) -> Result<ApiKeys, Error> {
    let Some(wanted) = cluster
        .spec
        .auth
        .as_ref()
        .and_then(|auth| auth.api_keys_secret_ref.as_ref())
    else {
        return Ok(ApiKeys::NotWanted);
    };
    let found = secrets.get_metadata_opt(&wanted.name).await;
    Ok(
        match found.map_err(Error::kubernetes("look for the Secret with API keys"))? {
            Some(_) => ApiKeys::Found,
            None => ApiKeys::Missing(wanted.name.clone()),
        },
    )
}

async fn stateful_set(names: &Names, context: &Context) -> Result<Option<StatefulSet>, Error> {
    let api = Api::<StatefulSet>::namespaced(context.client.clone(), &names.namespace);
    api.get_opt(&names.cluster)
        .await
        .map_err(Error::kubernetes("read the StatefulSet"))
}

/// Asks every node at once. One that does not answer is no error: it may be starting.
async fn answers(observed: &Observed, context: &Context) -> Result<Vec<Option<NodeStatus>>, Error> {
    match observed.courier_certificate {
        // Nodes that run may know an outdated one.
        Kept::Ours | Kept::Outdated => {}
        Kept::Missing | Kept::Anothers(_) | Kept::Foreign => return Ok(vec![None; observed.nodes.len()]),
    }
    let courier = context.couriers.get(&observed.cluster).await?;
    let asked = observed.nodes.iter().map(|node| ask(&courier, node));
    let answers: Vec<_> = futures::future::join_all(asked).await;
    if answers.iter().all(Option::is_none) {
        // The credential may have been made again.
        context.couriers.forget(&observed.id());
    }
    Ok(answers)
}

async fn ask(courier: &CourierClient, node: &NodeAddress) -> Option<NodeStatus> {
    let only = courier.only(&node.courier_url).ok()?;
    let answered = tokio::time::timeout(super::STATUS_TIMEOUT, only.status()).await;
    match answered {
        Ok(Ok(status)) => Some(status),
        Ok(Err(error)) => {
            tracing::debug!(pod = node.pod, error = with_causes(&error), "a node does not answer");
            None
        }
        Err(_) => None,
    }
}
