//! I3: a member never follows a vote below one that it has promised to follow, not even after a crash.

use std::collections::BTreeMap;

use super::Invariant;
use crate::record::Event;
use crate::types::{NodeId, Vote};

/// The highest promise of each member.
#[derive(Default)]
pub(super) struct VotesAreKept {
    promised: BTreeMap<NodeId, Vote>,
}

impl Invariant for VotesAreKept {
    fn name(&self) -> &'static str {
        "votes-are-kept"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Promised { member, vote } = event else {
            return Ok(());
        };
        let promised = self.promised.entry(*member).or_insert(*vote);
        let (before, now) = (promised.leader_id, vote.leader_id);
        if (now.term, now.node_id) < (before.term, before.node_id) {
            return Err(format!(
                "{member:x} has promised to follow {promised} and follows {vote}"
            ));
        }
        *promised = *vote;
        Ok(())
    }
}
