//! Writes: none is lost, none is repeated, none comes from nowhere, none overtakes another.

use std::collections::BTreeMap;

use super::super::history::{Action, Operation, Outcome};
use super::{Broken, Change, Violation};

/// Everything about the writes of one key that may not be.
pub(super) fn check(operations: &[&Operation], changes: &[Change]) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_versions(operations, changes, &mut violations);
    check_acknowledged(operations, changes, &mut violations);
    check_origins(operations, changes, &mut violations);
    check_order(operations, &mut violations);
    violations
}

/// Versions are 1, 2, 3 … and their places in the log grow.
fn check_versions(operations: &[&Operation], changes: &[Change], violations: &mut Vec<Violation>) {
    let key = operations.first().map_or("", |operation| &operation.key);
    let mut last_index = 0;
    for (expected, change) in (1..).zip(changes) {
        if change.version != expected || change.index <= last_index {
            let evidence = format!("{key} has {change:?} where version {expected} after index {last_index} should be");
            violations.push(Violation::new(Broken::VersionGap, evidence));
            return;
        }
        last_index = change.index;
    }
}

/// What was acknowledged is there, as the version that the client was told.
fn check_acknowledged(operations: &[&Operation], changes: &[Change], violations: &mut Vec<Violation>) {
    let mut told: BTreeMap<u64, &Operation> = BTreeMap::new();
    for operation in operations {
        let Outcome::Written { version, index } = operation.outcome else {
            continue;
        };
        if let Some(other) = told.insert(version, operation) {
            let evidence = format!("{operation}; and {other}");
            violations.push(Violation::new(Broken::DuplicatedVersion, evidence));
        }
        let change = changes.iter().find(|change| change.version == version);
        let is_it = |change: &Change| change.value.as_deref() == operation.value() && change.index == index;
        if !change.is_some_and(is_it) {
            let elsewhere = changes.iter().find(|change| {
                operation.value().is_some() && change.value.as_deref() == operation.value() || change.index == index
            });
            let broken = elsewhere.map_or(Broken::LostWrite, |_| Broken::DuplicatedVersion);
            let evidence = format!("{operation}; there is {change:?} instead");
            violations.push(Violation::new(broken, evidence));
        }
    }
}

/// What is there was asked for by somebody who was not refused, and once.
fn check_origins(operations: &[&Operation], changes: &[Change], violations: &mut Vec<Violation>) {
    let may_have_happened =
        |operation: &Operation| matches!(operation.outcome, Outcome::Written { .. } | Outcome::Unknown(_));
    let mut deletions = operations
        .iter()
        .filter(|operation| matches!(operation.action, Action::Delete(_)) && may_have_happened(operation))
        .count();
    let mut values: BTreeMap<&str, u64> = BTreeMap::new();
    for change in changes {
        let Some(value) = &change.value else {
            match deletions.checked_sub(1) {
                Some(left) => deletions = left,
                None => violations.push(Violation::new(Broken::Phantom, format!("nobody deleted {change:?}"))),
            }
            continue;
        };
        if let Some(other) = values.insert(value, change.version) {
            let evidence = format!("{value} was written once and is version {other} and {}", change.version);
            violations.push(Violation::new(Broken::DuplicatedVersion, evidence));
        }
        let writer = operations.iter().find(|operation| operation.value() == Some(value));
        match writer {
            None => violations.push(Violation::new(Broken::Phantom, format!("nobody wrote {change:?}"))),
            Some(writer) if !may_have_happened(writer) => {
                let evidence = format!("{writer}; there is {change:?}");
                violations.push(Violation::new(Broken::RefusedWriteHappened, evidence));
            }
            Some(_) => {}
        }
    }
}

/// A write that was acknowledged before another was sent has the lower version.
fn check_order(operations: &[&Operation], violations: &mut Vec<Violation>) {
    let version_of = |operation: &Operation| match operation.outcome {
        Outcome::Written { version, .. } => Some(version),
        Outcome::Seen { .. } | Outcome::Mismatch | Outcome::Absent | Outcome::Refused(_) | Outcome::Unknown(_) => None,
    };
    let written = operations
        .iter()
        .filter_map(|operation| Some((version_of(operation)?, *operation)));
    let written: Vec<_> = written.collect();
    for (version, operation) in &written {
        let earlier = written.iter().filter(|(_, other)| other.is_before(operation));
        if let Some((_, other)) = earlier
            .max_by_key(|(version, _)| *version)
            .filter(|(other, _)| other >= version)
        {
            let evidence = format!("{other}; then {operation}");
            violations.push(Violation::new(Broken::WritesReordered, evidence));
        }
        if let Action::Put(_, Some(expected)) | Action::Delete(Some(expected)) = operation.action
            && *version != expected + 1
        {
            let evidence = format!("{operation}: version {expected} was not the last one");
            violations.push(Violation::new(Broken::WritesReordered, evidence));
        }
    }
}
