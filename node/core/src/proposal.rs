//! What the leader offers to the log: a time, a command, and the trace it belongs to.
//!
//! Everything that apply may not read for itself (time, ids, who asked) is in here.

use serde::{Deserialize, Serialize};

use crate::api_key::ApiKeyRecord;
use crate::cluster::{RecoveryCause, StampKey};
use crate::digest::Digest;
use crate::entry::EntryMeta;
use crate::idempotency::Idempotency;
use crate::identity::Identity;
use crate::ids::{ClusterId, ConfigKey, NamespacePath, RequestId, Timestamp};
use crate::namespace::{Claim, NamespaceSettings, Workflow};
use crate::principal::{Actor, Principal};
use crate::publish_request::RequestSpec;
use crate::stamp::{GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement};
use crate::value::ConfigValue;
use crate::verdict::Verdict;
use crate::webhook::DeliveryResult;

/// One entry offered to the Raft log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proposal {
    /// Wall clock of the proposing leader. Apply never lets time run back: it uses the later of this and the last event's.
    pub proposed_at: Timestamp,
    /// W3C trace id (32 hex digits) of the call that caused it; copied into the audit event.
    pub trace_id: Option<String>,
    /// What tells a repeat of the call from another one, where the caller gave a key for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// The intent.
    pub command: Command,
}

/// Every intent the state machine knows; one variant, one file under `apply/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Bootstraps the state: cluster record, root namespace, first stamp key. Once.
    InitialiseCluster(InitialiseCluster),
    /// Adds a stamp key that a current one has signed.
    RegisterStampKey(RegisterStampKey),
    /// Creates or updates a config namespace from a `ConfigNamespace` object.
    DeclareNamespace(DeclareNamespace),
    /// Frees the claim of a deleted `ConfigNamespace` object; values stay.
    ReleaseNamespace(ReleaseNamespace),
    /// Opens a publish request.
    SubmitRequest(SubmitRequest),
    /// One person's approval; the last one needed publishes.
    ApproveRequest(ReviewRequest),
    /// One person's rejection; final.
    RejectRequest(ReviewRequest),
    /// Ends a pending request without a decision.
    WithdrawRequest(WithdrawRequest),
    /// Direct write of one key, only where approval is not required.
    PutEntry(PutEntry),
    /// Direct deletion of one key, only where approval is not required.
    DeleteEntry(DeleteEntry),
    /// Writes the draft of one key.
    PutDraft(PutDraft),
    /// Throws the draft of one key away.
    DeleteDraft(DeleteDraft),
    /// Opens a publish request in the name of an authenticated caller.
    OpenRequest(OpenRequest),
    /// Publishes what was approved, where that waits for a publisher.
    PublishApproved(ReviewRequest),
    /// Goes back to an earlier version: at once, or by a publish request.
    RollBackEntry(RollBackEntry),
    /// Creates or updates a config namespace in the name of an authenticated caller.
    PutNamespace(PutNamespace),
    /// Deletes an empty config namespace.
    DeleteNamespace(DeleteNamespace),
    /// Says something about a key beside its value.
    DescribeEntry(DescribeEntry),
    /// Stores a revision of a schema.
    PutSchema(PutSchema),
    /// Changes what can authenticate a person.
    SetIdentity(SetIdentity),
    /// Adds a stamp key by the agreement of two admins of `/`.
    AddStampKey(AddStampKey),
    /// Issues an API key.
    IssueApiKey(IssueApiKey),
    /// Ends an API key.
    RevokeApiKey(RevokeApiKey),
    /// Records one try to deliver a webhook; bookkeeping.
    RecordDelivery(RecordDelivery),
    /// Notes that a live value is older than its schema allows.
    NoteRotation(NoteRotation),
    /// Makes a new cluster of what another one has left; never offered to a running one.
    RecoverCluster(RecoverCluster),
    /// Has the replicas compare what they have come to; bookkeeping.
    CompareReplicas(CompareReplicas),
}

