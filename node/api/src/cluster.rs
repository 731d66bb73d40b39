//! How the cluster does, for those who look after it.

use confman_core::cluster::StampKey;
use confman_core::ids::{ClusterId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::internal::MemberRole;

/// The cluster as the asked node sees it, and what each member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatusView {
    /// UID of the `ConfmanCluster`.
    #[schema(value_type = String)]
    pub cluster_id: ClusterId,
    /// The node that answers; node ids are decimal text, since a u64 does not fit JSON numbers.
    pub node_id: String,
    /// Current term.
    pub term: u64,
    /// Node id of the leader; absent while none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Index of the last entry that is known to be committed.
    pub committed_index: u64,
    /// Every member.
    pub members: Vec<ClusterMemberView>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMemberView {
    /// Its node id.
    pub node_id: String,
    /// Where its peers reach it, `host:port`.
    pub address: String,
    /// Its role, as far as the asked node knows.
    pub role: MemberRole,
    /// What it says of itself; absent if it did not answer within a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<MemberReportView>,
}

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberReportView {
    /// Version of its program.
    pub version: String,
    /// Its term.
    pub term: u64,
    /// Index of the last entry of its log.
    pub last_log_index: u64,
    /// Index of the last entry that it has applied.
    pub last_applied_index: u64,
    /// Index of the last entry in its newest snapshot; 0 if it has none.
    pub snapshot_index: u64,
    /// Committed entries that it has not applied.
    pub lag: u64,
    /// Its volume.
    pub disk: DiskView,
}

/// A volume. Tables only: what is not in a table yet and snapshots come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskView {
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// Bytes that are free to the node.
    pub free_bytes: u64,
    /// Bytes of the file system.
    pub total_bytes: u64,
}

/// A change of who is a member: one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipBody {
    /// `host:port` of a node that is to be a member: it must be started for this cluster, with an empty volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<String>,
    /// Node id of a member that is to be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<String>,
}

/// What has become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum MembershipState {
    /// It is a member, and votes by itself once it has caught up.
    Learner,
    /// It votes.
    Voter,
    /// It is no member.
    Removed,
}

/// What came of a change of who is a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipView {
    /// Whom it was about.
    pub node_id: String,
    /// What has become of it.
    pub state: MembershipState,
}

/// Who is to lead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferBody {
    /// Node id of a voter; without it the leadership goes to the voter that is closest to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaderView {
    /// Its node id.
    pub leader: String,
}

/// The newest snapshot of the node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    /// The node.
    pub node_id: String,
    /// Index of the last entry in it.
    pub snapshot_index: u64,
}

/// A complete backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    /// Its name, by which `confman-node restore --backup` finds it.
    pub name: String,
    /// The cluster.
    #[schema(value_type = String)]
    pub cluster_id: ClusterId,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub taken_at: Timestamp,
    /// Log index of its snapshot: the first that can be restored.
    pub snapshot_index: u64,
    /// Log index of its last entry: the last that can be restored.
    pub last_index: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// The complete backups at the destination of the node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupsView {
    /// Every one of this cluster, the oldest first.
    pub items: Vec<BackupView>,
}

/// The keys that admission may stamp with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StampKeysView {
    /// Every one, also those that have ended.
    #[schema(value_type = Vec<StampKeySchema>)]
    pub items: Vec<StampKey>,
}

/// The schema of a [`StampKey`], a public key of the admission service.
#[derive(ToSchema)]
#[schema(as = StampKey, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct StampKeySchema {
    /// Its name: 1 to 64 of `[A-Za-z0-9._-]`.
    key_id: String,
    /// Ed25519 public key (RFC 8032): 32 bytes in standard base64.
    public_key: String,
    /// Stamps of later are refused; at most 90 days ahead when it is added.
    #[schema(value_type = String, format = DateTime)]
    not_after: String,
}
