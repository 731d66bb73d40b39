//! The workflow item for one change of one key.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::principal::Principal;
use crate::value::ConfigValue;

/// What a requester asked for: the canonical spec of a `PublishRequest` object without `requestedBy`.
///
/// The requester's stamp binds [`crate::digest::spec_digest`] of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestSpec {
    /// Name of the `ConfigNamespace` object in the same Kubernetes namespace.
    pub namespace_ref: String,
    /// The key to change.
    pub key: ConfigKey,
    /// What to do with it.
    pub operation: Operation,
    /// The new value; required for `Put`.
    #[serde(default)]
    pub value: Option<ConfigValue>,
    /// Live version the change was made against, 0 for "no such key"; none: whatever is live at submission.
    #[serde(default)]
    pub expected_version: Option<u64>,
    /// Why, at most 2 KiB.
    #[serde(default)]
    pub reason: Option<String>,
    /// Kubernetes user names that this was made on behalf of, at most 16; they may not approve it.
    #[serde(default)]
    pub on_behalf_of: BTreeSet<String>,
}

impl RequestSpec {
    /// Largest value in canonical form, in bytes: the object and its copy in an annotation must fit etcd's limit.
    pub const MAX_VALUE_BYTES: usize = 128 * 1024;
    /// Longest reason in bytes.
    pub const MAX_REASON_BYTES: usize = 2048;
    /// Most people that a request is made on behalf of.
    pub const MAX_ON_BEHALF_OF: usize = 16;
}

/// What a request does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Publish a new value.
    Put,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestState {
    /// Waiting for reviews.
    PendingReview,
    /// Enough approvals; publishing. Passed through within one log entry.
    Approved,
    /// The value is live (or was, since).
    Published,
    /// Someone said no.
    Rejected,
    /// Ended without a decision.
    Withdrawn,
    /// Approved, but the live version had moved; or this very spec of this very object was published before, as
    /// [`PublishRequest::published_version`] then says. Nothing was published.
    Superseded,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::PendingReview,
        Self::Approved,
        Self::Published,
        Self::Rejected,
        Self::Withdrawn,
        Self::Superseded,
    ];

    /// True once nothing more can happen.
    pub const fn is_final(self) -> bool {
        match self {
            Self::PendingReview | Self::Approved => false,
            Self::Published | Self::Rejected | Self::Withdrawn | Self::Superseded => true,
        }
    }
}

impl fmt::Display for RequestState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// What a reviewer decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Decision {
    /// Publish it.
    Approve,
    /// Do not; final.
    Reject,
    /// The requester takes it back.
    Withdraw,
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// One recorded transition of a request, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// In whose name.
    pub actor: Principal,
    /// Groups of the reviewer that gave the right to review; so the right can be looked at again when it is decided.
    #[serde(default)]
    pub groups: BTreeSet<Principal>,
    /// Proposal time.
    pub at: Timestamp,
    /// Log position.
    pub position: LogPosition,
    /// What the person wrote, at most 2 KiB.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Kind of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// Opened.
    Submitted,
    /// One approval counted.
    Approved,
    /// Rejected.
    Rejected,
    /// Withdrawn by the requester, or because its object was deleted.
    Withdrawn,
    /// Published as [`PublishRequest::published_version`].
    Published,
    /// Superseded, see [`RequestState::Superseded`].
    Superseded,
}

/// A publish request as replicated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRequest {
    /// UID of its object.
    pub id: RequestId,
    /// Kubernetes namespace of its object.
    pub kubernetes_namespace: String,
    /// Name of its object.
    pub name: String,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// What was asked for.
    pub spec: RequestSpec,
    /// Digest of `spec`; a repeat with another is refused.
    pub spec_digest: Digest,
    /// What reviewers approve: see [`crate::digest::content_digest`].
    pub digest: Digest,
    /// Live version at submission, 0 for none.
    pub base_version: u64,
    /// Kubernetes user name of the requester, as stamped.
    pub requested_by_username: String,
    /// The requester.
    pub requested_by: Principal,
    /// Approvals needed by the policy at submission (one more when the requester is no named human).
    pub required_approvals: u8,
    /// Where it stands.
    pub state: RequestState,
    /// Every transition, oldest first; the approvals among them are the ones counted.
    pub steps: Vec<Step>,
    /// The version it made, or found live; for a superseded one: the version that the same spec made before.
    #[serde(default)]
    pub published_version: Option<u64>,
}

impl PublishRequest {
    /// Everyone whose approval is counted, in order.
    pub fn approvers(&self) -> impl Iterator<Item = &Principal> {
        self.steps
            .iter()
            .filter(|step| step.kind == StepKind::Approved)
            .map(|step| &step.actor)
    }

    /// Requester and everyone it was made on behalf of: none of them may approve.
    pub fn contributors(&self) -> BTreeSet<Principal> {
        let on_behalf_of = self
            .spec
            .on_behalf_of
            .iter()
            .map(|username| Principal::from_kubernetes_username(username));
        on_behalf_of.chain([self.requested_by.clone()]).collect()
    }
}
