//! Changes as a watcher sees them: the events of a stream and what each carries.

use std::fmt;

use confman_core::audit::{AuditAction, AuditEvent};
use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::publish_request::RequestState;
use confman_core::value::ValueType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Media type of a stream (HTML Living Standard, section 9.2, server-sent events).
pub const EVENT_STREAM: &str = "text/event-stream";
/// Name of the first event of a stream; see [`ReadyView`].
pub const READY: &str = "ready";
/// Name of the event that says that changes may have been missed; see [`ResetView`].
pub const RESET: &str = "reset";
/// Name of the last event of a stream; see [`ClosedView`].
pub const CLOSED: &str = "closed";

/// What a change is about. Also the name of its event and an item of the parameter `types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A value went live, or was deleted.
    Values,
    /// A publish request moved, or a draft did.
    Workflow,
    /// A namespace, its roles and rules, what is said of a key, a schema, an API key, or the cluster changed.
    Governance,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Values, Self::Workflow, Self::Governance];

    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Workflow => "workflow",
            Self::Governance => "governance",
        }
    }

    /// The kind with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// What `action` is about.
    pub const fn of(action: AuditAction) -> Self {
        match action {
            AuditAction::ConfigPublished | AuditAction::ConfigUnreviewed | AuditAction::ConfigRolledBack => {
                Self::Values
            }
            AuditAction::RequestSubmitted
            | AuditAction::RequestApproved
            | AuditAction::RequestRejected
            | AuditAction::RequestWithdrawn
            | AuditAction::RequestSuperseded
            | AuditAction::DraftUpdated
            | AuditAction::DraftDeleted
            | AuditAction::RotationDue => Self::Workflow,
            AuditAction::ClusterInitialised
            | AuditAction::ClusterRecovered
            | AuditAction::StampKeyRegistered
            | AuditAction::NamespaceCreated
            | AuditAction::NamespaceUpdated
            | AuditAction::NamespaceReleased
            | AuditAction::NamespaceDeleted
            | AuditAction::EntryDescribed
            | AuditAction::SchemaStored
            | AuditAction::IdentityUpdated
            | AuditAction::ApiKeyIssued
            | AuditAction::ApiKeyRevoked => Self::Governance,
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One change. Its `id` in the stream is `INDEX.SEQ`: its place in the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// What happened, as the audit names it.
    #[schema(value_type = String, example = "config.published")]
    pub action: AuditAction,
    /// Namespace it happened in.
    #[schema(value_type = String, example = "/teams/payments")]
    pub namespace: NamespacePath,
    /// Key, where it was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "rate-limit")]
    pub key: Option<ConfigKey>,
    /// Number of the version that went live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Digest of the value that went live, or of the governance that came into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The publish request, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<ChangedRequest>,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Type of `value`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub value_type: Option<ValueType>,
    /// The value that went live, with `values=true` and unless it is sensitive or larger than the limit `watch-value`:
    /// any JSON; binary as a base64 string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
}

/// The request that a change belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedRequest {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RequestId,
    /// Its state after the change.
    #[schema(value_type = String, example = "PendingReview")]
    pub state: RequestState,
}

impl ChangeView {
    /// What watchers see of `event`: no actor, no comment, no value.
    pub fn of(event: &AuditEvent) -> Self {
        // What is only proposed has neither version nor digest here.
        let is_in_force = ChangeKind::of(event.action) != ChangeKind::Workflow;
        let change = event.change.as_ref().filter(|_| is_in_force);
        Self {
            action: event.action,
            namespace: event.resource.namespace.clone(),
            key: event.resource.key.clone(),
            version: change.and_then(|change| change.new_version),
            digest: change.and_then(|change| change.new_digest),
            request: event.workflow.as_ref().map(|workflow| ChangedRequest {
                id: workflow.request_id.clone(),
                state: workflow.state,
            }),
            time: event.time,
            value_type: None,
            value: None,
        }
    }
}

/// First event of a stream: everything up to `index` is older than what follows. Its `id` resumes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Log index.
    pub index: u64,
}

/// Why a stream could not go on where it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResetReason {
    /// The position is older than the oldest change that is kept.
    TooOld,
    /// The position is ahead of the log: it is of another log, perhaps of one before a restore.
    AheadOfLog,
    /// The position names no change of this log.
    Unknown,
    /// The position is of a log entry that was lost: the cluster was recovered from an older one.
    Recovered,
}

/// Changes may have been missed: read everything again, with `consistency=index=INDEX`. The stream goes on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetView {
    /// Why.
    pub reason: ResetReason,
    /// Log index to read at, at least.
    pub index: u64,
}

/// Why a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedReason {
    /// The caller may not read the namespace any more, or it is gone. Asking again will not help.
    AccessLost,
    /// The credential is not accepted any more.
    Unauthorized,
    /// The node stops; another one goes on after the last `id`.
    Stopping,
    /// The node cannot read its state; another one may.
    Failed,
}

/// Last event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedView {
    /// Why.
    pub reason: ClosedReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_names_and_by_no_other() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(kind.name()), Some(kind));
        }
        for unknown in ["", "Values", "value", "values,workflow"] {
            assert_eq!(ChangeKind::parse(unknown), None, "{unknown:?}");
        }
    }
}
