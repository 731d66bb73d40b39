//! The workflow item for one change of one key.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::StampKey;
use crate::digest::Digest;
use crate::entry::EntryMeta;
use crate::identity::Identity;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::namespace::{Claim, NamespaceSettings};
use crate::principal::Principal;
use crate::value::ConfigValue;

/// What a requester asked for: the canonical spec of a `PublishRequest` object without `requestedBy`.
///
/// The requester's stamp binds [`crate::digest::spec_digest`] of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestSpec {
    /// Name of the `ConfigNamespace` object in the same Kubernetes namespace; without an object, the path.
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
    /// The version to go back to; required for `Rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u64>,
    /// Digest of the draft whose value is asked for, instead of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Digest>,
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
    /// Delete the key.
    Delete,
    /// Publish the value of an earlier version again.
    Rollback,
    /// Change the governance of the namespace.
    Govern,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestState {
    /// Waiting for reviews.
    PendingReview,
    /// Enough approvals; waits for a publisher where the namespace says so.
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
    /// Publish what is approved.
    Publish,
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
    /// In whose name, as the login was known then.
    pub actor: Principal,
    /// As the reviewer logged in, where that was another name. Who is behind it may be known otherwise later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Principal>,
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

impl Step {
    /// Every name that it was taken under.
    pub fn names(&self) -> impl Iterator<Item = &Principal> {
        [&self.actor].into_iter().chain(&self.login)
    }
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

/// The `PublishRequest` object that a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestObject {
    /// Its Kubernetes namespace.
    pub kubernetes_namespace: String,
    /// Its name.
    pub name: String,
    /// Kubernetes user name of the requester, as stamped.
    pub requested_by_username: String,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// One key.
    Key(RequestSpec),
    /// The governance of the namespace.
    Governance(Box<GovernanceChange>),
}

/// A change that loosens governance, and so needs others to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "requests keep it in a box, and few are made")]
pub enum GovernanceChange {
    /// The settings of the namespace.
    Settings(SettingsChange),
    /// `final` or a pin of a key.
    Entry {
        /// The key.
        key: ConfigKey,
        /// What is said about it from then on.
        meta: EntryMeta,
    },
    /// What can authenticate a person; of `/` only.
    Identity(Identity),
    /// One stamp key more; of `/` only.
    StampKey(StampKey),
}

/// New settings of a namespace, and what they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsChange {
    /// The settings.
    pub settings: NamespaceSettings,
    /// The object that asked; none over HTTP.
    pub claim: Option<Claim>,
    /// Digest of its governance stamp.
    pub governance_stamp: Option<Digest>,
    /// In a line: what it loosens.
    pub loosens: String,
}

/// A publish request as replicated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRequest {
    /// UID of its object; without one, `pr-` and the log index of its submission.
    pub id: RequestId,
    /// Its object; none for one made over HTTP, or by a change of governance.
    pub object: Option<RequestObject>,
    /// Config namespace of the change.
    pub namespace: NamespacePath,
    /// What was asked for.
    pub subject: Subject,
    /// The value that a draft or an earlier version had at submission, where the spec itself has none.
    pub value: Option<ConfigValue>,
    /// Digest of what was asked for; a repeat with another is refused.
    pub spec_digest: Digest,
    /// What reviewers approve: see [`crate::digest::content_digest`].
    pub digest: Digest,
    /// Last version at submission, a deletion counted, 0 before the first; of governance: revision of the namespace.
    pub base_version: u64,
    /// The requester.
    pub requested_by: Principal,
    /// Everyone who had a hand in it, the requester among them: none of them may approve.
    pub contributors: BTreeSet<Principal>,
    /// Approvals needed by the policy at submission (one more when the requester is no named human).
    pub required_approvals: u8,
    /// Where it stands.
    pub state: RequestState,
    /// Every transition, oldest first; the approvals among them are the ones counted.
    pub steps: Vec<Step>,
    /// The version it made, or found live; for a superseded one: the version that the same spec made before.
    #[serde(default)]
    pub published_version: Option<u64>,
    /// The rejected request that this one tries again.
    #[serde(default)]
    pub resubmits: Option<RequestId>,
    /// True if the schema calls the key sensitive or encrypted: its value is not shown in diffs.
    #[serde(default)]
    pub is_sensitive: bool,
    /// True if the policy at submission let somebody publish what is approved; that stays so.
    #[serde(default)]
    pub waits_for_publisher: bool,
}

impl PublishRequest {
    /// Every approval that was given, in order.
    pub fn approvals(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.kind == StepKind::Approved)
    }

    /// Who gave them.
    pub fn approvers(&self) -> impl Iterator<Item = &Principal> {
        self.approvals().map(|step| &step.actor)
    }

    /// The key that it changes, if it changes one.
    pub fn key(&self) -> Option<&ConfigKey> {
        match &self.subject {
            Subject::Key(spec) => Some(&spec.key),
            Subject::Governance(change) => match change.as_ref() {
                GovernanceChange::Entry { key, meta: _ } => Some(key),
                GovernanceChange::Settings(_) | GovernanceChange::Identity(_) | GovernanceChange::StampKey(_) => None,
            },
        }
    }

    /// What it does.
    pub fn operation(&self) -> Operation {
        match &self.subject {
            Subject::Key(spec) => spec.operation,
            Subject::Governance(_) => Operation::Govern,
        }
    }

    /// What was asked for, of a request for a key.
    pub fn spec(&self) -> Option<&RequestSpec> {
        match &self.subject {
            Subject::Key(spec) => Some(spec),
            Subject::Governance(_) => None,
        }
    }

    /// The value that goes live; none for a deletion, or where governance changes.
    pub fn new_value(&self) -> Option<&ConfigValue> {
        self.value
            .as_ref()
            .or_else(|| self.spec().and_then(|spec| spec.value.as_ref()))
    }

    /// Why it was asked for.
    pub fn reason(&self) -> Option<&str> {
        match &self.subject {
            Subject::Key(spec) => spec.reason.as_deref(),
            Subject::Governance(change) => match change.as_ref() {
                GovernanceChange::Settings(change) => Some(&change.loosens),
                GovernanceChange::Entry { .. } | GovernanceChange::Identity(_) | GovernanceChange::StampKey(_) => None,
            },
        }
    }
}