impl Command {
    /// True if an accepted one is a transition of a governed thing and so leaves an audit event. Deliveries and
    /// comparisons are bookkeeping.
    pub const fn is_audited(&self) -> bool {
        match self {
            Self::InitialiseCluster(_)
            | Self::RegisterStampKey(_)
            | Self::DeclareNamespace(_)
            | Self::ReleaseNamespace(_)
            | Self::SubmitRequest(_)
            | Self::ApproveRequest(_)
            | Self::RejectRequest(_)
            | Self::WithdrawRequest(_)
            | Self::PutEntry(_)
            | Self::DeleteEntry(_)
            | Self::PutDraft(_)
            | Self::DeleteDraft(_)
            | Self::OpenRequest(_)
            | Self::PublishApproved(_)
            | Self::RollBackEntry(_)
            | Self::PutNamespace(_)
            | Self::DeleteNamespace(_)
            | Self::DescribeEntry(_)
            | Self::PutSchema(_)
            | Self::SetIdentity(_)
            | Self::AddStampKey(_)
            | Self::IssueApiKey(_)
            | Self::RevokeApiKey(_)
            | Self::NoteRotation(_)
            | Self::RecoverCluster(_) => true,
            Self::RecordDelivery(_) | Self::CompareReplicas(_) => false,
        }
    }

    /// The authenticated caller who gives it; none of one that carries stamps, or that no person gives.
    pub const fn caller_mut(&mut self) -> Option<&mut Actor> {
        match self {
            Self::PutEntry(command) => Some(&mut command.actor),
            Self::DeleteEntry(command) => Some(&mut command.actor),
            Self::PutDraft(command) => Some(&mut command.actor),
            Self::DeleteDraft(command) => Some(&mut command.actor),
            Self::OpenRequest(command) => Some(&mut command.actor),
            Self::RollBackEntry(command) => Some(&mut command.actor),
            Self::PutNamespace(command) => Some(&mut command.actor),
            Self::DeleteNamespace(command) => Some(&mut command.actor),
            Self::DescribeEntry(command) => Some(&mut command.actor),
            Self::PutSchema(command) => Some(&mut command.actor),
            Self::SetIdentity(command) => Some(&mut command.actor),
            Self::AddStampKey(command) => Some(&mut command.actor),
            Self::IssueApiKey(command) => Some(&mut command.actor),
            Self::RevokeApiKey(command) => Some(&mut command.actor),
            Self::ApproveRequest(command) | Self::RejectRequest(command) | Self::PublishApproved(command) => {
                match &mut command.review {
                    Review::Authenticated(review) => Some(&mut review.actor),
                    Review::Stamped(_) => None,
                }
            }
            Self::WithdrawRequest(command) => match &mut command.cause {
                WithdrawCause::ByActor(review) => Some(&mut review.actor),
                WithdrawCause::ByRequester(_) | WithdrawCause::ObjectDeleted => None,
            },
            Self::InitialiseCluster(_)
            | Self::RegisterStampKey(_)
            | Self::DeclareNamespace(_)
            | Self::ReleaseNamespace(_)
            | Self::SubmitRequest(_)
            | Self::RecordDelivery(_)
            | Self::NoteRotation(_)
            | Self::RecoverCluster(_)
            | Self::CompareReplicas(_) => None,
        }
    }
}

/// Bootstraps the state with what the operator's one-use token authorised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialiseCluster {
    /// UID of the `ConfmanCluster` object (a random UUID outside Kubernetes).
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the `ConfmanCluster`.
    pub kubernetes_namespace: String,
    /// Name of the `ConfmanCluster`.
    pub name: String,
    /// Admins of `/`: at least one, at most 64.
    pub root_admins: Vec<Principal>,
    /// Workflow floor of `/`.
    pub workflow: Workflow,
    /// First key of the admission service; none only where nothing is ever stamped (`confman-node dev`).
    pub stamp_key: Option<StampKey>,
    /// What can authenticate a person besides a stamp, and who is one.
    #[serde(default)]
    pub identity: Identity,
}

