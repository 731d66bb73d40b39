//! What is there: the Secrets, the StatefulSet, the stamp keys, and each node's own view of the cluster.

use confman_api::client::CourierClient;
use confman_api::internal::{NodeStatus, StampKey};
use confman_crds::ConfmanCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};

use super::names::Names;
use crate::context::{Context, Error, with_causes};
use crate::courier::NodeAddress;
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
    /// Made for the cluster with this id.
    Anothers(String),
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
    /// The first stamp key, or why there is none. Not asked once the cluster exists.
    pub stamp_key: Option<Result<StampKey, String>>,
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
    let id = cluster.uid().unwrap_or_default();
    let kept = |secret: Option<&Secret>| match secret {
        None => Kept::Missing,
        Some(secret) => match secret.annotations().get(CLUSTER_ID) {
            Some(other) if *other != id => Kept::Anothers(other.clone()),
            Some(_) | None => Kept::Ours,
        },
    };
    let bootstrap = secret(names.bootstrap_secret()).await?;
    let mut observed = Observed {
        cluster: cluster.clone(),
        nodes: context.couriers.addresses(cluster),
        authority: kept(secret(names.authority_secret()).await?.as_ref()),
        nodes_certificate: kept(secret(names.nodes_secret()).await?.as_ref()),
        courier_certificate: kept(secret(names.courier_secret()).await?.as_ref()),
        token: bootstrap.and_then(|secret| token(&secret)),
        stamp_key: None,
        api_keys: api_keys(cluster, &secrets).await?,
        stateful_set: stateful_set(&names, context).await?,
        answers: Vec::new(),
    };
    observed.answers = answers(&observed, context).await?;
    if !observed.is_bootstrapped() {
        let keys = stamp_keys::public_keys(&context.client, &context.namespace).await;
        let first = keys.map_err(|error| with_causes(&error)).and_then(|keys| {
            let first = keys.into_iter().next();
            first.ok_or_else(|| "there is no stamp key".to_owned())
        });
        observed.stamp_key = Some(first);
    }
    Ok(observed)
}

fn token(secret: &Secret) -> Option<String> {
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
    if observed.courier_certificate != Kept::Ours {
        return Ok(vec![None; observed.nodes.len()]);
    }
    let courier = context.couriers.get(&observed.cluster).await?;
    let asked = observed.nodes.iter().map(|node| ask(&courier, node));
    let answers: Vec<_> = futures::future::join_all(asked).await;
    if answers.iter().all(Option::is_none) {
        // The credential may have been made again.
        context.couriers.forget(&observed.cluster);
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
