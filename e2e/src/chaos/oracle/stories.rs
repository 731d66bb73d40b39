//! Histories written by hand: every bad one is caught by its name, every good one is let through.

use std::time::Duration;

use super::super::history::{Action, Live, Operation, Outcome};
use super::{Broken, Change, Record, judge};

const KEY: &str = "key";

/// One call, from and to in milliseconds.
fn call(times: (u64, u64), action: Action, outcome: Outcome) -> Operation {
    Operation {
        client: 0,
        node: (0, 1),
        key: KEY.to_owned(),
        action,
        invoked: Duration::from_millis(times.0),
        completed: Duration::from_millis(times.1),
        outcome,
    }
}

fn put(times: (u64, u64), value: &str, outcome: Outcome) -> Operation {
    call(times, Action::Put(value.to_owned(), None), outcome)
}

fn read(times: (u64, u64), live: Option<(u64, &str)>, index: u64) -> Operation {
    call(times, Action::Read, seen(live, index))
}

fn read_stale(times: (u64, u64), live: Option<(u64, &str)>, index: u64) -> Operation {
    call(times, Action::ReadStale, seen(live, index))
}

/// Log index 10 for version 1, 20 for version 2, and so on.
fn written(version: u64) -> Outcome {
    let index = version * 10;
    Outcome::Written { version, index }
}

fn seen(live: Option<(u64, &str)>, index: u64) -> Outcome {
    let live = live.map(|(version, value)| Live {
        version,
        value: value.to_owned(),
    });
    Outcome::Seen { live, index }
}

fn unknown() -> Outcome {
    Outcome::Unknown("no answer".to_owned())
}

/// What the cluster has in the end: a value for each version, none for a deletion.
fn record(values: &[Option<&str>]) -> Record {
    let changes = (1..).zip(values).map(|(version, value)| Change {
        version,
        index: version * 10,
        value: value.map(str::to_owned),
    });
    Record::from([(KEY.to_owned(), changes.collect())])
}

