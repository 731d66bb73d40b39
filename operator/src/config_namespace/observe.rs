//! What is there: the object, and the namespaces that the cluster knows.

use confman_api::client::CourierClient;
use confman_api::internal::ConfigNamespace as Declared;
use confman_crds::ConfigNamespace;
use kube::ResourceExt as _;

use crate::context::{Context, Error, with_causes};
use crate::reach::{self, CLUSTER_UNAVAILABLE, Reach};

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// The object.
    pub object: ConfigNamespace,
    /// What the cluster knows, or why it cannot be asked.
    pub known: Known,
}

/// What the cluster knows.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// Every namespace, of the cluster with this identity.
    Namespaces(Vec<Declared>, String),
    /// It cannot be asked: reason and message.
    NotYet(&'static str, String),
}

/// Looks.
pub(super) async fn observe(
    object: &ConfigNamespace,
    context: &Context,
) -> Result<(Observed, Option<CourierClient>), Error> {
    let namespace = object.namespace().unwrap_or_default();
    let cluster = &object.spec.cluster_ref.name;
    let (known, courier) = match reach::cluster(context, &namespace, cluster, "spec.clusterRef.name").await? {
        Reach::NotYet(reason, message) => (Known::NotYet(reason, message), None),
        Reach::Ready(courier, id) => {
            let known = match courier.namespaces().await {
                Ok(namespaces) => Known::Namespaces(namespaces, id),
                Err(error) if error.is_transient() => Known::NotYet(CLUSTER_UNAVAILABLE, with_causes(&error)),
                Err(error) => return Err(Error::node("list the namespaces of the cluster")(error)),
            };
            (known, Some(*courier))
        }
    };
    let object = object.clone();
    Ok((Observed { object, known }, courier))
}
