//! What the leader remembers of this node. A volume that was restored from an old copy is whole and has forgotten what the
//! node has acknowledged since; only others can tell. A member that forgot may not vote: it could elect a leader without
//! entries that are committed.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use confman_store::types::NodeId;
use confman_store::{LogStore, Member, StateMachine};
use openraft::StorageHelper;
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _, RaftStateMachine as _};

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

/// What is on the volume of this node before it takes part.
#[derive(Clone, Debug, Default)]
pub struct OwnMemory {
    /// Index of the last entry of its log; 0 if there is none.
    last_index: u64,
    /// Term that it has voted in.
    term: u64,
    members: BTreeMap<NodeId, Member>,
}

impl OwnMemory {
    /// Reads it.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn read(log: &mut LogStore, state_machine: &mut StateMachine) -> io::Result<Self> {
        let last = log.get_log_state().await?.last_log_id;
        let vote = log.read_vote().await?;
        let (applied, in_state) = state_machine.applied_state().await?;
        let first = applied.map_or(0, |applied| applied.index + 1);
        let in_log = StorageHelper::new(log, state_machine)
            .last_membership_in_log(first)
            .await;
        let in_log = in_log.map_err(io::Error::other)?;
        let membership = in_log.last().unwrap_or(&in_state);
        Ok(Self {
            last_index: last.max(applied).map_or(0, |last| last.index),
            term: vote.map_or(0, |vote| vote.leader_id.term),
            members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
        })
    }

    /// True if the node was a member, or has voted, before.
    pub fn was_used(&self) -> bool {
        self.last_index > 0 || self.term > 0 || !self.members.is_empty()
    }

    /// Asks every other member, before this node votes, whether it leads and knows more of this node than the node itself.
    /// Who does not answer at once knows nothing, and neither does a leader of a term that this node has left.
    ///
    /// # Errors
    /// If the leader knows more.
    pub async fn check(self, peers: &Peers) -> Result<(), Forgotten> {
        let own_id = peers.speaker().node_id;
        let others = self.members.iter().filter(|(id, _)| **id != own_id);
        let answers = others.map(async |(_, member)| {
            let answer = ask_who(peers, &member.address, Bytes::new()).await;
            (member.address.clone(), answer)
        });
        for (leader, answer) in futures::future::join_all(answers).await {
            if let Ok(answer) = answer
                && answer.term >= self.term
                && answer.matched_index > self.last_index
            {
                return Err(Forgotten {
                    leader,
                    known: answer.matched_index,
                    own: self.last_index,
                });
            }
        }
        Ok(())
    }
}
