//! Names of everything that belongs to one cluster.

use confman_crds::ConfmanCluster;
use kube::ResourceExt as _;

/// The names of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The object, its client Service, StatefulSet, ServiceAccount and PodDisruptionBudget.
    pub cluster: String,
}

impl Names {
    /// The names of `cluster`.
    pub fn of(cluster: &ConfmanCluster) -> Self {
        Self {
            namespace: cluster.namespace().unwrap_or_default(),
            cluster: cluster.name_any(),
        }
    }

    /// Headless Service of the pods.
    pub fn peers_service(&self) -> String {
        format!("{}-peers", self.cluster)
    }

    /// Pod of the node `ordinal`.
    pub fn pod(&self, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.cluster)
    }

    /// Host name of the node `ordinal`.
    pub fn host(&self, ordinal: i32) -> String {
        format!("{}.{}.{}.svc", self.pod(ordinal), self.peers_service(), self.namespace)
    }

    /// Secret with the CA and its key. It outlives the object.
    pub fn authority_secret(&self) -> String {
        format!("{}-ca", self.cluster)
    }

    /// Secret with the courier's certificate. It outlives the object.
    pub fn courier_secret(&self) -> String {
        format!("{}-courier", self.cluster)
    }

    /// Secret with the nodes' certificate.
    pub fn nodes_secret(&self) -> String {
        format!("{}-nodes", self.cluster)
    }

    /// Secret with the one-use token.
    pub fn bootstrap_secret(&self) -> String {
        format!("{}-bootstrap", self.cluster)
    }
}
