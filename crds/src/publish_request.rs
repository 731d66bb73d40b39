//! `PublishRequest`: one change of one key, its reviews, and what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A request to publish one change.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "confman.io",
    version = "v1alpha1",
    kind = "PublishRequest",
    doc = "A request to publish one change of one key. Creating it is submitting it; others approve it in its status.",
    namespaced,
    status = "PublishRequestStatus",
    shortname = "cpr",
    category = "confman",
    printcolumn = r#"{"name":"Namespace","type":"string","jsonPath":".spec.namespaceRef.name"}"#,
    printcolumn = r#"{"name":"Key","type":"string","jsonPath":".spec.key"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Approvals","type":"integer","jsonPath":".status.countedApprovals"}"#,
    printcolumn = r#"{"name":"Needed","type":"integer","jsonPath":".status.requiredApprovals"}"#,
    printcolumn = r#"{"name":"Version","type":"integer","jsonPath":".status.publishedVersion"}"#,
    printcolumn = r#"{"name":"Requested by","type":"string","jsonPath":".spec.requestedBy.username"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self == oldSelf", "message": "spec is immutable: what people review must not change; make a new request"},
    {"rule": "[has(self.text), has(self.json), has(self.binary)].filter(given, given).size() <= 1",
     "message": "give exactly one of value, json, text and binary"}
]))]
pub struct PublishRequestSpec {
    /// The `ConfigNamespace` in the same Kubernetes namespace.
    pub namespace_ref: NamespaceRef,
    /// The key: one path segment of at most 63 bytes; upper case and `_` are allowed.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?$")
    )]
    pub key: String,
    /// What to do with it.
    #[schemars(extend("enum" = ["Put"]))]
    pub operation: String,
    /// Any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_json")]
    pub value: Option<serde_json::Value>,
    /// The value as JSON text, kept exactly as written: at most 131072 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072))]
    pub json: Option<String>,
    /// The value as a string: at most 131072 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 131_072))]
    pub text: Option<String>,
    /// The value as bytes in base64: at most 131072 bytes decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 174_768))]
    pub binary: Option<String>,
    /// The live version that the change was made against, 0 for none; whatever is live at submission when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub expected_version: Option<i64>,
    /// Why: at most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub reason: Option<String>,
    /// User names that it was made on behalf of; they may not approve it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub on_behalf_of: Vec<String>,
    /// Who asked, as the API server authenticated them. Written by admission only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<RequestedBy>,
}

/// A `ConfigNamespace` in the same Kubernetes namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Who asked, with admission's signature over it, the spec and the object's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedBy {
    /// User name.
    #[schemars(length(min = 1, max = 256))]
    pub username: String,
    /// User id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub uid: Option<String>,
    /// Groups other than `system:*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 256)))]
    pub groups: Vec<String>,
    /// The cluster it is for.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub cluster_id: String,
    /// Digest of the rest of the spec.
    #[serde(default)]
    #[schemars(length(max = 71))]
    pub spec_digest: String,
    /// Makes it usable once: 32 hex digits.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub nonce: String,
    /// When.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub time: String,
    /// The key that signed.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub key_id: String,
    /// Ed25519 signature in base64.
    #[serde(default)]
    #[schemars(length(max = 88))]
    pub signature: String,
}

/// The inbox of reviewers, and the mirror of what the Raft log says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(oldSelf.reviews) || (has(self.reviews) && oldSelf.reviews.all(o, self.reviews.exists(n, n.reviewer == o.reviewer)))",
     "message": "a review cannot be removed"}
]))]
pub struct PublishRequestStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (published), `Reconciling`, `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// `PendingReview`, `Approved`, `Published`, `Rejected`, `Withdrawn` or `Superseded`; none until the cluster has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub state: Option<String>,
    /// What an approval binds to: cluster, path, key, operation, value and base version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub digest: Option<String>,
    /// Approvals needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_approvals: Option<i32>,
    /// Approvals that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_approvals: Option<i32>,
    /// The version that it published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_version: Option<i64>,
    /// Every step with its place in the Raft log, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub recorded: Vec<RecordedStep>,
    /// The inbox: each reviewer adds one entry, in their own name.
    #[serde(default)]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reviewer"]))]
    pub reviews: Vec<Review>,
    /// Reviews that the cluster refused, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reviewer"]))]
    pub refused_reviews: Vec<RefusedReview>,
}

/// One recorded step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedStep {
    /// `Submitted`, `Approved`, `Rejected`, `Withdrawn`, `Published` or `Superseded`.
    pub step: String,
    /// In whose name.
    pub actor: String,
    /// When.
    pub time: String,
    /// Raft term.
    pub term: i64,
    /// Raft index.
    pub index: i64,
}

/// One person's review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self == oldSelf || oldSelf.decision == 'Approve'", "message": "only an approval can be changed, into a rejection"}
]))]
pub struct Review {
    /// Own user name.
    #[schemars(length(min = 1, max = 256))]
    pub reviewer: String,
    /// `Approve`, `Reject`, or by the requester `Withdraw`.
    #[schemars(extend("enum" = ["Approve", "Reject", "Withdraw"]))]
    pub decision: String,
    /// `status.digest` of what was reviewed.
    #[schemars(length(min = 1, max = 71))]
    pub reviewed_digest: String,
    /// Why: at most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub comment: Option<String>,
    /// Written by admission only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<ReviewStamp>,
}

/// Who reviewed, as the API server authenticated them, with admission's signature over it and the whole review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewStamp {
    /// User name.
    #[schemars(length(min = 1, max = 256))]
    pub username: String,
    /// User id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub uid: Option<String>,
    /// Groups other than `system:*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 256)))]
    pub groups: Vec<String>,
    /// The cluster it is for.
    #[schemars(length(max = 64))]
    pub cluster_id: String,
    /// UID of the reviewed object.
    #[schemars(length(max = 64))]
    pub object_uid: String,
    /// Its requester.
    #[schemars(length(max = 256))]
    pub requester: String,
    /// When.
    #[schemars(length(max = 32))]
    pub time: String,
    /// The key that signed.
    #[schemars(length(max = 64))]
    pub key_id: String,
    /// Ed25519 signature in base64.
    #[schemars(length(max = 88))]
    pub signature: String,
}

/// A review that the cluster refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedReview {
    /// Who.
    #[schemars(length(max = 256))]
    pub reviewer: String,
    /// What they decided.
    #[schemars(length(max = 32))]
    pub decision: String,
    /// Name of the rule that said no, such as `SelfApproval`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The rule in words.
    #[schemars(length(max = 1024))]
    pub message: String,
}
