//! What apply answers: an outcome or a rejection, and the changes to write.

use serde::{Deserialize, Serialize};

use crate::access::Action;
use crate::digest::Digest;
use crate::ids::{ClusterId, ConfigKey, LogPosition, NamespacePath, RequestId};
use crate::principal::Principal;
use crate::publish_request::{PublishRequest, RequestState};
use crate::schema::Violation;
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
        /// Digest of the value; none of a deletion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// Where the version was written.
        position: LogPosition,
    },
    /// The settings loosen governance: the old ones stay in force until others agree.
    GovernancePending {
        /// The namespace.
        path: NamespacePath,
        /// The request that waits for them.
        request_id: RequestId,
    },
    /// The namespace is gone.
    NamespaceDeleted {
        /// Its path.
        path: NamespacePath,
    },
    /// The draft as it is now.
    DraftWritten {
        /// Digest of its value.
        digest: Digest,
        /// Log index of its last change.
        revision: u64,
    },
    /// There is no draft any more.
    DraftDeleted,
    /// The key is described so.
    EntryDescribed,
    /// The schema is stored under this revision.
    SchemaStored {
        /// Its path.
        path: NamespacePath,
        /// Its revision.
        revision: u64,
    },
    /// What can authenticate a person is as asked for.
    IdentitySet,
    /// The API key works.
    ApiKeyIssued {
        /// Its name.
        name: String,
    },
    /// The API key works no more.
    ApiKeyRevoked {
        /// Its name.
        name: String,
    },
    /// The try is recorded (or was before).
    DeliveryRecorded,
    /// It is noted, or was before, or another version is live.
    RotationNoted,
    /// The cluster is a new one.
    ClusterRecovered {
        /// Its identity.
        cluster_id: ClusterId,
    },
    /// The replicas have compared what they have come to.
    ReplicasCompared,
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
    #[error("{principal} contributed to this change and cannot review it")]
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
    #[error("the request is {state}, which does not allow this")]
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
    /// `If-Match` or `If-None-Match` did not hold.
    #[error("the present value is another than expected")]
    PreconditionFailed,
    /// Direct writes are off in this namespace.
    #[error("{namespace} requires approval; submit a publish request")]
    ApprovalRequired {
        /// The namespace.
        namespace: NamespacePath,
    },
    /// The people in this decision log in through different realms, and it is not known who is who.
    #[error(
        "{principal} logs in through another realm than the others here; map the logins of one person to each other in \
         the identity settings of /"
    )]
    UnmappedIdentity {
        /// Whom to map.
        principal: Principal,
    },
    /// People ask and review elsewhere.
    #[error("{namespace} takes requests and reviews by {open} only")]
    ChannelClosed {
        /// The namespace.
        namespace: NamespacePath,
        /// What is open.
        open: String,
    },
    /// A `ConfigNamespace` object says what this namespace is.
    #[error("{path} is managed by the ConfigNamespace object {owner}; change that object")]
    ManagedByKubernetes {
        /// The namespace.
        path: NamespacePath,
        /// `kubernetes-namespace/name` of the object.
        owner: String,
    },
    /// The namespace still holds something.
    #[error("{path} is not empty: it has {occupant}")]
    NamespaceNotEmpty {
        /// The namespace.
        path: NamespacePath,
        /// For example `the live key rate`.
        occupant: String,
    },
    /// The namespace, schema or key has moved on.
    #[error("{what} is at revision {actual}, {expected} was expected")]
    RevisionMismatch {
        /// What was to be changed.
        what: String,
        /// The revision it has, 0 for none.
        actual: u64,
        /// The revision that was expected.
        expected: u64,
    },
    /// The key has no such draft.
    #[error("{key} has no such draft in {namespace}")]
    DraftNotFound {
        /// The namespace.
        namespace: NamespacePath,
        /// The key.
        key: ConfigKey,
    },
    /// No such key, or it is deleted.
    #[error("{namespace} has no key {key}")]
    KeyNotFound {
        /// The namespace.
        namespace: NamespacePath,
        /// The key.
        key: ConfigKey,
    },
    /// The version never was, or the retention has dropped it.
    #[error("{key} has no retained version {version}")]
    VersionNotFound {
        /// The key.
        key: ConfigKey,
        /// The version.
        version: u64,
    },
    /// An ancestor keeps the key for itself.
    #[error("{key} is final in {ancestor}; no namespace below may have it")]
    FinalKey {
        /// The key.
        key: ConfigKey,
        /// Where it is final.
        ancestor: NamespacePath,
    },
    /// The change would break the schema where it holds now.
    #[error("the schema does not allow it (violations: {})", violations.len())]
    ValidationFailed {
        /// What would be broken.
        violations: Vec<Violation>,
    },
    /// What the leader looked at has changed since: it judges again.
    #[error("the namespace changed while its schema was evaluated; try again")]
    VerdictOutdated,
    /// A plain secret in an object is in too many places already.
    #[error(
        "{key} is a secret: give a reference or the digest of a draft, and rotate the secret that was in the object"
    )]
    PlainSecretInObject {
        /// The key.
        key: ConfigKey,
    },
    /// A secret that would enter the log as it is.
    #[error("{key} is a secret, and the nodes have no sealing key; set --sealing-keys, or give a reference")]
    NotSealed {
        /// The key.
        key: ConfigKey,
    },
    /// No such revision of a schema.
    #[error("there is no revision {revision} of schema {path}")]
    SchemaNotFound {
        /// The path.
        path: NamespacePath,
        /// The revision.
        revision: u64,
    },
    /// Not enough people have approved by the policy of now.
    #[error("{counted} approvals count, {required} are needed")]
    NotEnoughApprovals {
        /// How many count.
        counted: u8,
        /// How many are needed.
        required: u8,
    },
    /// The API key has ended, or its scope does not reach there.
    #[error("{principal} cannot be used for this: {detail}")]
    KeyNotAccepted {
        /// The key.
        principal: Principal,
        /// Why.
        detail: String,
    },
    /// The name is taken by another key, for ever.
    #[error("an API key {name} was issued before; names are never used again")]
    ApiKeyNameTaken {
        /// The name.
        name: String,
    },
    /// No such API key.
    #[error("there is no API key {name}")]
    ApiKeyNotFound {
        /// The name.
        name: String,
    },
    /// The idempotency key was used for another call.
    #[error("the idempotency key was used for another call")]
    IdempotencyKeyReused,
    /// Only who asked for it takes it back.
    #[error("only {requester} may withdraw this request, not {principal}")]
    NotRequester {
        /// Who tried.
        principal: Principal,
        /// Who asked.
        requester: Principal,
    },
}
