//! One immutable event per transition of a governed thing, chained by hashes.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::principal::Principal;
use crate::publish_request::RequestState;

/// What happened. The text form is stable and part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AuditAction {
    /// The cluster was bootstrapped.
    #[serde(rename = "cluster.initialised")]
    ClusterInitialised,
    /// A stamp key was added.
    #[serde(rename = "stamp-key.registered")]
    StampKeyRegistered,
    /// A namespace came into being.
    #[serde(rename = "namespace.created")]
    NamespaceCreated,
    /// A namespace's settings changed.
    #[serde(rename = "namespace.updated")]
    NamespaceUpdated,
    /// A namespace's object went away; its values stay.
    #[serde(rename = "namespace.released")]
    NamespaceReleased,
    /// A request was opened.
    #[serde(rename = "request.submitted")]
    RequestSubmitted,
    /// An approval was counted.
    #[serde(rename = "request.approved")]
    RequestApproved,
    /// A request was rejected.
    #[serde(rename = "request.rejected")]
    RequestRejected,
    /// A request was withdrawn.
    #[serde(rename = "request.withdrawn")]
    RequestWithdrawn,
    /// A request was superseded.
    #[serde(rename = "request.superseded")]
    RequestSuperseded,
    /// A reviewed value went live.
    #[serde(rename = "config.published")]
    ConfigPublished,
    /// A value went live without review, where the namespace allows it.
    #[serde(rename = "config.unreviewed")]
    ConfigUnreviewed,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditActor {
    /// The principal.
    pub principal: Principal,
    /// Peer address, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditResource {
    /// Config namespace.
    pub namespace: NamespacePath,
    /// Key, for changes of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ConfigKey>,
}

/// What changed, by digest; the values are in the versions named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditChange {
    /// Version that was live before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<u64>,
    /// Version that is live now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_version: Option<u64>,
    /// Digest before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<Digest>,
    /// Digest now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_digest: Option<Digest>,
}

/// Which request it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditWorkflow {
    /// The request.
    pub request_id: RequestId,
    /// Its state after the event.
    pub state: RequestState,
    /// Content digest that was submitted, approved or rejected.
    pub digest: Digest,
    /// Id of the stamp key that signed the person's intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp_key_id: Option<String>,
}

/// One event. `hash` is SHA-256 over the canonical JSON (RFC 8785) of the event without `hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditEvent {
    /// `evt_INDEX_SEQ`, unique in the cluster.
    pub id: String,
    /// Position of the log entry.
    pub position: LogPosition,
    /// 0, 1, … among the events of one log entry.
    pub seq: u32,
    /// Proposal time, never before the previous event's.
    pub time: Timestamp,
    /// What happened.
    pub action: AuditAction,
    /// Who did it.
    pub actor: AuditActor,
    /// To what.
    pub resource: AuditResource,
    /// What changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<AuditChange>,
    /// Under which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<AuditWorkflow>,
    /// Short human note, e.g. the requester's reason or the reviewer's comment; at most 2 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// W3C trace id of the call that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Hash of the event before; 64 zeros for the first.
    pub previous_hash: Digest,
    /// Hash of this event.
    pub hash: Digest,
}

/// Where the chain ends: replicated beside the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditHead {
    /// Number of events so far.
    pub count: u64,
    /// Hash of the last; 64 zeros before the first.
    pub hash: Digest,
    /// Time of the last.
    pub time: Timestamp,
}
