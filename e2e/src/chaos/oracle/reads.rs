//! Reads: linearizable ones are never old, no read is older than the index that it names.

use std::collections::BTreeMap;

use super::super::history::{Action, Live, Operation, Outcome};
use super::{Broken, Change, Violation};

/// Everything about the reads of one key that may not be.
pub(super) fn check(operations: &[&Operation], changes: &[Change]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in operations {
        let Outcome::Seen { live, index } = &operation.outcome else {
            continue;
        };
        check_content(operation, (live.as_ref(), *index), changes, &mut violations);
        check_future(operation, live.as_ref(), operations, &mut violations);
        if operation.action == Action::Read {
            check_age(operation, live.as_ref(), (operations, changes), &mut violations);
        }
    }
    violations
}

/// What was seen is what the key had at the index that the answer names, or later.
fn check_content(
    operation: &Operation,
    (live, index): (Option<&Live>, u64),
    changes: &[Change],
    violations: &mut Vec<Violation>,
) {
    if let Some(live) = live {
        let change = changes.iter().find(|change| change.version == live.version);
        if change.and_then(|change| change.value.as_ref()) != Some(&live.value) {
            let evidence = format!("{operation}; there is {change:?}");
            violations.push(Violation::new(Broken::WrongValue, evidence));
            return;
        }
    }
    // What is seen may be newer than the index, but not older.
    let (before, after): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.index <= index);
    let is_it = |change: &Change| match live {
        Some(live) => change.version == live.version,
        None => change.value.is_none(),
    };
    let was_it = before.last().map_or(live.is_none(), |change| is_it(change));
    if !was_it && !after.into_iter().any(is_it) {
        let evidence = format!("{operation}; at that index there was {:?}", before.last());
        violations.push(Violation::new(Broken::OlderThanItsIndex, evidence));
    }
}

/// Nothing is seen before somebody asks for it.
fn check_future(
    operation: &Operation,
    live: Option<&Live>,
    operations: &[&Operation],
    violations: &mut Vec<Violation>,
) {
    let Some(live) = live else {
        return;
    };
    let writer = operations.iter().find(|other| other.value() == Some(&live.value));
    if let Some(writer) = writer.filter(|writer| writer.invoked > operation.completed) {
        let evidence = format!("{operation}; it was sent later: {writer}");
        violations.push(Violation::new(Broken::ReadFromTheFuture, evidence));
    }
}

/// A linearizable read is not older than what was acknowledged, or seen by another one, before it was sent.
fn check_age(
    operation: &Operation,
    live: Option<&Live>,
    (operations, changes): (&[&Operation], &[Change]),
    violations: &mut Vec<Violation>,
) {
    // A key that is not there is as new as its newest deletion that may have been done by then.
    let seen = live.map_or_else(
        || {
            let came_later = |change: &Change| {
                let is_it = |outcome: &Outcome| matches!(outcome, Outcome::Written { version, .. } if *version == change.version);
                let mut later = operations.iter().filter(|other| operation.is_before(other));
                later.any(|other| is_it(&other.outcome))
            };
            let deletions = changes.iter().filter(|change| change.value.is_none() && !came_later(change));
            deletions.map(|change| change.version).max().unwrap_or(0)
        },
        |live| live.version,
    );
    let known = |other: &&&Operation| match &other.outcome {
        Outcome::Written { version, .. } => Some(*version),
        Outcome::Seen { live: Some(live), .. } if other.action == Action::Read => Some(live.version),
        Outcome::Seen { .. } | Outcome::Mismatch | Outcome::Absent | Outcome::Refused(_) | Outcome::Unknown(_) => None,
    };
    let earlier = operations.iter().filter(|other| other.is_before(operation));
    let newest = earlier.filter_map(|other| Some((known(&other)?, *other)));
    if let Some((version, other)) = newest.max_by_key(|(version, _)| *version)
        && version > seen
    {
        let evidence = format!("{operation}; before it: {other}");
        violations.push(Violation::new(Broken::StaleRead, evidence));
    }
}

/// The index of a node's stale answers does not run back while the node runs.
pub(super) fn check_nodes(operations: &[Operation]) -> Vec<Violation> {
    let mut reads: BTreeMap<(usize, u32), Vec<(&Operation, u64)>> = BTreeMap::new();
    for operation in operations {
        if let (Action::ReadStale, Outcome::Seen { index, .. }) = (&operation.action, &operation.outcome) {
            reads.entry(operation.node).or_default().push((operation, *index));
        }
    }
    let mut violations = Vec::new();
    for of_node in reads.values_mut() {
        of_node.sort_by_key(|(operation, _)| operation.invoked);
        let mut by_end = of_node.clone();
        by_end.sort_by_key(|(operation, _)| operation.completed);
        let mut ended = by_end.into_iter().peekable();
        let mut highest: Option<(&Operation, u64)> = None;
        for (operation, index) in of_node {
            let has_ended = |other: &(&Operation, u64)| other.0.completed < operation.invoked;
            while let Some(other) = ended.next_if(has_ended) {
                if highest.is_none_or(|(_, highest)| other.1 > highest) {
                    highest = Some(other);
                }
            }
            if let Some((other, _)) = highest.filter(|(_, highest)| *highest > *index) {
                let evidence = format!("{other}; then {operation}");
                violations.push(Violation::new(Broken::IndexWentBack, evidence));
            }
        }
    }
    violations
}
