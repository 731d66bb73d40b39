//! Before a planned stop the leader gives its leadership to the voter that is closest to it, so that writers wait for a
//! message instead of for an election.

use std::time::{Duration, Instant};

use confman_store::TypeConfig;
use confman_store::types::NodeId;
use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver as _;

use super::Raft;
use super::status::{heard_ago, matched_index};

/// Once asked for, a handover cannot be taken back; after this long the node stops without it.
const WATCHDOG: Duration = Duration::from_secs(3);
/// Without another leader after this long the successor is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// A voter that was not heard for this long is no candidate.
const RECENTLY: Duration = Duration::from_secs(1);
/// A voter that lacks more entries would keep writers waiting.
const FEW_ENTRIES: u64 = 10_000;

/// Hands the leadership over if this node leads. Returns when another node leads, and which; none if there is none to
/// hand it to, or it was not taken in time.
pub async fn hand_over(raft: &Raft) -> Option<NodeId> {
    hand_over_to(raft, best_voter(raft)?).await
}

/// Hands the leadership of this node over to the voter `successor`.
pub async fn hand_over_to(raft: &Raft, successor: NodeId) -> Option<NodeId> {
    tracing::info!(successor, "handing the leadership over");
    let give_up = Instant::now() + WATCHDOG;
    loop {
        if let Err(error) = raft.trigger().transfer_leader(successor).await {
            tracing::warn!(%error, "the leadership cannot be handed over");
            return None;
        }
        if let Some(leader) = another_leader(raft, ASK_AGAIN).await {
            tracing::info!(leader, "the leadership is handed over");
            return Some(leader);
        }
        // The successor asks for votes once. If its question overtook ours, the others still held to their leader.
        let still_leads = raft.metrics().borrow_watched().state.is_leader();
        if Instant::now() >= give_up {
            tracing::warn!("no other leader in time");
            return None;
        }
        if !still_leads {
            // An election is going on, and nobody but the others can end it.
            let left = give_up.saturating_duration_since(Instant::now());
            return another_leader(raft, left).await;
        }
    }
}

/// The leader, once it is another node than this one; none after `patience`.
async fn another_leader(raft: &Raft, patience: Duration) -> Option<NodeId> {
    let own = *raft.node_id();
    let wait = raft.wait(Some(patience));
    let led_by_another = wait.metrics(
        move |metrics| metrics.current_leader.is_some_and(|leader| leader != own),
        "another leader",
    );
    led_by_another.await.ok()?.current_leader
}

/// True if the voter `id` was heard lately and lacks few entries.
pub fn can_lead(raft: &Raft, id: NodeId) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let matched = matched_index(&metrics, id).unwrap_or(0);
    let lacks = metrics.last_log_index.unwrap_or(0).saturating_sub(matched);
    was_heard_lately(&metrics, id) && lacks <= FEW_ENTRIES
}

fn was_heard_lately(metrics: &RaftMetrics<TypeConfig>, id: NodeId) -> bool {
    heard_ago(metrics, id).is_some_and(|ago| ago < RECENTLY)
}

/// The voter with the highest matched index among those heard lately; none if this node does not lead or is alone.
pub fn best_voter(raft: &Raft) -> Option<NodeId> {
    let own = *raft.node_id();
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    if !metrics.state.is_leader() {
        return None;
    }
    metrics
        .membership_config
        .voter_ids()
        .filter(|id| *id != own && was_heard_lately(&metrics, *id))
        .max_by_key(|id| matched_index(&metrics, *id))
}