/// The names of the promises that are broken, each once.
fn broken(operations: &[Operation], record: &Record) -> Vec<Broken> {
    let judgement = judge(operations, record);
    assert_eq!(judgement.undecided, 0);
    let mut names: Vec<_> = judgement.violations.iter().map(|violation| violation.broken).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_quiet_history_is_let_through() {
    let operations = [
        put((0, 1), "a", written(1)),
        read((2, 3), Some((1, "a")), 10),
        call((4, 5), Action::Put("b".to_owned(), Some(1)), written(2)),
        call((4, 6), Action::Put("c".to_owned(), Some(1)), Outcome::Mismatch),
        call((7, 8), Action::Delete(Some(2)), written(3)),
        call((9, 10), Action::Delete(None), Outcome::Absent),
        read((11, 12), None, 30),
        read_stale((13, 14), Some((1, "a")), 15),
    ];
    assert_eq!(broken(&operations, &record(&[Some("a"), Some("b"), None])), []);
}

#[test]
fn unknown_writes_may_have_happened_late_or_never() {
    let operations = [
        put((0, 5), "a", unknown()),
        put((1, 5), "never", unknown()),
        read((6, 7), None, 5),
        put((8, 9), "b", written(1)),
        // The first one arrives long after its client gave up.
        read((10, 11), Some((2, "a")), 20),
        call((12, 13), Action::Delete(None), unknown()),
        read((14, 15), None, 31),
        put((16, 17), "refused", Outcome::Refused("no-leader".to_owned())),
    ];
    assert_eq!(broken(&operations, &record(&[Some("b"), Some("a"), None])), []);
}

#[test]
fn concurrent_operations_may_happen_in_any_order() {
    let operations = [
        put((0, 10), "a", written(2)),
        put((0, 10), "b", written(1)),
        read((0, 10), Some((1, "b")), 10),
        read((0, 10), None, 3),
        read((0, 10), Some((2, "a")), 20),
    ];
    assert_eq!(broken(&operations, &record(&[Some("b"), Some("a")])), []);
}

#[test]
fn a_lost_write_is_caught() {
    let operations = [put((0, 1), "a", written(1))];
    assert_eq!(broken(&operations, &record(&[])), [Broken::LostWrite]);
    let overwritten = [put((0, 1), "a", written(1)), put((2, 3), "b", unknown())];
    let evidence = judge(&overwritten, &record(&[Some("b")]));
    // The place in the log is that of another write: one of the two was told a version that is not its own.
    assert!(!evidence.violations.is_empty());
}

#[test]
fn a_stale_linearizable_read_is_caught() {
    let operations = [
        put((0, 1), "a", written(1)),
        put((2, 3), "b", written(2)),
        read((4, 5), Some((1, "a")), 10),
    ];
    let found = broken(&operations, &record(&[Some("a"), Some("b")]));
    assert_eq!(found, [Broken::StaleRead, Broken::NotLinearizable]);
}

#[test]
fn a_read_that_is_older_than_another_read_is_caught() {
    let operations = [
        put((0, 1), "a", written(1)),
        put((2, 100), "b", unknown()),
        read((4, 5), Some((2, "b")), 20),
        read((6, 7), Some((1, "a")), 10),
    ];
    let found = broken(&operations, &record(&[Some("a"), Some("b")]));
    assert_eq!(found, [Broken::StaleRead, Broken::NotLinearizable]);
}

#[test]
fn a_read_that_misses_a_deletion_is_caught() {
    let operations = [
        put((0, 1), "a", written(1)),
        call((2, 3), Action::Delete(None), written(2)),
        read((4, 5), Some((1, "a")), 10),
    ];
    let found = broken(&operations, &record(&[Some("a"), None]));
    assert_eq!(found, [Broken::StaleRead, Broken::NotLinearizable]);
}

#[test]
fn a_stale_read_may_be_old_but_says_of_when_it_is() {
    let writes = [put((0, 1), "a", written(1)), put((2, 3), "b", written(2))];
    let record = record(&[Some("a"), Some("b")]);
    let with = |read: Operation| writes.iter().cloned().chain([read]).collect::<Vec<_>>();
    assert_eq!(broken(&with(read_stale((4, 5), Some((1, "a")), 19)), &record), []);
    // Newer than it says is no harm.
    assert_eq!(broken(&with(read_stale((4, 5), Some((2, "b")), 19)), &record), []);
    let lie = with(read_stale((4, 5), Some((1, "a")), 20));
    assert_eq!(broken(&lie, &record), [Broken::OlderThanItsIndex]);
}

#[test]
fn a_node_whose_index_runs_back_is_caught_unless_it_was_started_again() {
    let mut operations = [
        put((0, 1), "a", written(1)),
        read_stale((2, 3), Some((1, "a")), 12),
        read_stale((4, 5), Some((1, "a")), 11),
    ];
    let record = record(&[Some("a")]);
    assert_eq!(broken(&operations, &record), [Broken::IndexWentBack]);
    operations[2].node = (0, 2);
    assert_eq!(broken(&operations, &record), []);
}

#[test]
fn a_duplicated_version_is_caught() {
    let operations = [put((0, 9), "a", written(1)), put((1, 9), "b", written(1))];
    let found = broken(&operations, &record(&[Some("a")]));
    assert_eq!(found, [Broken::DuplicatedVersion, Broken::NotLinearizable]);
}

#[test]
fn a_write_that_took_effect_twice_is_caught() {
    let operations = [put((0, 1), "a", written(1))];
    let found = broken(&operations, &record(&[Some("a"), Some("a")]));
    assert_eq!(found, [Broken::DuplicatedVersion]);
}

#[test]
fn a_gap_between_versions_is_caught() {
    let operations = [put((0, 1), "a", written(1)), put((2, 3), "b", unknown())];
    let mut gap = record(&[Some("a"), Some("b")]);
    if let Some(changes) = gap.get_mut(KEY) {
        changes[1].version = 3;
    }
    assert_eq!(broken(&operations, &gap), [Broken::VersionGap]);
}

#[test]
fn a_phantom_is_caught() {
    let operations = [put((0, 1), "a", written(1))];
    let found = broken(&operations, &record(&[Some("a"), Some("from nowhere")]));
    assert_eq!(found, [Broken::Phantom]);
    assert_eq!(broken(&operations, &record(&[Some("a"), None])), [Broken::Phantom]);
    let mut other_key = record(&[Some("a")]);
    other_key.insert("other".to_owned(), Vec::new());
    assert_eq!(broken(&operations, &other_key), [Broken::Phantom]);
}

#[test]
fn a_phantom_that_only_a_read_saw_is_caught() {
    let operations = [put((0, 1), "a", written(1)), read((2, 3), Some((2, "x")), 20)];
    let found = broken(&operations, &record(&[Some("a")]));
    assert_eq!(found, [Broken::WrongValue, Broken::NotLinearizable]);
}

#[test]
fn a_read_from_the_future_is_caught() {
    let operations = [read((0, 1), Some((1, "a")), 10), put((2, 3), "a", written(1))];
    let found = broken(&operations, &record(&[Some("a")]));
    assert_eq!(found, [Broken::ReadFromTheFuture, Broken::NotLinearizable]);
}

#[test]
fn a_refused_write_that_happened_is_caught() {
    for outcome in [Outcome::Refused("no-leader".to_owned()), Outcome::Mismatch] {
        let operations = [call((0, 1), Action::Put("a".to_owned(), Some(7)), outcome)];
        let found = broken(&operations, &record(&[Some("a")]));
        assert_eq!(found, [Broken::RefusedWriteHappened]);
    }
}

#[test]
fn writes_that_overtake_each_other_are_caught() {
    let operations = [put((0, 1), "a", written(2)), put((2, 3), "b", written(1))];
    let found = broken(&operations, &record(&[Some("b"), Some("a")]));
    assert_eq!(found, [Broken::WritesReordered, Broken::NotLinearizable]);
}

#[test]
fn a_conditional_write_over_another_version_is_caught() {
    let operations = [
        put((0, 1), "a", written(1)),
        put((0, 2), "b", written(2)),
        call((3, 4), Action::Put("c".to_owned(), Some(1)), written(3)),
    ];
    let found = broken(&operations, &record(&[Some("a"), Some("b"), Some("c")]));
    assert_eq!(found, [Broken::WritesReordered, Broken::NotLinearizable]);
}

#[test]
fn a_refusal_without_a_reason_is_caught() {
    let operations = [
        put((0, 1), "a", written(1)),
        call((2, 3), Action::Put("b".to_owned(), Some(1)), Outcome::Mismatch),
    ];
    assert_eq!(broken(&operations, &record(&[Some("a")])), [Broken::NotLinearizable]);
    let operations = [
        put((0, 1), "a", written(1)),
        call((2, 3), Action::Delete(None), Outcome::Absent),
    ];
    assert_eq!(broken(&operations, &record(&[Some("a")])), [Broken::NotLinearizable]);
}
