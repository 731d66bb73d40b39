//! How this node sees the cluster, for the courier, the probes and the metrics.

use std::time::Duration;

use confman_api::internal::{MemberRole, MemberStatus, NodeStatus};
use confman_core::ids::ClusterId;
use confman_store::TypeConfig;
use confman_store::types::NodeId;
use openraft::async_runtime::WatchReceiver as _;
use openraft::{Instant as _, RaftMetrics, ServerState};

use super::Raft;

/// A node that is further behind is not ready: entries known to be committed and not applied here.
const READY_LAG: u64 = 1000;

/// The view of this node, with the cluster it is bootstrapped as.
pub fn node_status(raft: &Raft, cluster_id: Option<ClusterId>) -> NodeStatus {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let membership = metrics.membership_config.membership();
    NodeStatus {
        node_id: metrics.id.to_string(),
        cluster_id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        role: own_role(metrics.state),
        term: metrics.current_term,
        leader: metrics.current_leader.map(|id| id.to_string()),
        last_log_index: metrics.last_log_index.unwrap_or(0),
        last_applied_index: metrics.last_applied.map_or(0, |log_id| log_id.index),
        members: membership
            .nodes()
            .map(|(id, member)| MemberStatus {
                node_id: id.to_string(),
                address: member.address.clone(),
                role: role_of(&metrics, *id),
                matched_index: matched_index(&metrics, *id),
            })
            .collect(),
    }
}

fn own_role(state: ServerState) -> MemberRole {
    match state {
        ServerState::Learner => MemberRole::Learner,
        ServerState::Follower => MemberRole::Follower,
        ServerState::Candidate => MemberRole::Candidate,
        ServerState::Leader => MemberRole::Leader,
        ServerState::Shutdown => MemberRole::Unknown,
    }
}

/// The role of `id`, as far as the node of `metrics` knows.
pub(super) fn role_of(metrics: &RaftMetrics<TypeConfig>, id: NodeId) -> MemberRole {
    let votes = metrics.membership_config.voter_ids().any(|voter| voter == id);
    match (id == metrics.id, metrics.current_leader == Some(id), votes) {
        (true, _, _) => own_role(metrics.state),
        (false, true, _) => MemberRole::Leader,
        (false, false, true) if metrics.current_leader.is_some() => MemberRole::Follower,
        (false, false, true) => MemberRole::Unknown,
        (false, false, false) => MemberRole::Learner,
    }
}

/// Time since the member `id` last answered the leader of `metrics`; none if it never did, or this node does not lead.
pub(super) fn heard_ago(metrics: &RaftMetrics<TypeConfig>, id: NodeId) -> Option<Duration> {
    let at = metrics.heartbeat.as_ref()?.get(&id).copied().flatten()?;
    Some(at.elapsed())
}

/// Index up to which the log of `id` is known to be that of the leader of `metrics`; none if this node does not lead.
pub(super) fn matched_index(metrics: &RaftMetrics<TypeConfig>, id: NodeId) -> Option<u64> {
    let replication = metrics.replication.as_ref()?;
    if id == metrics.id {
        return metrics.last_log_index;
    }
    replication.get(&id)?.map(|log_id| log_id.index)
}

/// Why this node should not be sent reads; none if it may. Says nothing about a quorum.
pub fn not_ready(raft: &Raft, initialised: bool) -> Option<&'static str> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let member = metrics.membership_config.membership().get_node(&metrics.id).is_some();
    let committed = metrics.cluster_committed.map_or(0, |log_id| log_id.index);
    let applied = metrics.last_applied.map_or(0, |log_id| log_id.index);
    if metrics.running_state.is_err() {
        Some("raft has stopped")
    } else if !initialised {
        Some("the cluster is not initialised")
    } else if !member {
        Some("this node is not a member")
    } else if metrics.current_leader.is_none() {
        Some("no leader is known")
    } else if committed.saturating_sub(applied) > READY_LAG {
        Some("this node is far behind")
    } else {
        None
    }
}
