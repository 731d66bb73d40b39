//! Many seeds.

use std::time::Duration;

use confman_sim::run::{Options, run};

#[test]
fn no_invariant_is_violated_whatever_the_seed() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let first: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        let report = run(Options { seed, disturbed_for: Duration::from_secs(20), prints: std::env::var("TRACE").is_ok() });
        eprintln!("{report}");
        assert!(report.violations.is_empty());
    }
}
