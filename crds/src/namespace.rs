//! `ConfigNamespace`: a config namespace in Raft, its roles and its workflow.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{self, Workflow};

/// A config namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "confman.io",
    version = "v1alpha1",
    kind = "ConfigNamespace",
    doc = "A config namespace: a path in a Confman cluster, who holds which role there, and what a change needs.",
    namespaced,
    status = "ConfigNamespaceStatus",
    shortname = "cns",
    category = "confman",
    printcolumn = r#"{"name":"Path","type":"string","jsonPath":".spec.path"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Approvers","type":"integer","jsonPath":".spec.workflow.minApprovers"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ConfigNamespaceSpec {
    /// The `ConfmanCluster` in the same Kubernetes namespace.
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "clusterRef is immutable"}
    ]))]
    pub cluster_ref: ClusterRef,
    /// Path of the config namespace, such as `/teams/payments`: at most 16 segments and 512 bytes. Immutable.
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^/([a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?){0,15})?$"),
        extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "path is immutable"}])
    )]
    pub path: String,
    /// A name for people: at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub display_name: Option<String>,
    /// What it is for: at most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub description: Option<String>,
    /// Contact of the owning team: at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub owner: Option<String>,
    /// Whether the roles of the parent also hold here. The parent's workflow holds either way. Default true.
    #[serde(default = "inherits")]
    pub inherit: bool,
    /// Who holds which role, as subjects: `user:NAME`, `group:NAME`, `serviceaccount:NAMESPACE/NAME` or `key:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
    /// What a change needs; the parent's when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Workflow>,
}

fn inherits() -> bool {
    true
}

/// A `ConfmanCluster` in the same Kubernetes namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Role assignments; each role may also do what the ones before it may. At most 256 subjects in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Roles {
    /// Read published values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 320)), extend("x-kubernetes-list-type" = "set"))]
    pub viewer: Vec<String>,
    /// Also submit changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 320)), extend("x-kubernetes-list-type" = "set"))]
    pub editor: Vec<String>,
    /// Also approve and reject changes of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 320)), extend("x-kubernetes-list-type" = "set"))]
    pub publisher: Vec<String>,
    /// Also change roles and workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 320)), extend("x-kubernetes-list-type" = "set"))]
    pub admin: Vec<String>,
}

/// What the operator sees of a config namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigNamespaceStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Identity of the cluster that it is declared in: a cluster made anew knows nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Log index of the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Digest of the governance stamp in force; the next one follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub governance_stamp: Option<String>,
}
