//! The leader's pod goes away while a pod reads.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;

use super::install::leader;
use super::reading::counted;
use super::{CLUSTER, NAMESPACE, PATIENCE, Stage};
use crate::console::{Look, seconds};
use crate::kubectl::{is_true, text_at};

/// Longest time without a successful read that the story accepts. Readers that hold on to the dead pod try again.
const LONGEST_GAP_MS: u64 = 5_000;

/// Deletes the leader's pod; reads go on, another node leads, the pod comes back.
pub(super) fn delete_leader(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let before = counted(stage)?;
    let old = stage.leader.clone();
    let pod = stage
        .kubectl()
        .get(NAMESPACE, "pod", &old)?
        .context("the leader's pod is not there")?;
    let uid = text_at(&pod, "/metadata/uid").to_owned();
    let deleted = Instant::now();
    stage.kubectl().run(
        stage.console,
        None,
        &["-n", NAMESPACE, "delete", "pod", &old, "--wait=false"],
    )?;

    let cluster = (NAMESPACE, "confmancluster", CLUSTER);
    stage.leader = stage.kubectl().wait_for(stage.console, cluster, PATIENCE, |object| {
        Ok(match leader(object) {
            Look::Found(name) if name == old => Look::NotYet(format!("the status still names {old}")),
            Look::Found(name) => Look::Found(name),
            Look::NotYet(why) => Look::NotYet(why),
        })
    })?;
    let elected = deleted.elapsed();
    stage
        .kubectl()
        .wait_for(stage.console, (NAMESPACE, "pod", &old), PATIENCE, |pod| {
            Ok(came_back(pod, &uid))
        })?;
    stage
        .kubectl()
        .wait_for(stage.console, cluster, PATIENCE, |object| Ok(is_true(object, "Ready")))?;

    let after = counted(stage)?;
    let reads = after.reads - before.reads;
    anyhow::ensure!(reads > 0, "nothing was read during the failover");
    anyhow::ensure!(
        after.longest_gap_ms <= LONGEST_GAP_MS,
        "for {} ms nothing could be read",
        after.longest_gap_ms
    );
    Ok(format!(
        "{} leads (seen after {}); meanwhile {reads} reads succeeded, {} failed and were tried again, longest gap {} ms",
        stage.leader,
        seconds(elected),
        after.failures - before.failures,
        after.longest_gap_ms,
    ))
}

/// Found when a new pod of the same name is ready.
fn came_back(pod: &Value, old_uid: &str) -> Look<()> {
    if text_at(pod, "/metadata/uid") == old_uid {
        return Look::NotYet("the old pod is ending".to_owned());
    }
    is_true(pod, "Ready")
}
