//! Who leads, and whether this node does, as one bit for those who work on the leader only.

use confman_store::Member;
use confman_store::types::NodeId;
use openraft::async_runtime::WatchReceiver as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Raft;

/// The leader that this node knows of, itself too; none while it knows of none.
pub fn leader(raft: &Raft) -> Option<(NodeId, Member)> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let id = metrics.current_leader?;
    Some((id, metrics.membership_config.get_node(&id)?.clone()))
}

/// Follows in `leads` whether this node leads, until `stop`. A leader that is cut off from the others learns of its end
/// late: what is done on the word of this must be harmless when done twice.
pub async fn follow(raft: Raft, leads: watch::Sender<bool>, stop: CancellationToken) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let metrics = metrics.borrow_watched();
            metrics.current_leader == Some(metrics.id)
        };
        leads.send_if_modified(|before| std::mem::replace(before, now) != now);
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