/// Adds `key`, vouched for by the current key that signed the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterStampKey {
    /// The new key, signed by a current one.
    pub key: Signed<StampKeyStatement>,
}

/// Creates or updates a config namespace; the stamped person must hold the right, the courier needs none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclareNamespace {
    /// The object that claims the path.
    pub claim: Claim,
    /// Immutable path of the config namespace.
    pub path: NamespacePath,
    /// The wanted settings, governance fields and descriptive ones.
    pub settings: NamespaceSettings,
    /// Who asked for the governance fields in `settings`.
    pub governance: Signed<GovernanceStatement>,
}

/// Frees the claim `claim` on `path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseNamespace {
    /// The path to free.
    pub path: NamespacePath,
    /// The claim that is gone; another one is refused.
    pub claim: Claim,
}

/// Opens a publish request from a `PublishRequest` object. Idempotent by `request_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitRequest {
    /// UID of the object.
    pub request_id: RequestId,
    /// The spec as stored by the API server, without `requestedBy`.
    pub spec: RequestSpec,
    /// Who created the object, signed by admission; binds the spec by its digest.
    pub requester: Signed<RequesterStatement>,
    /// What the schemas say about it; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// One review of one request. Idempotent by (request, reviewer, decision).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewRequest {
    /// The request under review.
    pub request_id: RequestId,
    /// Who decided what on which digest.
    pub review: Review,
    /// What the schemas say about the change, of an approval that may publish; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Who decided what, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Review {
    /// Signed by admission.
    Stamped(Box<Signed<ReviewStatement>>),
    /// By an authenticated caller.
    Authenticated(AuthenticatedReview),
}

/// The review of an authenticated caller; the command says what they decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthenticatedReview {
    /// Who.
    pub actor: Actor,
    /// Content digest under review.
    pub digest: Digest,
    /// Why, at most 2 KiB.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Ends a pending request without a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawRequest {
    /// The request to end.
    pub request_id: RequestId,
    /// Why it ends.
    pub cause: WithdrawCause,
}

/// Why a request is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WithdrawCause {
    /// The requester said so in a stamped review with decision `Withdraw`.
    ByRequester(Box<Signed<ReviewStatement>>),
    /// The requester said so as an authenticated caller.
    ByActor(AuthenticatedReview),
    /// The `PublishRequest` object with this UID no longer exists.
    ObjectDeleted,
}

/// Direct write of one key by an authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutEntry {
    /// Who writes.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The new value.
    pub value: ConfigValue,
    /// What the caller saw.
    pub expected: Precondition,
    /// What the schemas say about it; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// What must hold of the present value or row for a write to happen (RFC 9110, section 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precondition {
    /// Nothing.
    #[default]
    Any,
    /// There is one (`If-Match: *`).
    Present,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It has this digest (`If-Match`).
    Digest(Digest),
}

/// Direct deletion of one key by an authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteEntry {
    /// Who deletes.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// What the caller saw.
    pub expected: Precondition,
    /// What the schemas say about it; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Writes the draft of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutDraft {
    /// Who writes.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The value; may break the schema, but is sealed where the schema asks for it.
    pub value: ConfigValue,
    /// What the caller saw.
    pub expected: Precondition,
    /// What the schemas say about it: only the rules count; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Throws the draft of one key away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteDraft {
    /// Who.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// What the caller saw.
    pub expected: Precondition,
}

