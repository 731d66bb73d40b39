//! How the cluster does, for those who look after it.

use confman_core::ids::ClusterId;
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
