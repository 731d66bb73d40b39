//! `ConfmanCluster`: a `StatefulSet` of nodes that replicate with Raft.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::schema::{self, Workflow};

/// A cluster of Confman nodes.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "confman.io",
    version = "v1alpha1",
    kind = "ConfmanCluster",
    doc = "A cluster of Confman nodes: a StatefulSet that replicates configuration with Raft.",
    namespaced,
    status = "ConfmanClusterStatus",
    shortname = "cmc",
    category = "confman",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 50")
        .message("metadata.name: a cluster's Services and pods are named after it, so it must be a DNS label that begins with a letter, of at most 50 characters"),
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".spec.replicas"}"#,
    printcolumn = r#"{"name":"Ready nodes","type":"integer","jsonPath":".status.readyReplicas"}"#,
    printcolumn = r#"{"name":"Leader","type":"string","jsonPath":".status.leader"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.defaults) == has(oldSelf.defaults)", "message": "defaults hold from bootstrap on and cannot be added or removed; tighten the workflow of / instead"},
    {"rule": "has(self.identity) == has(oldSelf.identity)", "message": "identity holds from bootstrap on and cannot be added or removed here; change it over HTTP, at /api/v1/admin/identity"}
]))]
pub struct ConfmanClusterSpec {
    /// Number of nodes: 1, 3, 5 or 7. Cannot be changed yet.
    #[serde(default = "three")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self in [1, 3, 5, 7]", "message": "replicas must be 1, 3, 5 or 7: an even number tolerates no more failures"},
        {"rule": "self == oldSelf", "message": "the number of nodes cannot be changed yet"}
    ]))]
    pub replicas: i32,
    /// Image of `confman-node`.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// First admins of `/`, as subjects such as `user:platform` or `group:admins`: 1 to 64. Cannot be changed yet.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 320)), extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "rootAdmins cannot be changed yet; change the roles of / instead"}
    ]))]
    pub root_admins: Vec<String>,
    /// What holds where nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "defaults hold from bootstrap on and cannot be changed; tighten the workflow of / instead"}
    ]))]
    pub defaults: Option<Defaults>,
    /// What can authenticate people and workloads from bootstrap on. Cannot be changed here: admins of `/` change it over
    /// HTTP, by a request that another of them approves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "identity holds from bootstrap on and cannot be changed here; change it over HTTP, at /api/v1/admin/identity"}
    ]))]
    pub identity: Option<Identity>,
    /// The volume of each node.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "storage cannot be changed yet"}
    ]))]
    pub storage: Storage,
    /// Resources of each node's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Who may call the nodes over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

fn three() -> i32 {
    3
}

/// Settings of `/` at bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Floor of every namespace's workflow; approval by one other person when not given.
    pub workflow: Workflow,
}

/// The volume of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Size, such as `10Gi`. Default `10Gi`.
    #[serde(default = "ten_gibibytes")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?([KMGTPE]i?|k)?$"))]
    pub size: String,
    /// Storage class; the default one when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: ten_gibibytes(),
            storage_class_name: None,
        }
    }
}

fn ten_gibibytes() -> String {
    "10Gi".to_owned()
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What a node is guaranteed, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What a node may use, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Authentication of HTTP callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Secret with one entry an API key: its name, and `sha256:<hex>` of its text (`confman-node keys`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys_secret_ref: Option<ApiKeysSecretRef>,
}

/// A Secret in the same Kubernetes namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeysSecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What the operator sees of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfmanClusterStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Available` (a majority serves).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Identity of the cluster in its log; set once, when it is bootstrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Pod that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Raft term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// Members of the Raft cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub members: Vec<Member>,
    /// Pods that serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Where pods of this Kubernetes read, as a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// One member of the Raft cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its pod.
    pub name: String,
    /// Random identity on its volume, decimal.
    pub id: String,
    /// `Leader`, `Follower`, `Candidate`, `Learner` or `Unknown`.
    pub role: String,
    /// Version of the program, where the node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
