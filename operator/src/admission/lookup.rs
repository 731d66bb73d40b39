//! Reads what a review refers to: the cluster of a config namespace, and whether somebody may approve there.

use confman_api::ids::ClusterId;
use confman_crds::{ConfigNamespace, ConfmanCluster};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::review::{Denied, UserInfo};

/// Reads from the API server, live: a stamp is never made from a stale cache.
#[derive(Clone)]
pub struct Lookup {
    client: Client,
}

impl Lookup {
    /// Reads with `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The cluster that the config namespace `kubernetes_namespace/name` belongs to.
    pub async fn cluster_of_namespace(&self, kubernetes_namespace: &str, name: &str) -> Result<ClusterId, Denied> {
        let api = Api::<ConfigNamespace>::namespaced(self.client.clone(), kubernetes_namespace);
        let found = api.get_opt(name).await.map_err(|error| unreadable(&error))?;
        let namespace = found.ok_or_else(|| {
            Denied::not_yet(format!(
                "spec.namespaceRef.name: there is no ConfigNamespace {name} in Kubernetes namespace \
                 {kubernetes_namespace}; create it first"
            ))
        })?;
        let cluster = &namespace.spec.cluster_ref.name;
        self.cluster(kubernetes_namespace, cluster).await
    }

    /// The id of the cluster `kubernetes_namespace/name`: the UID of its object.
    pub async fn cluster(&self, kubernetes_namespace: &str, name: &str) -> Result<ClusterId, Denied> {
        let api = Api::<ConfmanCluster>::namespaced(self.client.clone(), kubernetes_namespace);
        let found = api.get_opt(name).await.map_err(|error| unreadable(&error))?;
        let cluster = found.ok_or_else(|| {
            Denied::not_yet(format!(
                "spec.clusterRef.name: there is no ConfmanCluster {name} in Kubernetes namespace \
                 {kubernetes_namespace}; create it first"
            ))
        })?;
        let uid = cluster.metadata.uid.unwrap_or_default();
        ClusterId::parse(&uid).map_err(|error| Denied::unable(error.to_string()))
    }

    /// Whether RBAC lets `user` do `verb` to the config namespace.
    pub async fn may(
        &self,
        user: &UserInfo,
        verb: &str,
        kubernetes_namespace: &str,
        name: &str,
    ) -> Result<bool, Denied> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.username.clone()),
                uid: user.uid.clone(),
                groups: Some(user.groups.clone()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some("confman.io".to_owned()),
                    resource: Some("confignamespaces".to_owned()),
                    namespace: Some(kubernetes_namespace.to_owned()),
                    name: Some(name.to_owned()),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        let answered = api
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| unreadable(&error))?;
        Ok(matches!(
            answered.status,
            Some(SubjectAccessReviewStatus { allowed: true, .. })
        ))
    }
}

fn unreadable(error: &kube::Error) -> Denied {
    Denied::unable(format!(
        "admission cannot read from the Kubernetes API server: {error}; try again"
    ))
}
