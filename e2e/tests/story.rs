//! The demo's story on real pods, each step asserted, in a Kubernetes of its own that is gone afterwards.

use confman_e2e::console::{Console, seconds};
use confman_e2e::kubernetes::{Kubernetes, Origin};
use confman_e2e::processes::{Resident, memory_of};
use confman_e2e::story;

/// Changes that are published to measure the way from approval to read.
const MEASURED: usize = 11;

#[test]
#[ignore = "starts a Kubernetes with real pods: `make e2e` or `make test`"]
fn a_change_goes_from_request_to_read_and_survives_its_leader() -> anyhow::Result<()> {
    let console = Console::default();
    let origin = Origin::from_environment()?;
    let name = format!("confman-e2e-{}", std::process::id());
    let kubernetes = Kubernetes::known(origin, &name)?;
    kubernetes.end_with_this_process()?;
    let told = tell(&console, origin, &name);
    // Torn down whatever happened; the first error is the one to report.
    let removed = kubernetes
        .down(&console)
        .and_then(|()| kubernetes.expect_no_leftovers(&console));
    told.and(removed)
}

fn tell(console: &Console, origin: Origin, name: &str) -> anyhow::Result<()> {
    let kubernetes = Kubernetes::up(console, origin, name)?;
    let stage = story::play(console, &kubernetes)?;
    let durations = story::measure_approval_to_read(&stage, MEASURED)?;
    let median = story::median(&durations);
    let slowest = durations.iter().max().copied().unwrap_or_default();
    console.note(&format!(
        "approval with kubectl to HTTP read, {MEASURED} times: p50 {}, slowest {}",
        seconds(median),
        seconds(slowest)
    ));
    if origin == Origin::Local {
        for program in ["operator", "node"] {
            let command = format!("/confman-{program} run");
            for Resident { now_kib, peak_kib } in memory_of(&command, name)? {
                let (now, peak) = (now_kib / 1024, peak_kib / 1024);
                console.note(&format!(
                    "memory of a confman-{program}: {now} MiB, at most {peak} MiB so far"
                ));
            }
        }
    }
    Ok(())
}
