//! What each member says of itself, gathered for those who look after the cluster.

use std::time::Duration;

use confman_api::cluster::{ClusterMemberView, ClusterStatusView, DiskView, MemberReportView};
use confman_core::ids::ClusterId;
use confman_store::types::NodeId;
use confman_store::{Member, StoreStats};
use openraft::async_runtime::WatchReceiver as _;
use tokio::time::timeout;

use super::Raft;
use super::peers::Peers;
use super::status::role_of;
use super::wire::{Frame, MemberReport};
use crate::room::Room;

/// A member that does not answer for this long is shown without a report.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reports on this node, and asks the others for theirs. Cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    raft: Raft,
    peers: Peers,
    stats: StoreStats,
    room: Room,
}

impl Reporter {
    /// Of the node on the volume with this `room`.
    pub fn new(raft: Raft, peers: Peers, stats: StoreStats, room: Room) -> Self {
        Self {
            raft,
            peers,
            stats,
            room,
        }
    }

    /// What this node says of itself.
    pub fn own(&self) -> MemberReport {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let checkpoint = self.stats.checkpoint();
        MemberReport {
            checkpoint_index: checkpoint.as_ref().map_or(0, |noted| noted.index),
            checkpoint_hash: checkpoint
                .as_ref()
                .map_or_else(Vec::new, |noted| noted.hash.as_bytes().to_vec()),
            checkpoint_version: checkpoint.map_or_else(String::new, |noted| noted.version),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            last_applied_index: metrics.last_applied.map_or(0, |log_id| log_id.index),
            snapshot_index: metrics.snapshot.map_or(0, |log_id| log_id.index),
            log_bytes: self.stats.log_disk_bytes(),
            state_bytes: self.stats.state_disk_bytes(),
            free_bytes: self.room.free_bytes(),
            total_bytes: self.room.total_bytes(),
        }
    }

    /// Every member, with its report where it answers.
    pub async fn cluster(&self, cluster_id: ClusterId) -> ClusterStatusView {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let reports = membership.nodes().map(|(id, member)| self.of(*id, member));
        let reports = futures::future::join_all(reports).await;
        let committed_index = metrics.cluster_committed.map_or(0, |log_id| log_id.index);
        let member = |((id, member), report): ((&NodeId, &Member), Option<MemberReport>)| ClusterMemberView {
            node_id: id.to_string(),
            address: member.address.clone(),
            role: role_of(&metrics, *id),
            report: report.map(|report| view(report, committed_index)),
        };
        ClusterStatusView {
            cluster_id,
            node_id: metrics.id.to_string(),
            term: metrics.current_term,
            leader: metrics.current_leader.map(|id| id.to_string()),
            committed_index,
            members: membership.nodes().zip(reports).map(member).collect(),
        }
    }

    /// What every other voter says of itself; none of one that does not answer.
    pub async fn other_voters(&self) -> Vec<Option<MemberReport>> {
        let membership = self.raft.server_metrics().borrow_watched().membership_config.clone();
        let voters = membership.voter_ids().filter(|id| id != self.raft.node_id());
        let members = voters.filter_map(|id| Some((id, membership.get_node(&id)?)));
        futures::future::join_all(members.map(|(id, member)| self.of(id, member))).await
    }

    async fn of(&self, id: NodeId, member: &Member) -> Option<MemberReport> {
        if id == *self.raft.node_id() {
            return Some(self.own());
        }
        let mut client = self.peers.member(id, member)?.control;
        let answer = timeout(PATIENCE, client.report(Frame::default())).await.ok()?.ok()?;
        answer.into_inner().read().ok()
    }
}

fn view(report: MemberReport, committed_index: u64) -> MemberReportView {
    MemberReportView {
        version: report.version,
        term: report.term,
        last_log_index: report.last_log_index,
        last_applied_index: report.last_applied_index,
        snapshot_index: report.snapshot_index,
        lag: committed_index.saturating_sub(report.last_applied_index),
        disk: DiskView {
            log_bytes: report.log_bytes,
            state_bytes: report.state_bytes,
            free_bytes: report.free_bytes,
            total_bytes: report.total_bytes,
        },
    }
}
