//! Finds by comparison what no longer exists: requests and namespaces in a cluster whose objects are gone. No finalizer
//! holds an object back, and a deletion that nobody watched is found too.

use std::time::Duration;

use confman_api::client::CourierClient;
use confman_api::internal::{Claim, ReleaseNamespace, RequestReference, RequestState, WithdrawCause, WithdrawRequest};
use confman_crds::{ConfigNamespace, ConfmanCluster};
use kube::api::ListParams;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource as _, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use crate::context::{Error, Shared, with_causes};
use crate::seen::SeenRequest;

/// Time between two comparisons.
const INTERVAL: Duration = Duration::from_secs(10);

/// The objects that the controllers have seen.
pub struct Known {
    /// Namespaces.
    pub namespaces: Store<ConfigNamespace>,
    /// Requests.
    pub requests: Store<SeenRequest>,
}

/// Compares until `stop`.
pub async fn run(known: Known, context: Shared, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        let api = context.watched::<ConfmanCluster>(&context.client);
        let clusters = match api.list(&ListParams::default()).await {
            Ok(clusters) => clusters.items,
            Err(error) => {
                tracing::warn!(%error, "clusters cannot be listed; deleted objects are found later");
                continue;
            }
        };
        for cluster in clusters {
            let is_bootstrapped = cluster
                .status
                .as_ref()
                .is_some_and(|status| status.cluster_id.is_some());
            if !is_bootstrapped || cluster.meta().deletion_timestamp.is_some() {
                continue;
            }
            if let Err(error) = sweep(&known, &context, &cluster).await {
                let (cluster, error) = (cluster.name_any(), with_causes(&error));
                tracing::warn!(cluster, error, "deleted objects could not be looked for");
            }
        }
    }
}

async fn sweep(known: &Known, context: &Shared, cluster: &ConfmanCluster) -> Result<(), Error> {
    let courier = context.couriers.get(cluster).await?;
    withdraw(&known.requests, context, &courier).await?;
    release(&known.namespaces, context, &courier).await
}

async fn withdraw(known: &Store<SeenRequest>, context: &Shared, courier: &CourierClient) -> Result<(), Error> {
    let open = courier.publish_requests(RequestState::PendingReview).await;
    for request in open.map_err(Error::node("list open requests"))? {
        let uid = request.id.to_string();
        let object = ObjectRef::new(&request.name).within(&request.kubernetes_namespace);
        let is_seen = known.get(&object).is_some_and(|seen| seen.uid().as_ref() == Some(&uid));
        // What is not seen may just be new: only the API server knows.
        if is_seen || exists(context, &request, &uid).await? {
            continue;
        }
        let command = WithdrawRequest {
            request_id: request.id,
            cause: WithdrawCause::ObjectDeleted,
        };
        courier
            .withdraw(&command)
            .await
            .map_err(Error::node("withdraw a request"))?;
        tracing::info!(request = uid, name = request.name, "withdrawn: its object is gone");
    }
    Ok(())
}

async fn release(known: &Store<ConfigNamespace>, context: &Shared, courier: &CourierClient) -> Result<(), Error> {
    let namespaces = courier.namespaces().await;
    for namespace in namespaces.map_err(Error::node("list namespaces"))? {
        let Some(claim) = namespace.claim else {
            continue;
        };
        let Claim {
            kubernetes_namespace,
            name,
            uid: _,
        } = &claim;
        // Another object under the same name takes the path over, or gives it up, when it is reconciled.
        if known.get(&ObjectRef::new(name).within(kubernetes_namespace)).is_some() {
            continue;
        }
        let api = Api::<ConfigNamespace>::namespaced(context.client.clone(), kubernetes_namespace);
        let found = api
            .get_opt(name)
            .await
            .map_err(Error::kubernetes("look for a ConfigNamespace"))?;
        if found.is_some() {
            continue;
        }
        let path = namespace.path;
        tracing::info!(%path, %claim, "released: its object is gone");
        let command = ReleaseNamespace { path, claim };
        courier
            .release_namespace(&command)
            .await
            .map_err(Error::node("release a namespace"))?;
    }
    Ok(())
}

async fn exists(context: &Shared, request: &RequestReference, uid: &str) -> Result<bool, Error> {
    let api = Api::<SeenRequest>::namespaced(context.client.clone(), &request.kubernetes_namespace);
    let found = api
        .get_opt(&request.name)
        .await
        .map_err(Error::kubernetes("look for a PublishRequest"))?;
    Ok(found.is_some_and(|object| object.uid().as_deref() == Some(uid)))
}
