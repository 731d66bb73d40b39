//! Clusters of real nodes keep their promises while everything around them fails. Longer: `make chaos`, `make power-cuts`.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One run at a time: they measure how long things take.
static TURN: Mutex<()> = Mutex::new(());

/// Runs the program, which judges by itself; what it says is shown where it fails.
fn run(arguments: &[&str]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).output();
    let output = output.expect("the program can be started");
    let (said, failed) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{failed}");
}

#[test]
fn no_promise_is_broken_while_nodes_die_stand_still_and_lose_sight_of_each_other() {
    run(&[
        "--kinds",
        "kill-leader,kill-all,pause-leader,cut-leader-off,cut-follower-off,mute-leader,bridge,reset-leader",
    ]);
}

#[test]
fn no_promise_is_broken_while_disks_and_links_fail() {
    run(&[
        "--kinds",
        "slow-link,slow-sync,failed-sync,full-disk,lost-volume,handover",
    ]);
}

#[test]
fn no_acknowledged_write_is_lost_when_the_power_goes() {
    run(&["--kinds", "power-cut-of-all,power-cut-of-leader", "--rounds", "2"]);
}
