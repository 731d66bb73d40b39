//! Audit events as a reader sees them: exactly as they are hashed, so that altered ones show.
//!
//! There is one chain for the whole cluster. A page (`application/json`) has the events that the caller may read and the
//! query asks for, without those in between. An export (`application/x-ndjson`) is the whole chain as [`AuditLine`]s: what
//! is not shown is a stub, so that every export can be verified. `docs/audit-format.md` describes both.

use confman_core::audit::{AuditEvent, AuditStub};
use confman_core::digest::Digest;
use confman_core::ids::{ClusterId, NamespacePath, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::config::PositionView;

/// One event. `hash` is SHA-256 over the canonical JSON (RFC 8785) of the event without `hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditEventView(pub AuditEvent);

/// One line of an export: an event is written as it is, everything else is an object with one member that says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditLine {
    /// The first line.
    Begin(AuditBegin),
    /// An event.
    Event(Box<AuditEvent>),
    /// An event that is not shown.
    Hidden(AuditStub),
    /// The last line: without it the export was cut off.
    End(AuditEnd),
}

/// First line of an export: `{"begin":{…}}`. What it says is not covered by a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditBegin {
    /// [`AuditBegin::FORMAT`].
    pub format: u32,
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Events of this namespace and those below it are shown, as far as the caller may read them.
    pub namespace: NamespacePath,
    /// True if the query asked for some of them only.
    pub filtered: bool,
}

impl AuditBegin {
    /// The format that this version writes and reads.
    pub const FORMAT: u32 = 1;
}

/// Last line of an export: `{"end":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditEnd {
    /// Number of events of the cluster when the export began, hidden ones included.
    pub count: u64,
    /// How many of them are hidden.
    pub hidden: u64,
    /// Hash of the last; 64 zeros if there is none.
    pub hash: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Marked {
    Begin(AuditBegin),
    Hidden(AuditStub),
    End(AuditEnd),
}

/// Which marker a line has; its other members do not matter yet.
#[derive(Deserialize)]
struct Marker<'a> {
    #[serde(borrow)]
    begin: Option<&'a RawValue>,
    #[serde(borrow)]
    hidden: Option<&'a RawValue>,
    #[serde(borrow)]
    end: Option<&'a RawValue>,
}

impl AuditLine {
    /// Parses one line.
    ///
    /// # Errors
    /// If it is none of the four, has members that this version does not know, or a member twice.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let Marker { begin, hidden, end } = serde_json::from_str(text)?;
        if begin.is_none() && hidden.is_none() && end.is_none() {
            return serde_json::from_str(text).map(|event| Self::Event(Box::new(event)));
        }
        match serde_json::from_str(text)? {
            Marked::Begin(begin) if begin.format == AuditBegin::FORMAT => Ok(Self::Begin(begin)),
            Marked::Begin(AuditBegin { format, .. }) => Err(serde_json::Error::custom(format!(
                "format {format} is not {}, the one that this version reads",
                AuditBegin::FORMAT
            ))),
            Marked::Hidden(stub) => Ok(Self::Hidden(stub)),
            Marked::End(end) => Ok(Self::End(end)),
        }
    }

    /// Appends the line, with its newline.
    ///
    /// # Errors
    /// Never, when writing to memory.
    pub fn write(self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Event(event) => serde_json::to_writer(&mut *out, &event)?,
            Self::Begin(begin) => serde_json::to_writer(&mut *out, &Marked::Begin(begin))?,
            Self::Hidden(stub) => serde_json::to_writer(&mut *out, &Marked::Hidden(stub))?,
            Self::End(end) => serde_json::to_writer(&mut *out, &Marked::End(end))?,
        }
        out.push(b'\n');
        Ok(())
    }
}

/// What a walk over the chain on one node found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerifyView {
    /// False if an event was altered, dropped, inserted or moved, as far as the walk went.
    pub ok: bool,
    /// True if the walk reached the head. Otherwise call again with `nextCursor`.
    pub complete: bool,
    /// Number of events walked so far, from the first of the cluster.
    pub count: u64,
    /// Where the chain ends on this node.
    pub head: AuditHeadView,
    /// The first event that breaks the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenView>,
    /// Pass as `cursor` to walk on; opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditHeadView {
    /// Number of events.
    pub count: u64,
    /// Hash of the last.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// Time of the last.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
}

/// Where and how the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenView {
    /// Id of the event at which it shows; none if events are missing at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// In words.
    pub detail: String,
}

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
    /// What the request does to its key.
    operation: Option<String>,
    /// Live version at submission, 0 for none.
    base_version: Option<u64>,
    /// Version that a rollback goes back to.
    to_version: Option<u64>,
    /// Approvals that it needs.
    required_approvals: Option<u8>,
    /// Whose approval cannot count.
    contributors: Option<Vec<String>>,
}
