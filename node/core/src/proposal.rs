//! What the leader offers to the log: a time, a command, and the trace it belongs to.
//!
//! Everything that apply may not read for itself (time, ids, who asked) is in here.

use serde::{Deserialize, Serialize};

use crate::cluster::StampKey;
use crate::ids::{ClusterId, ConfigKey, NamespacePath, RequestId, Timestamp};
use crate::namespace::{Claim, NamespaceSettings, Workflow};
use crate::principal::{Actor, Principal};
use crate::publish_request::RequestSpec;
use crate::stamp::{GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement};
use crate::value::ConfigValue;

/// One entry offered to the Raft log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proposal {
    /// Wall clock of the proposing leader. Apply never lets time run back: it uses the later of this and the last event's.
    pub proposed_at: Timestamp,
    /// W3C trace id (32 hex digits) of the call that caused it; copied into the audit event.
    pub trace_id: Option<String>,
    /// The intent.
    pub command: Command,
}

/// Every intent the state machine knows; one variant, one file under `apply/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Bootstraps the state: cluster record, root namespace, first stamp key. Once.
    InitialiseCluster(InitialiseCluster),
    /// Adds a stamp key that a current one has signed.
    RegisterStampKey(RegisterStampKey),
    /// Creates or updates a config namespace from a `ConfigNamespace` object.
    DeclareNamespace(DeclareNamespace),
    /// Frees the claim of a deleted `ConfigNamespace` object; values stay.
    ReleaseNamespace(ReleaseNamespace),
    /// Opens a publish request.
    SubmitRequest(SubmitRequest),
    /// One person's approval; the last one needed publishes.
    ApproveRequest(ReviewRequest),
    /// One person's rejection; final.
    RejectRequest(ReviewRequest),
    /// Ends a pending request without a decision.
    WithdrawRequest(WithdrawRequest),
    /// Direct write of one key, only where approval is not required.
    PutEntry(PutEntry),
}

/// Bootstraps the state with what the operator's one-use token authorised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialiseCluster {
    /// UID of the `ConfmanCluster` object (a random UUID outside Kubernetes).
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the `ConfmanCluster`.
    pub kubernetes_namespace: String,
    /// Name of the `ConfmanCluster`.
    pub name: String,
    /// Admins of `/`: at least one, at most 64.
    pub root_admins: Vec<Principal>,
    /// Workflow floor of `/`.
    pub workflow: Workflow,
    /// First key of the admission service; none only where nothing is ever stamped (`confman-node dev`).
    pub stamp_key: Option<StampKey>,
}

/// Adds `key`, vouched for by the current key that signed the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterStampKey {
    /// The new key, signed by a current one.
    pub key: Signed<StampKeyStatement>,
}

/// Creates or updates a config namespace; the stamped person must hold the right, the courier needs none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclareNamespace {
    /// The object that claims the path.
    pub claim: Claim,
    /// Immutable path of the config namespace.
    pub path: NamespacePath,
    /// The wanted settings, governance fields and descriptive ones.
    pub settings: NamespaceSettings,
    /// Who asked for the governance fields in `settings`.
    pub governance: Signed<GovernanceStatement>,
}

/// Frees the claim `claim` on `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseNamespace {
    /// The path to free.
    pub path: NamespacePath,
    /// The claim that is gone; another one is refused.
    pub claim: Claim,
}

/// Opens a publish request from a `PublishRequest` object. Idempotent by `request_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitRequest {
    /// UID of the object.
    pub request_id: RequestId,
    /// The spec as stored by the API server, without `requestedBy`.
    pub spec: RequestSpec,
    /// Who created the object, signed by admission; binds the spec by its digest.
    pub requester: Signed<RequesterStatement>,
}

/// One review of one request. Idempotent by (request, reviewer, decision).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewRequest {
    /// The request under review.
    pub request_id: RequestId,
    /// Who decided what on which digest, signed by admission.
    pub review: Signed<ReviewStatement>,
}

/// Ends a pending request without a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawRequest {
    /// The request to end.
    pub request_id: RequestId,
    /// Why it ends.
    pub cause: WithdrawCause,
}

/// Why a request is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WithdrawCause {
    /// The requester said so in a stamped review with decision `Withdraw`.
    ByRequester(Box<Signed<ReviewStatement>>),
    /// The `PublishRequest` object with this UID no longer exists.
    ObjectDeleted,
}

/// Direct write of one key by an authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutEntry {
    /// Who writes.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The new value.
    pub value: ConfigValue,
    /// Digest of the live value the caller saw (`If-Match`); none writes unconditionally.
    pub expected_digest: Option<crate::digest::Digest>,
}
