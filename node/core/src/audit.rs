//! One immutable event per transition of a governed thing, chained by hashes.

use std::collections::BTreeSet;

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
}

/// How a list of events fails to be the whole, unaltered trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An event was altered, or its hash was.
    #[error("event {id} was altered: its hash is {given}, its content has {computed}")]
    Altered {
        /// Id of the event.
        id: String,
        /// The hash it carries.
        given: Digest,
        /// The hash of its content.
        computed: Digest,
    },
    /// An event does not follow the one before: one was dropped, inserted or moved.
    #[error("event {id} does not follow the one before: it names {given}, the one before has {expected}")]
    Broken {
        /// Id of the event.
        id: String,
        /// The hash it names.
        given: Digest,
        /// The hash of the event before.
        expected: Digest,
    },
    /// Position or time runs back, or the id is not the position's.
    #[error("event {id} is out of order")]
    OutOfOrder {
        /// Id of the event.
        id: String,
    },
    /// The last event is not the one that the cluster says is the last.
    #[error(
        "the trail ends after {given} events with {given_hash}, the cluster has {expected} ending with {expected_hash}"
    )]
    Truncated {
        /// Number of events given.
        given: u64,
        /// Hash of the last one given.
        given_hash: Digest,
        /// Number of events in the cluster.
        expected: u64,
        /// Hash of its last one.
        expected_hash: Digest,
    },
}

/// Verifies a whole trail, oldest first, against the head that the cluster holds.
///
/// # Errors
/// At the first event that was altered, dropped, inserted or moved, and when the end is missing.
pub fn verify(events: &[AuditEvent], head: &AuditHead) -> Result<(), ChainError> {
    let mut before: Option<&AuditEvent> = None;
    for event in events {
        verify_one(event, before)?;
        before = Some(event);
    }
    let (given, given_hash) = (events.len() as u64, before.map_or(Digest::ZERO, |last| last.hash));
    if (given, given_hash) == (head.count, head.hash) {
        return Ok(());
    }
    Err(ChainError::Truncated {
        given,
        given_hash,
        expected: head.count,
        expected_hash: head.hash,
    })
}

fn verify_one(event: &AuditEvent, before: Option<&AuditEvent>) -> Result<(), ChainError> {
    let id = || event.id.clone();
    let computed = event.computed_hash();
    if computed != event.hash {
        return Err(ChainError::Altered {
            id: id(),
            given: event.hash,
            computed,
        });
    }
    let expected = before.map_or(Digest::ZERO, |before| before.hash);
    if event.previous_hash != expected {
        return Err(ChainError::Broken {
            id: id(),
            given: event.previous_hash,
            expected,
        });
    }
    let in_order = before.is_none_or(|before| {
        let place = |event: &AuditEvent| (event.position.index, event.seq);
        place(before) < place(event) && before.position.term <= event.position.term && before.time <= event.time
    });
    if !in_order || event.id != AuditEvent::id_of(event.position.index, event.seq) {
        return Err(ChainError::OutOfOrder { id: id() });
    }
    Ok(())
}
