//! For how long nothing could be written, and how many reads failed, when a fault began.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::Kind;
use super::history::{Action, Operation, Outcome};

/// What belongs to a fault begins within this.
const REACH: Duration = Duration::from_secs(5);

/// For each kind of fault the longest time without an acknowledged write (median, 99th of a hundred, most), and the reads
/// that failed.
pub fn render(operations: &[Operation], times: &[(Kind, Duration)]) -> String {
    let mut acknowledged: Vec<_> = operations
        .iter()
        .filter(|operation| matches!(operation.outcome, Outcome::Written { .. }))
        .map(|operation| operation.completed)
        .collect();
    acknowledged.sort();
    let mut kinds: BTreeMap<Kind, (Vec<Duration>, usize)> = BTreeMap::new();
    for (kind, at) in times {
        let (gaps, failed) = kinds.entry(*kind).or_default();
        gaps.extend(gap(&acknowledged, *at));
        *failed += failed_reads(operations, *at);
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

/// The longest pause between two acknowledgements of which the second came after `at` and the first not long after.
fn gap(acknowledged: &[Duration], at: Duration) -> Option<Duration> {
    let pairs = acknowledged
        .windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
    let near = pairs.filter(|(first, second)| *second >= at && *first <= at + REACH);
    near.map(|(first, second)| second - first).max()
}

/// Linearizable reads that failed after they were sent in the time around `at`.
fn failed_reads(operations: &[Operation], at: Duration) -> usize {
    let has_failed = |operation: &&Operation| {
        operation.action == Action::Read
            && matches!(operation.outcome, Outcome::Refused(_) | Outcome::Unknown(_))
            && operation.completed >= at
            && operation.invoked <= at + REACH
    };
    operations.iter().filter(has_failed).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_longest_pause_around_a_fault() {
        let times = [100, 110, 950, 960, 9_000].map(Duration::from_millis);
        let at = |millis| gap(&times, Duration::from_millis(millis)).map(|gap| gap.as_millis());
        assert_eq!(at(105), Some(8_040));
        assert_eq!(
            gap(&times[..4], Duration::from_millis(105)),
            Some(Duration::from_millis(840))
        );
        assert_eq!(
            gap(&times[..4], Duration::from_millis(955)),
            Some(Duration::from_millis(10))
        );
        assert_eq!(at(9_001), None);
    }
}
