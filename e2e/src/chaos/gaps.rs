//! For how long nothing could be written, and how many reads failed, when a fault began.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::Kind;
use super::history::{Action, Operation, Outcome};

/// A kind of fault, and from when to when it was done; until the cluster could write again, where it waited for that.
pub type Span = (Kind, Duration, Duration);

/// For each kind of fault the longest time without an acknowledged write (median, 99th of a hundred, most), and the reads
/// that failed.
pub fn render(operations: &[Operation], spans: &[Span]) -> String {
    let mut acknowledged: Vec<_> = operations
        .iter()
        .filter(|operation| matches!(operation.outcome, Outcome::Written { .. }))
        .map(|operation| operation.completed)
        .collect();
    acknowledged.sort();
    let mut kinds: BTreeMap<Kind, (Vec<Duration>, usize)> = BTreeMap::new();
    for (kind, from, to) in spans {
        let (gaps, failed) = kinds.entry(*kind).or_default();
        gaps.extend(gap(&acknowledged, (*from, *to)));
        *failed += failed_reads(operations, (*from, *to));
    }
    let mut text = String::from("longest time without a write, in ms: median, 99 %, most; reads that failed\n");
    for (kind, (mut gaps, failed)) in kinds {
        gaps.sort();
        let at = |percent: usize| {
            let rank = (gaps.len() * percent).div_ceil(100).max(1) - 1;
            gaps.get(rank).map_or(0, Duration::as_millis)
        };
        let (median, most_of, most) = (at(50), at(99), at(100));
        let name = format!("{kind:?}");
        let _ = writeln!(text, "  {name:<18} {median:>6} {most_of:>6} {most:>6}; {failed}");
    }
    text
}

/// The longest pause between two acknowledgements that is, in part, in this span of time.
fn gap(acknowledged: &[Duration], (from, to): (Duration, Duration)) -> Option<Duration> {
    let pairs = acknowledged
        .windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
    let within = pairs.filter(|(first, second)| *second >= from && *first <= to);
    within.map(|(first, second)| second.saturating_sub(first)).max()
}

/// Linearizable reads, in flight in this span of time, that failed.
fn failed_reads(operations: &[Operation], span: (Duration, Duration)) -> usize {
    let has_failed = |operation: &&Operation| {
        operation.action == Action::Read
            && matches!(operation.outcome, Outcome::Refused(_) | Outcome::Unknown(_))
            && operation.touches(span)
    };
    operations.iter().filter(has_failed).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_longest_pause_that_reaches_into_a_fault() {
        let times = [100, 110, 950, 960, 9_000].map(Duration::from_millis);
        let between = |from, to| {
            let gap = gap(&times, (Duration::from_millis(from), Duration::from_millis(to)));
            gap.map(|gap| gap.as_millis())
        };
        assert_eq!(between(105, 940), Some(840));
        assert_eq!(between(105, 1_000), Some(8_040));
        assert_eq!(between(101, 102), Some(10));
        assert_eq!(between(9_001, 9_002), None);
    }
}
