//! What the leader does next for the membership, decided from what it sees; nothing here waits or writes. The simulation
//! compiles this file too, so that it changes members as a node does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{LogId, NodeId};

/// A learner that lacks at most this many entries has caught up; under load it never lacks none.
const CAUGHT_UP: u64 = 1000;
/// A member that was not heard for this long is asked who is there.
const SILENT: Duration = Duration::from_secs(5);

/// One member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Where its peers reach it.
    pub(super) address: String,
    /// Index up to which its log is known to be the leader's.
    pub(super) matched: Option<u64>,
    /// Time since it last answered; none if it never did.
    pub(super) heard: Option<Duration>,
}

impl Seen {
    fn is_silent(&self) -> bool {
        self.heard.is_none_or(|heard| heard > SILENT)
    }
}

/// The membership as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// This node.
    pub(super) own: NodeId,
    /// Where in the log the membership was last changed.
    pub(super) log_id: Option<LogId>,
    /// The sets of voters: one, or two while a change is between them.
    pub(super) configs: Vec<BTreeSet<NodeId>>,
    /// Every member, learners too.
    pub(super) members: BTreeMap<NodeId, Seen>,
    /// Index of the last entry of the leader's log.
    pub(super) last_log_index: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// Finish a change that an earlier leader left between two sets of voters.
    FinishJoint {
        /// The voters it was on its way to.
        voters: BTreeSet<NodeId>,
    },
    /// Let a learner vote; in one change with the end of the member whose address it has.
    Promote {
        /// The learner.
        learner: NodeId,
        /// Every voter from then on.
        voters: BTreeSet<NodeId>,
    },
    /// Ask at the addresses of silent members who is there: a lost volume comes back as somebody else.
    AskSilent {
        /// The members and their addresses.
        members: BTreeMap<NodeId, String>,
    },
}

impl View {
    /// Those who vote now: of both sets while a change is between two.
    pub(super) fn voters(&self) -> BTreeSet<NodeId> {
        self.configs.iter().flatten().copied().collect()
    }

    /// The members that do not vote.
    pub(super) fn learners(&self) -> impl Iterator<Item = (NodeId, &Seen)> {
        let voters = self.voters();
        let others = self.members.iter().filter(move |(id, _)| !voters.contains(id));
        others.map(|(id, seen)| (*id, seen))
    }

    /// True if `id` is this node or answered lately.
    pub(super) fn answers(&self, id: NodeId) -> bool {
        id == self.own || self.members.get(&id).is_some_and(|seen| !seen.is_silent())
    }

    /// The next step.
    pub(super) fn next(&self) -> Step {
        if let [_, voters] = self.configs.as_slice() {
            return Step::FinishJoint { voters: voters.clone() };
        }
        if let Some((learner, seen)) = self.learners().find(|(_, seen)| self.has_caught_up(seen)) {
            let voters = self.voters_with(learner, &seen.address);
            return Step::Promote { learner, voters };
        }
        // One member comes at a time.
        if self.learners().any(|(_, seen)| !seen.is_silent()) {
            return Step::Rest;
        }
        let silent = self.members.iter().filter(|(id, _)| !self.answers(**id));
        let members: BTreeMap<_, _> = silent.map(|(id, seen)| (*id, seen.address.clone())).collect();
        if members.is_empty() {
            Step::Rest
        } else {
            Step::AskSilent { members }
        }
    }

    fn has_caught_up(&self, seen: &Seen) -> bool {
        let matched = seen.matched.unwrap_or(0);
        !seen.is_silent() && matched > 0 && self.last_log_index.saturating_sub(matched) <= CAUGHT_UP
    }

    /// The voters with `learner`, which takes the place of whoever had its address and is silent.
    fn voters_with(&self, learner: NodeId, address: &str) -> BTreeSet<NodeId> {
        let has_address = |id: &NodeId| self.members.get(id).is_some_and(|seen| seen.address == address);
        let stays = |id: &NodeId| !has_address(id) || self.answers(*id);
        self.voters().into_iter().filter(stays).chain([learner]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);
    const LONG_AGO: Option<Duration> = Some(Duration::from_mins(1));

    fn seen(address: &str, matched: u64, heard: Option<Duration>) -> Seen {
        Seen {
            address: address.to_owned(),
            matched: Some(matched),
            heard,
        }
    }

    /// Nodes 1 to 3 vote and answer; node 1 leads.
    fn three() -> View {
        let members = [(1, "a"), (2, "b"), (3, "c")].map(|(id, address)| (id, seen(address, 5000, NOW)));
        View {
            own: 1,
            log_id: None,
            configs: vec![[1, 2, 3].into()],
            members: members.into(),
            last_log_index: 5000,
        }
    }

    fn with(change: impl FnOnce(&mut View)) -> View {
        let mut view = three();
        change(&mut view);
        view
    }

    #[test]
    fn a_sound_membership_is_left_alone() {
        assert_eq!(three().next(), Step::Rest);
    }

    #[test]
    fn a_change_between_two_sets_of_voters_is_finished_first() {
        let view = with(|view| {
            view.configs.push([2, 3].into());
            view.members.insert(4, seen("d", 5000, NOW));
        });
        assert_eq!(view.next(), Step::FinishJoint { voters: [2, 3].into() });
    }

    #[test]
    fn a_learner_votes_once_it_has_caught_up() {
        let behind = with(|view| drop(view.members.insert(4, seen("d", 10, NOW))));
        assert_eq!(behind.next(), Step::Rest);
        let there = with(|view| drop(view.members.insert(4, seen("d", 4500, NOW))));
        let voters = [1, 2, 3, 4].into();
        assert_eq!(there.next(), Step::Promote { learner: 4, voters });
        let gone = with(|view| drop(view.members.insert(4, seen("d", 4500, LONG_AGO))));
        assert!(matches!(gone.next(), Step::AskSilent { .. }), "it may be somebody else");
    }

    #[test]
    fn whoever_comes_back_without_its_volume_takes_its_own_place() {
        let view = with(|view| {
            view.members.insert(3, seen("c", 4000, LONG_AGO));
            view.members.insert(4, seen("c", 5000, NOW));
        });
        let voters = [1, 2, 4].into();
        assert_eq!(view.next(), Step::Promote { learner: 4, voters });
    }

    #[test]
    fn silent_members_are_asked_while_nobody_joins() {
        let view = with(|view| drop(view.members.insert(3, seen("c", 4000, LONG_AGO))));
        let members = [(3, "c".to_owned())].into();
        assert_eq!(view.next(), Step::AskSilent { members });
        let joins = with(|view| {
            view.members.insert(3, seen("c", 4000, LONG_AGO));
            view.members.insert(4, seen("d", 10, NOW));
        });
        assert_eq!(joins.next(), Step::Rest);
    }

    #[test]
    fn a_member_that_answers_is_never_replaced() {
        let view = with(|view| drop(view.members.insert(4, seen("c", 5000, NOW))));
        let voters = [1, 2, 3, 4].into();
        assert_eq!(view.next(), Step::Promote { learner: 4, voters });
    }
}
