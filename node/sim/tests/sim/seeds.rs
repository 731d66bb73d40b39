//! Many seeds: nothing is violated, and what could have been is tried. `make sim` runs more of them.

use std::collections::BTreeMap;

use confman_sim::faults::FAULTS;
use confman_sim::run::Report;

use crate::run_seed;

/// Seeds of the short form.
const SEEDS: u64 = 200;
/// What so many runs must have come to, and how often at least: a run that disturbs nothing proves nothing.
const LEAST: [(&str, u64); 17] = [
    ("leaders", 600),
    ("entries committed", 10_000),
    ("entries lost unsynced", 50),
    ("votes lost unsynced", 2),
    ("snapshots installed", 20),
    ("learners promoted", 40),
    ("lost volumes replaced", 20),
    ("members stopped by damage", 5),
    ("joint changes finished by another leader", 1),
    ("writes acknowledged", 10_000),
    ("outcomes unknown", 1_000),
    ("repeated calls recognised", 50),
    ("requests published", 500),
    ("approvals refused", 500),
    ("linearizable reads", 4_000),
    ("stale reads", 4_000),
    ("reads of a member that lags", 100),
];

/// The number in the environment variable `name`.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn no_invariant_is_violated_whatever_the_seed() {
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let first = number("SEED").unwrap_or(1);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut violated: Vec<Report> = Vec::new();
    for seed in first..first + seeds {
        let report = run_seed(seed);
        for (what, count) in &report.counts {
            *counts.entry(what).or_default() += count;
        }
        if !report.violations.is_empty() {
            eprintln!("{report}");
            violated.push(report);
        }
    }
    eprintln!("{seeds} runs: {counts:#?}");
    let violated: Vec<u64> = violated.iter().map(|report| report.seed).collect();
    assert_eq!(violated, Vec::<u64>::new(), "seeds that violate something");
    let happened = |what: &str| counts.get(what).copied().unwrap_or(0);
    let enough = |least: u64| least * seeds / SEEDS;
    let faults = FAULTS.into_iter().map(|fault| (fault, 5));
    let missing: Vec<_> = faults
        .chain(LEAST)
        .filter(|(what, least)| happened(what) < enough(*least))
        .collect();
    assert_eq!(missing, Vec::<(&str, u64)>::new(), "too rare, of {counts:#?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 1_000, u64::MAX] {
        let (once, again) = (run_seed(seed), run_seed(seed));
        assert_eq!((once.trace, once.counts), (again.trace, again.counts), "seed {seed}");
    }
    assert_ne!(run_seed(1).trace, run_seed(2).trace);
}
