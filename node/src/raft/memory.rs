//! What the leader remembers of this node. A volume that was restored from an old copy is whole and has forgotten what the
//! node has acknowledged since; only others can tell. A member that forgot may not vote: it could elect a leader without
//! entries that are committed.

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver as _;

use super::Raft;
use super::bootstrap::ask_who;
use super::peers::Peers;

/// This node has forgotten entries that it had acknowledged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the leader at {leader} knows that this node had the log up to index {known}, but its log ends at {own}: the volume was \
     restored from an old copy, or has lost what was written to it. A member that forgot may not vote. Empty the data \
     folder, so that this node joins as a new member"
)]
pub struct Forgotten {
    leader: String,
    known: u64,
    own: u64,
}

/// Asks every other member, before this node votes, whether it leads and knows more of this node than the node itself. Who
/// does not answer at once knows nothing.
///
/// # Errors
/// If the leader knows more.
pub async fn check(raft: &Raft, peers: &Peers) -> Result<(), Forgotten> {
    let metrics = raft.metrics().borrow_watched().clone();
    let own = metrics.last_log_index.unwrap_or(0);
    let membership = metrics.membership_config.membership();
    let others = membership.nodes().filter(|(id, _)| **id != metrics.id);
    let answers = others.map(async |(_, member)| {
        let answer = ask_who(peers, &member.address, Bytes::new()).await;
        (member.address.clone(), answer)
    });
    for (leader, answer) in futures::future::join_all(answers).await {
        if let Ok(answer) = answer
            && answer.matched_index > own
        {
            return Err(Forgotten {
                leader,
                known: answer.matched_index,
                own,
            });
        }
    }
    Ok(())
}
