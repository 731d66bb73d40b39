//! What is there: the whole object, its namespace, and the cluster's view of the request.

use confman_api::client::CourierClient;
use confman_api::ids::RequestId;
use confman_api::internal::PublishRequest as Recorded;
use confman_crds::{ConfigNamespace, PublishRequest};
use kube::{Api, ResourceExt as _};

use super::refusals::Known;
use crate::context::{Context, Error, cut, with_causes};
use crate::reach::{self, CLUSTER_UNAVAILABLE, Reach};
use crate::seen::SeenRequest;

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// The object.
    pub object: PublishRequest,
    /// Its UID as an id.
    pub id: RequestId,
    /// What the cluster knows, or why it cannot be asked.
    pub view: View,
    /// Revision of the namespace, as last reported.
    pub revision: Option<i64>,
    /// Reviews that were refused at this revision.
    pub refusals: Known,
}

/// What the cluster knows.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// It was submitted.
    Known(Box<Recorded>),
    /// It was not.
    Unknown,
    /// It cannot be asked: reason and message.
    NotYet(&'static str, String),
}

/// What looking brought.
pub(super) enum Looked {
    /// The object is gone, or another has its name.
    Gone,
    /// Nobody can read it: why.
    Unreadable(String),
    /// All of it, and a courier where the cluster can be reached.
    Seen(Box<Observed>, Option<CourierClient>),
}

/// Looks.
pub(super) async fn observe(seen: &SeenRequest, context: &Context) -> Result<Looked, Error> {
    let namespace = seen.namespace().unwrap_or_default();
    let api = Api::<PublishRequest>::namespaced(context.client.clone(), &namespace);
    let object = match api.get_opt(&seen.name_any()).await {
        Ok(Some(object)) if object.uid() == seen.uid() => object,
        Ok(Some(_) | None) => return Ok(Looked::Gone),
        Err(kube::Error::SerdeError(error)) => return Ok(Looked::Unreadable(cut(&error.to_string(), 512))),
        Err(error) => return Err(Error::kubernetes("read the PublishRequest")(error)),
    };
    let uid = object.uid().unwrap_or_default();
    let id = RequestId::parse(&uid).map_err(|_| Error::Incomplete("usable uid"))?;
    let (reach, revision) = reach_namespace(&object, &namespace, context).await?;
    let (view, courier) = match reach {
        Reach::NotYet(reason, message) => (View::NotYet(reason, message), None),
        Reach::Ready(courier, _) => {
            let view = match courier.publish_request(&id).await {
                Ok(Some(known)) => View::Known(Box::new(known)),
                Ok(None) => View::Unknown,
                Err(error) if error.is_transient() => View::NotYet(CLUSTER_UNAVAILABLE, with_causes(&error)),
                Err(error) => return Err(Error::node("read the request")(error)),
            };
            (view, Some(*courier))
        }
    };
    let refusals = context.refusals.of(&uid, revision);
    let observed = Observed {
        object,
        id,
        view,
        revision,
        refusals,
    };
    Ok(Looked::Seen(Box::new(observed), courier))
}

async fn reach_namespace(
    object: &PublishRequest,
    namespace: &str,
    context: &Context,
) -> Result<(Reach, Option<i64>), Error> {
    let name = &object.spec.namespace_ref.name;
    let api = Api::<ConfigNamespace>::namespaced(context.client.clone(), namespace);
    let Some(found) = api
        .get_opt(name)
        .await
        .map_err(Error::kubernetes("read the ConfigNamespace"))?
    else {
        let message =
            format!("spec.namespaceRef.name: there is no ConfigNamespace {name} in Kubernetes namespace {namespace}");
        return Ok((Reach::NotYet("NamespaceMissing", message), None));
    };
    let revision = found.status.as_ref().and_then(|status| status.revision);
    if revision.is_none() {
        let message = format!("ConfigNamespace {name} is not declared in its cluster yet; its conditions say why");
        return Ok((Reach::NotYet("NamespaceNotReady", message), None));
    }
    let reach = reach::cluster(context, namespace, &found.spec.cluster_ref.name, "spec.clusterRef.name").await?;
    Ok((reach, revision))
}
