//! I3: one vote makes one leader, the one that it names. openraft's terms are no terms of Raft's paper: two members may lead
//! in one term, one after the other, and the pair of term and member is what orders leaderships.

use std::collections::BTreeMap;

use super::Invariant;
use crate::record::Event;
use crate::types::{LogId, NodeId};

/// What the leader of each leadership knew to be committed when it began to lead.
#[derive(Default)]
pub(super) struct OneLeaderALeadership {
    leaders: BTreeMap<(u64, NodeId), Option<LogId>>,
}

impl Invariant for OneLeaderALeadership {
    fn name(&self) -> &'static str {
        "one-leader-a-leadership"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Leads {
            member,
            vote,
            committed,
        } = event
        else {
            return Ok(());
        };
        let leadership = (vote.leader_id.term, vote.leader_id.node_id);
        if leadership.1 != *member {
            return Err(format!("{member:x} leads by the vote {vote}"));
        }
        match self.leaders.insert(leadership, *committed) {
            Some(_) => Err(format!("{member:x} leads again by the vote {vote}")),
            None => Ok(()),
        }
    }
}
