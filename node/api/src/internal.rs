//! The courier's side of the contract: `/internal/v1/*`, own port, client certificate of the cluster's CA only.
//!
//! Bodies of commands are the command types of `confman-core` as JSON; a node decides nothing about them before the log.
//!
//! | Route | Body → answer |
//! |---|---|
//! | `GET /internal/v1/status` | → [`NodeStatus`] |
//! | `POST /internal/v1/initialise` | [`Initialise`] → [`Recorded<Outcome>`] |
//! | `POST /internal/v1/stamp-keys` | [`RegisterStampKey`] → [`Recorded<Outcome>`] |
//! | `GET /internal/v1/stamp-keys` | → [`Items<StampKey>`] |
//! | `PUT /internal/v1/namespaces` | [`DeclareNamespace`] → [`Recorded<Outcome>`] |
//! | `GET /internal/v1/namespaces` | → [`Items<ConfigNamespace>`], linearizable |
//! | `POST /internal/v1/namespaces:release` | [`ReleaseNamespace`] → [`Recorded<Outcome>`] |
//! | `POST /internal/v1/publish-requests` | [`SubmitRequest`] → [`Recorded<Outcome>`] |
//! | `GET /internal/v1/publish-requests?state=PendingReview&after=ID&limit=N` | → [`RequestPage`], linearizable |
//! | `GET /internal/v1/publish-requests/{id}` | → [`PublishRequest`], linearizable; 404 |
//! | `POST /internal/v1/publish-requests/{id}:review` | [`ReviewRequest`] with the decision in the stamp → [`Recorded<Outcome>`] |
//! | `POST /internal/v1/publish-requests/{id}:withdraw` | [`WithdrawRequest`] → [`Recorded<Outcome>`] |
//!
//! A refusal is a problem (RFC 9457) whose member `rejection` is the [`Rejection`] as JSON.

use confman_core::ids::{ClusterId, LogPosition, RequestId};
use confman_core::namespace::Workflow;
use confman_core::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use confman_core::cluster::StampKey;
pub use confman_core::identity::Identity;
pub use confman_core::namespace::{Claim, ConfigNamespace, Governance, NamespaceSettings};
pub use confman_core::outcome::{Outcome, Rejection};
pub use confman_core::proposal::{
    DeclareNamespace, RegisterStampKey, ReleaseNamespace, Review as ReviewOf, ReviewRequest, SubmitRequest,
    WithdrawCause, WithdrawRequest,
};
pub use confman_core::publish_request::{
    Decision, Operation, PublishRequest, RequestObject, RequestSpec, RequestState, Step, StepKind, Subject,
};

/// An accepted command and the log position of its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded<T> {
    /// What came of it.
    pub outcome: T,
    /// Term and index of the log entry.
    pub position: LogPosition,
}

/// A complete list; internal lists are bounded by the cluster's own limits and not paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
}

/// A publish request by its names, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestReference {
    /// UID of its object.
    pub id: RequestId,
    /// Kubernetes namespace of its object.
    pub kubernetes_namespace: String,
    /// Name of its object.
    pub name: String,
}

/// Some of the publish requests in one state, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPage {
    /// The requests.
    pub items: Vec<RequestReference>,
    /// The `after` of the next page; none on the last one.
    pub next: Option<RequestId>,
}

/// Asks ordinal 0 to bootstrap the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Initialise {
    /// The one-use token that every node was started with.
    pub token: String,
    /// UID of the `ConfmanCluster`.
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the `ConfmanCluster`.
    pub kubernetes_namespace: String,
    /// Name of the `ConfmanCluster`.
    pub name: String,
    /// Peer addresses (`host:port`) of all N members, this node's included, in ordinal order.
    pub members: Vec<String>,
    /// Admins of `/`.
    pub root_admins: Vec<Principal>,
    /// Workflow floor of `/`.
    pub workflow: Workflow,
    /// First public key of the admission service.
    pub stamp_key: StampKey,
    /// What can authenticate a person besides a stamp, and who is one.
    #[serde(default)]
    pub identity: Identity,
}

/// Raft role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MemberRole {
    /// Serves writes.
    Leader,
    /// Votes.
    Follower,
    /// Stands for election.
    Candidate,
    /// Receives the log, does not vote.
    Learner,
    /// Known to the membership; this node does not know more.
    Unknown,
}

/// How one node sees the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Random identity on the node's volume, decimal text (a u64 does not fit JSON numbers).
    pub node_id: String,
    /// None before bootstrap.
    pub cluster_id: Option<ClusterId>,
    /// Version of the program.
    pub version: String,
    /// This node's role.
    pub role: MemberRole,
    /// Current term.
    pub term: u64,
    /// Node id of the leader, where known.
    pub leader: Option<String>,
    /// Index of the last log entry.
    pub last_log_index: u64,
    /// Index of the last applied entry.
    pub last_applied_index: u64,
    /// The members; on the leader with their matched indexes.
    pub members: Vec<MemberStatus>,
}

/// One member as the asked node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Node id.
    pub node_id: String,
    /// Peer address, `host:port`; its first label is the pod's name.
    pub address: String,
    /// Role, as far as known.
    pub role: MemberRole,
    /// Highest index known to be on its disk; leader only.
    pub matched_index: Option<u64>,
}
