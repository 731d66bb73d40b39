//! Plants one mistake after the other: invariants are worth something only if they notice.

use confman_core::planted::{Mistake as RulesMistake, plant as plant_rules};
use confman_sim::planted::{Mistake, plant};
use confman_sim::run::Report;

use crate::run_seed;

/// The most seeds that a mistake may stay unnoticed for.
const SEEDS: u64 = 300;

/// Which invariant notices each mistake.
const NOTICED: [(Mistake, &str); 12] = [
    (Mistake::AcknowledgedBeforeSync, "acknowledged-writes-survive"),
    (Mistake::VoteNotKept, "votes-are-kept"),
    (Mistake::TruncationNotKept, "members-run"),
    (Mistake::PurgeNotKept, "members-run"),
    (Mistake::AppliedOutsideTheBatch, "replicas-are-equal"),
    (Mistake::CallsOutsideTheBatch, "replicas-are-equal"),
    (Mistake::SnapshotHalfInstalled, "replicas-are-equal"),
    (Mistake::SnapshotBehindTheState, "members-run"),
    (Mistake::DamagedEntrySkipped, "replicas-are-equal"),
    (Mistake::IdUsedAgain, "members-run"),
    (Mistake::LeaderReadsAlone, "reads-are-fresh"),
    (Mistake::ReadIndexUsedAgain, "reads-are-fresh"),
];

/// The same of mistakes in the rules.
const NOTICED_IN_RULES: [(RulesMistake, &str); 2] = [
    (RulesMistake::DigestUnchecked, "published-was-approved"),
    (RulesMistake::ApproveTwiceCountsTwice, "approvals-count-once"),
];

fn notices(report: &Report, invariant: &str) -> bool {
    report.violations.iter().any(|found| found.invariant == invariant)
}

/// The first seed at which `invariant` complains; every complaint up to there is printed.
fn first_seed(name: &str, invariant: &str) -> Option<u64> {
    let mut others = std::collections::BTreeMap::new();
    let found = (1..=SEEDS).find(|seed| {
        let report = run_seed(*seed);
        for violation in &report.violations {
            others
                .entry(violation.invariant)
                .or_insert((*seed, violation.detail.clone()));
        }
        notices(&report, invariant)
    });
    eprintln!("{name}: {invariant} at seed {found:?}; {others:#?}");
    found
}

#[test]
fn every_planted_mistake_is_noticed_by_name() {
    let only = std::env::var("MISTAKE").ok();
    let mut missed = Vec::new();
    for (mistake, invariant) in NOTICED {
        let name = mistake.name();
        assert_eq!(Mistake::named(name), Some(mistake));
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        plant(Some(mistake));
        if first_seed(name, invariant).is_none() {
            missed.push(name);
        }
        plant(None);
    }
    assert_eq!(missed, Vec::<&str>::new());
    assert_eq!(NOTICED.map(|(mistake, _)| mistake), Mistake::ALL);
}

#[test]
fn mistakes_in_the_rules_are_noticed_by_name() {
    let mut missed = Vec::new();
    for (mistake, invariant) in NOTICED_IN_RULES {
        plant_rules(Some(mistake));
        if first_seed(mistake.name(), invariant).is_none() {
            missed.push(mistake.name());
        }
        plant_rules(None);
    }
    assert_eq!(missed, Vec::<&str>::new());
}