/// Opens a publish request in the name of an authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenRequest {
    /// Who asks.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// What for; `namespaceRef` is the path.
    pub spec: RequestSpec,
    /// The rejected or withdrawn request that this one tries again.
    #[serde(default)]
    pub resubmits: Option<RequestId>,
    /// What the schemas say about it; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Goes back to a retained version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollBackEntry {
    /// Who.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The version to go back to.
    pub to_version: u64,
    /// Why, at most 2 KiB.
    #[serde(default)]
    pub comment: Option<String>,
    /// What the schemas say about it; none where none holds.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Creates or updates a config namespace in the name of an authenticated caller. What loosens it becomes a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutNamespace {
    /// Who.
    pub actor: Actor,
    /// Its path.
    pub path: NamespacePath,
    /// All of its settings.
    pub settings: NamespaceSettings,
    /// Revision that the caller saw, 0 for "there is none"; none: whatever is there.
    #[serde(default)]
    pub expected_revision: Option<u64>,
}

/// Deletes a config namespace without live keys, namespaces below it, or open requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteNamespace {
    /// Who.
    pub actor: Actor,
    /// Its path.
    pub path: NamespacePath,
    /// Revision that the caller saw; none: whatever is there.
    #[serde(default)]
    pub expected_revision: Option<u64>,
}

/// Says something about a key beside its value. Clearing `final` or a pin becomes a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribeEntry {
    /// Who.
    pub actor: Actor,
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key; it has or had a version.
    pub key: ConfigKey,
    /// All that is said about it.
    pub meta: EntryMeta,
}

/// Stores the next revision of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutSchema {
    /// Who: an admin of the namespace at `path`, or of its nearest ancestor.
    pub actor: Actor,
    /// Path behind `/schemas`.
    pub path: NamespacePath,
    /// Canonical JSON text; the proposer has compiled it.
    pub text: String,
    /// Last revision that the caller saw, 0 for none; none: whatever is there.
    #[serde(default)]
    pub expected_revision: Option<u64>,
}

/// Changes what can authenticate a person. Other than adding an alias it becomes a request on `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetIdentity {
    /// Who: an admin of `/`.
    pub actor: Actor,
    /// All of it.
    pub identity: Identity,
}

/// Adds a stamp key that none of the present ones has signed. It becomes a request on `/`, which another admin decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddStampKey {
    /// Who: an admin of `/`, logged in to a node.
    pub actor: Actor,
    /// The key.
    pub key: StampKey,
}

/// Issues an API key; the text of the key never enters the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueApiKey {
    /// Who: an admin of the key's scope, or of `/`.
    pub actor: Actor,
    /// The key: creator and time are set by apply.
    pub key: ApiKeyRecord,
}

/// Ends an API key at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeApiKey {
    /// Who: an admin of the key's scope, or of `/`.
    pub actor: Actor,
    /// Its name.
    pub name: String,
}

/// Records one try to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordDelivery {
    /// Id of the delivery.
    pub delivery_id: String,
    /// Attempts before this one, so that a repeat counts once.
    pub attempt: u32,
    /// What came of it.
    pub result: DeliveryResult,
    /// Randomness for the next try, 0 to 1000.
    pub jitter_permille: u16,
}

/// Notes that a live value is older than its schema allows. Once a version: a repeat, or another live version, changes
/// nothing. What the schema says is for the proposing leader to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoteRotation {
    /// Config namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The version that is live and too old.
    pub version: u64,
}

/// Makes a new cluster of what another one has left: the last entry of a log that no other replica shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoverCluster {
    /// Identity of the new cluster.
    pub cluster_id: ClusterId,
    /// Last log entry of the lost one that is kept.
    pub kept_index: u64,
    /// What is left.
    pub cause: RecoveryCause,
}

/// Has every replica take note of what it has come to at this entry, and compare what it had come to before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompareReplicas {
    /// What a majority of the members had noted at the comparison before; none at the first.
    pub agreed: Option<Checkpoint>,
}

/// What a replica has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Log index of the comparison.
    pub index: u64,
    /// Rolling hash of everything that was applied since the comparison before.
    pub hash: Digest,
    /// Version of the program that applied all of it; another may write the same in another form.
    pub version: String,
}
