//! The kinds of faults, and how often each was done and had an effect.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Signal 9 for the leader.
    KillLeader,
    /// Signal 9 for another node.
    KillFollower,
    /// Signal 9 for all nodes at once.
    KillAll,
    /// The leader stands still.
    PauseLeader,
    /// Another node stands still.
    PauseFollower,
    /// A minority with the leader in it sees nobody else.
    CutLeaderOff,
    /// A minority without the leader sees nobody else.
    CutFollowerOff,
    /// Nothing that the leader sends arrives.
    MuteLeader,
    /// Nothing arrives at the leader.
    DeafLeader,
    /// Only one node, which does not lead, sees all others.
    Bridge,
    /// Connections of the leader are reset.
    ResetLeader,
    /// The leader's link is slow.
    SlowLink,
    /// The leader's disk is slow to sync.
    SlowSync,
    /// The leader's disk fails to sync: the node has to end.
    FailedSync,
    /// The leader's volume is full.
    FullDisk,
    /// The leader's volume loses what was not synced.
    PowerCutOfLeader,
    /// All volumes lose what was not synced, at once.
    PowerCutOfAll,
    /// A node loses its volume, and joins again by itself.
    LostVolume,
    /// The leadership is handed over.
    Handover,
}

/// How often a kind was done, and how often it was seen to do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Done.
    pub done: usize,
    /// With an effect.
    pub effective: usize,
}

/// The counts of all kinds that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Kind, Count>);

impl Tally {
    /// Nothing was done yet of these.
    pub fn of(kinds: &[Kind]) -> Self {
        Self(kinds.iter().map(|kind| (*kind, Count::default())).collect())
    }

    /// Counts one.
    pub fn count(&mut self, kind: Kind, is_effective: bool) {
        let count = self.0.entry(kind).or_default();
        count.done += 1;
        count.effective += usize::from(is_effective);
    }

    /// Faults that were done.
    pub fn done(&self) -> usize {
        self.0.values().map(|count| count.done).sum()
    }

    /// Kinds that never had an effect: the run says nothing about them.
    pub fn vain(&self) -> Vec<Kind> {
        let vain = self.0.iter().filter(|(_, count)| count.effective == 0);
        vain.map(|(kind, _)| *kind).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, Count { done, effective }) in &self.0 {
            writeln!(
                formatter,
                "  {:<18} {done:>4} done, {effective:>4} with effect",
                format!("{kind:?}")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_without_an_effect_is_told() {
        let mut tally = Tally::of(&[Kind::Bridge, Kind::KillAll, Kind::SlowSync]);
        tally.count(Kind::KillAll, true);
        tally.count(Kind::KillAll, false);
        tally.count(Kind::Bridge, false);
        assert_eq!(tally.vain(), [Kind::Bridge, Kind::SlowSync]);
        assert_eq!(tally.done(), 3);
    }
}
