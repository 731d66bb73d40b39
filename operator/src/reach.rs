//! From a reference to a courier for the cluster that it means, or the reason why there is none yet.

use confman_api::client::{ClientError, CourierClient};
use confman_api::internal::Rejection;
use confman_crds::ConfmanCluster;
use kube::Api;
use serde_json::Value;

use crate::context::{Context, Error, with_causes};

/// Reason of a condition: the cluster does not answer, or has no leader.
pub const CLUSTER_UNAVAILABLE: &str = "ClusterUnavailable";

/// Whether a cluster can be talked to.
#[derive(Clone, Debug)]
pub enum Reach {
    /// There is a courier, for the cluster with this identity.
    Ready(Box<CourierClient>, String),
    /// Something has to happen first: reason and message.
    NotYet(&'static str, String),
}

/// Looks for the cluster `namespace/name`, which `field` refers to.
pub async fn cluster(context: &Context, namespace: &str, name: &str, field: &str) -> Result<Reach, Error> {
    let api = Api::<ConfmanCluster>::namespaced(context.client.clone(), namespace);
    let Some(cluster) = api
        .get_opt(name)
        .await
        .map_err(Error::kubernetes("read the ConfmanCluster"))?
    else {
        let message = format!("{field}: there is no ConfmanCluster {name} in Kubernetes namespace {namespace}");
        return Ok(Reach::NotYet("ClusterMissing", message));
    };
    let Some(id) = cluster.status.as_ref().and_then(|status| status.cluster_id.clone()) else {
        let message = format!("ConfmanCluster {name} is not bootstrapped yet");
        return Ok(Reach::NotYet("ClusterNotReady", message));
    };
    Ok(match context.couriers.get(&cluster).await {
        Ok(courier) => Reach::Ready(Box::new(courier), id),
        Err(error) => Reach::NotYet(CLUSTER_UNAVAILABLE, with_causes(&error)),
    })
}

/// What a node said to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// It is in the log.
    Accepted(T),
    /// The rules say no: reason and message.
    Refused(String, String),
}

/// An answer as a verdict; an error where asking again may bring another.
pub fn verdict<T>(answer: Result<T, ClientError>, doing: &'static str) -> Result<Verdict<T>, Error> {
    match answer {
        Ok(accepted) => Ok(Verdict::Accepted(accepted)),
        Err(ClientError::Refused(rejection, problem)) => Ok(Verdict::Refused(name(&rejection), problem.detail)),
        Err(error) if error.is_transient() => Err(Error::node(doing)(error)),
        Err(ClientError::Problem(problem)) => {
            let field = problem
                .field
                .as_ref()
                .map(|field| format!("{field}: "))
                .unwrap_or_default();
            let limit = problem
                .limit
                .as_ref()
                .map(|limit| format!(" (limit: {limit})"))
                .unwrap_or_default();
            let message = format!("{field}{}{limit}", problem.detail);
            Ok(Verdict::Refused("NodeRefused".to_owned(), message))
        }
        Err(error @ (ClientError::Unreachable(_) | ClientError::OutcomeUnknown(_))) => Err(Error::node(doing)(error)),
    }
}

/// The stable name of a rejection, as a condition's reason: `SelfApproval`.
pub fn name(rejection: &Rejection) -> String {
    let json = serde_json::to_value(rejection).unwrap_or_default();
    let name = match &json {
        Value::String(name) => name.as_str(),
        Value::Object(members) => members.keys().next().map_or("", String::as_str),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => "",
    };
    let mut letters = name.chars();
    letters.next().map_or_else(
        || "Refused".to_owned(),
        |first| first.to_ascii_uppercase().to_string() + letters.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use confman_api::principal::Principal;

    use super::*;

    #[test]
    fn a_rejection_is_named_like_its_variant() {
        let principal = Principal::user("ada");
        assert_eq!(name(&Rejection::SelfApproval { principal }), "SelfApproval");
        assert_eq!(name(&Rejection::StampReplayed), "StampReplayed");
    }
}
