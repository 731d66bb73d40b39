//! Errors that stay until somebody does something: what a condition says about them.

use confman_crds::ConfmanCluster;

use super::names::Names;
use crate::context::{Error, with_causes};
use crate::courier::CourierError;

/// Reason and message; none for an error that may go by itself.
pub(super) fn blocked(
    error: &Error,
    cluster: &ConfmanCluster,
    operator_namespace: &str,
) -> Option<(&'static str, String)> {
    match error {
        Error::Kubernetes { doing: _, source } | Error::Courier(CourierError::Read(source)) => {
            let kube::Error::Api(answer) = source.as_ref() else {
                return None;
            };
            let said = with_causes(error);
            match answer.code {
                403 => Some(("Forbidden", forbidden(&said, cluster, operator_namespace))),
                400 | 422 => Some(("Invalid", said)),
                _ => None,
            }
        }
        Error::Courier(CourierError::Missing(_) | CourierError::Build(_)) => {
            let names = Names::of(cluster);
            let message = format!(
                "{}; it is made again when it is gone: kubectl -n {} delete secret {}",
                with_causes(error),
                names.namespace,
                names.courier_secret()
            );
            Some(("DamagedSecret", message))
        }
        Error::DamagedSecret { .. } | Error::Certificate(_) => {
            let names = Names::of(cluster);
            let message = format!(
                "{}; restore Secret {} in Kubernetes namespace {} from a backup",
                with_causes(error),
                names.authority_secret(),
                names.namespace
            );
            Some(("DamagedSecret", message))
        }
        Error::Node { .. } | Error::Randomness | Error::Incomplete(_) => None,
    }
}

fn forbidden(said: &str, cluster: &ConfmanCluster, operator_namespace: &str) -> String {
    // Quotas say no with the same code; no role helps against them.
    if !said.contains(" cannot ") {
        return said.to_owned();
    }
    let namespace = Names::of(cluster).namespace;
    format!(
        "the operator may not work in this Kubernetes namespace. Let it: kubectl -n {namespace} create rolebinding \
         confman-operator --clusterrole=confman-cluster-host --serviceaccount={operator_namespace}:confman-operator ({said})"
    )
}
