//! I3: one vote makes one leader, and a leader has no less committed than the leaders below it knew of.

use std::collections::BTreeMap;

use super::Invariant;
use crate::record::Event;
use crate::types::NodeId;

/// Who led by which vote.
#[derive(Default)]
pub(super) struct OneLeaderALeadership {
    leaders: BTreeMap<(u64, NodeId), NodeId>,
}

impl Invariant for OneLeaderALeadership {
    fn name(&self) -> &'static str {
        "one-leader-a-leadership"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Leads { member, vote, .. } = event else {
            return Ok(());
        };
        let leadership = (vote.leader_id.term, vote.leader_id.node_id);
        match self.leaders.insert(leadership, *member) {
            Some(other) if other != *member => Err(format!("{member:x} and {other:x} both lead by {vote}")),
            Some(_) | None if leadership.1 != *member => Err(format!("{member:x} leads by the vote {vote}")),
            Some(_) | None => Ok(()),
        }
    }
}
