//! Simulated clusters: many seeds, the same run twice, and planted mistakes.

#[cfg(feature = "planted-mistakes")]
mod mistakes;
#[cfg(not(feature = "planted-mistakes"))]
mod seeds;

use std::time::Duration;

use confman_sim::run::{Options, Report, run};

/// How long a cluster is disturbed, in simulated time.
const DISTURBED_FOR: Duration = Duration::from_secs(20);

fn run_seed(seed: u64) -> Report {
    run(Options {
        seed,
        disturbed_for: DISTURBED_FOR,
        prints: std::env::var_os("TRACE").is_some(),
    })
}
