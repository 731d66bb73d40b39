//! Audit events as a reader sees them: exactly as they are hashed, so that altered ones show.
//!
//! There is one chain for the whole cluster. Whoever may read every namespace reads all of it under `/api/v1/audit` and can
//! verify it. The trail of one namespace, or of those that a caller may read, leaves out the events in between: it shows
//! that its events were not altered, not that none is missing.

use confman_core::audit::AuditEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::PositionView;

/// One event. `hash` is SHA-256 over the canonical JSON (RFC 8785) of the event without `hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditEventView(pub AuditEvent);

/// Shape of an [`AuditEventView`], for the description of the interface.
#[derive(ToSchema)]
#[schema(as = AuditEvent, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AuditEventSchema {
    /// `evt_INDEX_SEQ`, unique in the cluster.
    id: String,
    /// Position of the log entry.
    position: PositionView,
    /// 0, 1, … among the events of one log entry.
    seq: u32,
    /// When.
    #[schema(format = DateTime)]
    time: String,
    /// What happened, e.g. `config.published`.
    action: String,
    /// Who did it.
    actor: AuditActorSchema,
    /// To what.
    resource: AuditResourceSchema,
    /// What changed, by version and digest.
    change: Option<AuditChangeSchema>,
    /// Under which request.
    workflow: Option<AuditWorkflowSchema>,
    /// What the person wrote.
    comment: Option<String>,
    /// W3C trace id of the call that caused it.
    trace_id: Option<String>,
    /// Hash of the event before.
    previous_hash: String,
    /// Hash of this event.
    hash: String,
}

/// Shape of the actor of an event.
#[derive(ToSchema)]
#[schema(as = AuditActor, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AuditActorSchema {
    /// The principal, e.g. `user:ada`.
    principal: String,
    /// The groups that gave the right to it, as the stamp names them.
    groups: Option<Vec<String>>,
    /// Id of the stamp key that signed the person's intent, where one did.
    stamp_key_id: Option<String>,
    /// Peer address, where there was one.
    ip: Option<String>,
}

/// Shape of the resource of an event.
#[derive(ToSchema)]
#[schema(as = AuditResource)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AuditResourceSchema {
    /// Config namespace.
    namespace: String,
    /// Key, for changes of a key.
    key: Option<String>,
}

/// Shape of the change of an event.
#[derive(ToSchema)]
#[schema(as = AuditChange, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AuditChangeSchema {
    /// Version that was live before.
    previous_version: Option<u64>,
    /// Version that is live now.
    new_version: Option<u64>,
    /// Digest before: of the value, or of the governance fields of a namespace.
    previous_digest: Option<String>,
    /// Digest now.
    new_digest: Option<String>,
}

/// Shape of the workflow of an event.
#[derive(ToSchema)]
#[schema(as = AuditWorkflow, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AuditWorkflowSchema {
    /// The request.
    request_id: String,
    /// Its state after the event.
    state: String,
    /// Content digest that was submitted, approved or rejected.
    digest: String,
}
