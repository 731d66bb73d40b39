//! What apply answers: an outcome or a rejection, and the changes to write.

use serde::{Deserialize, Serialize};

use crate::access::Action;
use crate::digest::Digest;
use crate::ids::{ClusterId, ConfigKey, LogPosition, NamespacePath, RequestId};
use crate::principal::Principal;
use crate::publish_request::{PublishRequest, RequestState};
use crate::state::Change;

/// The result of one committed proposal. A rejected one has no changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Accepted or refused; both are answers, not errors.
    pub result: Result<Outcome, Rejection>,
    /// Rows to write, in order, atomically with `last_applied`. Empty when refused or when nothing had to change.
    pub changes: Vec<Change>,
}

/// An accepted command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The cluster is bootstrapped (also answered to a repeat with the same cluster id).
    ClusterInitialised {
        /// Its id.
        cluster_id: ClusterId,
    },
    /// The key may sign stamps from now on (or already could).
    StampKeyRegistered {
        /// Its id.
        key_id: String,
    },
    /// The namespace is as declared.
    NamespaceDeclared {
        /// Its path.
        path: NamespacePath,
        /// Log index of its last change.
        revision: u64,
    },
    /// The claim is free.
    NamespaceReleased {
        /// The path.
        path: NamespacePath,
    },
    /// The publish request as it is after the command.
    Request(Box<PublishRequest>),
    /// A direct write made this version (or the value was already live).
    EntryWritten {
        /// Version number.
        version: u64,
        /// Digest of the value.
        digest: Digest,
        /// Where the version was written.
        position: LogPosition,
    },
}

/// A refusal: the command was understood and the rules say no. Nothing changed.
///
/// Variant names are stable: they are condition reasons in Kubernetes and part of HTTP problems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Rejection {
    /// No command but `InitialiseCluster` is possible yet.
    #[error("the cluster is not initialised")]
    ClusterNotInitialised,
    /// Bootstrapped already, under another id.
    #[error("the cluster is already initialised as {cluster_id}")]
    ClusterAlreadyInitialised {
        /// The id it has.
        cluster_id: ClusterId,
    },
    /// A field of the command breaks a limit or a shape that only apply can check.
    #[error("{field} is invalid: {detail}")]
    InvalidField {
        /// Name of the field as the user wrote it.
        field: String,
        /// What is wrong and what the limit is.
        detail: String,
    },
    /// The signature does not verify, or the stamp speaks of something else.
    #[error("the stamp is not valid: {detail}")]
    InvalidStamp {
        /// Which binding failed.
        detail: String,
    },
    /// The key that signed is unknown.
    #[error("stamp key {key_id} is not known to this cluster")]
    UnknownStampKey {
        /// Its id.
        key_id: String,
    },
    /// The key that signed has ended.
    #[error("stamp key {key_id} has expired")]
    StampKeyExpired {
        /// Its id.
        key_id: String,
    },
    /// The single-use nonce was used by another object.
    #[error("the requester stamp was already used by another request")]
    StampReplayed,
    /// The governance stamp does not follow the current one.
    #[error("the governance stamp does not follow the one in force; it must be stamped anew")]
    StaleGovernanceStamp,
    /// Governance may only be tightened without another admin's agreement.
    #[error("loosening governance needs the agreement of another admin: {detail}")]
    LooseningNeedsApproval {
        /// Which setting would loosen.
        detail: String,
    },
    /// A child may tighten the workflow floor of its ancestors, never loosen it.
    #[error("{field} is below the floor {floor} set by {ancestor}")]
    BelowFloor {
        /// The setting.
        field: String,
        /// The floor.
        floor: String,
        /// Which ancestor sets it.
        ancestor: NamespacePath,
    },
    /// Another object claims the path.
    #[error("path {path} is claimed by {owner}")]
    PathClaimed {
        /// The path.
        path: NamespacePath,
        /// `kubernetes-namespace/name` of the owner.
        owner: String,
    },
    /// The Kubernetes namespace may not declare this path.
    #[error("Kubernetes namespace {kubernetes_namespace} may not declare {path}")]
    NotDelegated {
        /// The Kubernetes namespace.
        kubernetes_namespace: String,
        /// The path.
        path: NamespacePath,
    },
    /// A full path names either a namespace or a key, never both.
    #[error("{path} already names a {existing}")]
    NameTaken {
        /// The full path.
        path: String,
        /// `config namespace` or `key`.
        existing: String,
    },
    /// No such config namespace (or the object is not its claim).
    #[error("config namespace {namespace} does not exist")]
    NamespaceNotFound {
        /// The path, or `kubernetes-namespace/name` of a `ConfigNamespace` nobody has declared.
        namespace: String,
    },
    /// No such publish request.
    #[error("publish request {request_id} does not exist")]
    RequestNotFound {
        /// Its id.
        request_id: RequestId,
    },
    /// The id was used for other content.
    #[error("request id {request_id} was used for other content")]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
    },
    /// The principal's roles do not allow the action.
    #[error("{principal} may not {action} in {namespace}")]
    Forbidden {
        /// Who.
        principal: Principal,
        /// What.
        action: Action,
        /// Where.
        namespace: NamespacePath,
    },
    /// Four-eyes: the requester, or someone it was made on behalf of, reviewed their own change.
    #[error("{principal} asked for this change and cannot approve it")]
    SelfApproval {
        /// Who.
        principal: Principal,
    },
    /// Machines never count as approvers.
    #[error("{principal} is not a named human; only people approve")]
    NotHuman {
        /// Who.
        principal: Principal,
    },
    /// The approval names other content than the request's.
    #[error("the review is of digest {given}, the request has {expected}")]
    DigestMismatch {
        /// Digest of the request.
        expected: Digest,
        /// Digest in the review.
        given: Digest,
    },
    /// The request is no longer open.
    #[error("the request is {state}, not open for review")]
    RequestNotPending {
        /// Its state.
        state: RequestState,
    },
    /// The same person said this already with another decision, and it is recorded.
    #[error("{principal} has already reviewed this request")]
    AlreadyReviewed {
        /// Who.
        principal: Principal,
    },
    /// The decision inside the stamp is not the one of the command.
    #[error("the stamped decision is {decision}")]
    WrongDecision {
        /// What the stamp says.
        decision: String,
    },
    /// The request's expected version is not the live one.
    #[error("{key} is at version {live}, the request expects {expected}")]
    VersionMismatch {
        /// The key.
        key: ConfigKey,
        /// The live version, 0 for none.
        live: u64,
        /// What was expected.
        expected: u64,
    },
    /// `If-Match` did not match.
    #[error("the live value has another digest than expected")]
    PreconditionFailed,
    /// Direct writes are off in this namespace.
    #[error("{namespace} requires approval; submit a publish request")]
    ApprovalRequired {
        /// The namespace.
        namespace: NamespacePath,
    },
}
