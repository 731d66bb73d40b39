//! One immutable event per transition of a governed thing, chained by hashes.

mod chain;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::principal::Principal;
use crate::publish_request::{Operation, RequestState};

pub use self::chain::{Chain, ChainError, verify};

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
    /// A value went live, or a key was deleted, without review, where the namespace allows it.
    #[serde(rename = "config.unreviewed")]
    ConfigUnreviewed,
    /// An earlier version went live again without review, where the namespace allows it.
    #[serde(rename = "config.rolled-back")]
    ConfigRolledBack,
    /// A draft was written.
    #[serde(rename = "draft.updated")]
    DraftUpdated,
    /// A draft was thrown away, or became a version.
    #[serde(rename = "draft.deleted")]
    DraftDeleted,
    /// A namespace was deleted.
    #[serde(rename = "namespace.deleted")]
    NamespaceDeleted,
    /// Description, tags, pins or `final` of a key changed.
    #[serde(rename = "entry.described")]
    EntryDescribed,
    /// A revision of a schema was stored.
    #[serde(rename = "schema.stored")]
    SchemaStored,
    /// What can authenticate a person changed.
    #[serde(rename = "identity.updated")]
    IdentityUpdated,
    /// An API key was issued.
    #[serde(rename = "api-key.issued")]
    ApiKeyIssued,
    /// An API key was revoked.
    #[serde(rename = "api-key.revoked")]
    ApiKeyRevoked,
    /// A live value became older than its schema allows.
    #[serde(rename = "rotation.due")]
    RotationDue,
    /// The cluster was made of what another one had left.
    #[serde(rename = "cluster.recovered")]
    ClusterRecovered,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditActor {
    /// The principal: the person, where the login is an alias of one.
    pub principal: Principal,
    /// The login, where it is another than the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Principal>,
    /// The groups that gave the right to it, as the stamp names them; none where the principal itself holds the role.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<Principal>,
    /// Id of the stamp key that signed the person's intent, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp_key_id: Option<String>,
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

/// What changed, by digest; the values are in the versions named. Of a namespace: [`crate::digest::governance_digest`] of
/// its fields, with roles and workflow, and at bootstrap with the admins and the workflow floor of `/`.
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
    /// What the request does to its key: a part of what `digest` is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Live version at submission, 0 for none: a part of what `digest` is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<u64>,
    /// Version that a rollback goes back to: a part of what `digest` is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u64>,
    /// Approvals that it needs: by the policy at submission and by that at this event, the stricter of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_approvals: Option<u8>,
    /// Whose approval cannot count: the requester, and everyone who made the content.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub contributors: BTreeSet<Principal>,
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

/// An event that is not shown, only its place in the chain: what a partial export has instead of it. Its hash is that of
/// the whole event, so the chain holds, and whoever sees the event later can tell that it is this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditStub {
    /// As of the event.
    pub id: String,
    /// As of the event.
    pub position: LogPosition,
    /// As of the event.
    pub seq: u32,
    /// As of the event.
    pub previous_hash: Digest,
    /// As of the event.
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

impl Default for AuditHead {
    /// Before the first event.
    fn default() -> Self {
        Self {
            count: 0,
            hash: Digest::ZERO,
            time: Timestamp::default(),
        }
    }
}

impl AuditEvent {
    /// The id of the event `seq` of the log entry `index`.
    pub fn id_of(index: u64, seq: u32) -> String {
        format!("evt_{index}_{seq}")
    }

    /// The hash that this event must carry: SHA-256 over the canonical JSON of the event without `hash`.
    ///
    /// # Panics
    /// Never: an event serialises to a JSON object.
    pub fn computed_hash(&self) -> Digest {
        let mut event = serde_json::to_value(self).expect("an event serialises");
        if let Some(members) = event.as_object_mut() {
            members.remove("hash");
        }
        Digest::of_canonical(&event)
    }

    /// The event without what it says.
    pub fn stub(&self) -> AuditStub {
        AuditStub {
            id: self.id.clone(),
            position: self.position,
            seq: self.seq,
            previous_hash: self.previous_hash,
            hash: self.hash,
        }
    }
}
