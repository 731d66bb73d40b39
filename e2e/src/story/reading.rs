//! What a pod sees: the value, and the audit trail.

use anyhow::Context as _;
use serde_json::Value;

use super::{CLUSTER, KEY, NAMESPACE, PATH, PATIENCE, Stage};
use crate::console::Look;
use crate::kubectl::text_at;

/// The pod that reads in a loop; its manifest is beside this file.
pub(super) const POD: &str = "reader";
const MANIFEST: &str = "e2e/src/story/reader.yaml";

/// A pod reads the value; it goes on reading until the end of the story. One of an earlier run has counted other things.
pub(super) fn read_from_pod(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let kubectl = stage.kubectl();
    let earlier = ["-n", NAMESPACE, "delete", "pod", POD, "--ignore-not-found"];
    kubectl.run(stage.console, None, &earlier)?;
    kubectl.run(stage.console, None, &["apply", "-f", &stage.manifest(MANIFEST)?])?;
    kubectl.run(
        stage.console,
        None,
        &[
            "-n",
            NAMESPACE,
            "wait",
            "--for=condition=Ready",
            "pod/reader",
            "--timeout=120s",
        ],
    )?;
    let url = format!("http://{CLUSTER}:8080/api/v1/config{PATH}/{KEY}");
    let document = get(stage, &url)?;
    let (value, version) = stage.published.as_ref().context("nothing was published")?;
    anyhow::ensure!(text_at(&document, "/value") == value, "the pod reads {document}");
    anyhow::ensure!(
        document.pointer("/version").and_then(Value::as_u64) == Some(*version),
        "the pod reads {document}"
    );
    Ok(format!("the pod reads {value:?}, version {version}"))
}

/// The newest events of the namespace, in their order.
pub(super) fn show_audit(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let url = format!("http://{CLUSTER}:8080/api/v1/audit{PATH}?limit=20&consistency=linearizable");
    let page = get(stage, &url)?;
    let newest = page
        .pointer("/items")
        .and_then(Value::as_array)
        .context("the answer has no items")?;
    let events: Vec<_> = newest.iter().rev().collect();
    for event in &events {
        stage.console.output(&line(event));
    }
    for request in &stage.requests {
        let of_it = events
            .iter()
            .filter(|event| text_at(event, "/workflow/requestId") == request);
        let actions: Vec<_> = of_it.map(|event| text_at(event, "/action")).collect();
        let expected = ["request.submitted", "request.approved", "config.published"];
        anyhow::ensure!(actions == expected, "request {request} has the events {actions:?}");
    }
    let chained = events
        .iter()
        .all(|event| !text_at(event, "/hash").is_empty() && !text_at(event, "/previousHash").is_empty());
    anyhow::ensure!(chained, "an event has no hash");
    Ok(format!(
        "{} events, each with term, index and the hash of the one before",
        events.len()
    ))
}

/// `term.index  action  actor  key vN`, one line for each event.
fn line(event: &Value) -> String {
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let version = event
        .pointer("/change/newVersion")
        .map(|version| format!("v{version}"))
        .unwrap_or_default();
    format!(
        "{:>3}.{:<5} {:<20} {:<24} {}/{} {version}",
        number("/position/term"),
        number("/position/index"),
        text_at(event, "/action"),
        text_at(event, "/actor/principal"),
        text_at(event, "/resource/namespace"),
        text_at(event, "/resource/key"),
    )
}

/// One GET from inside the reader's pod, with the API key that its Secret gave it.
fn get(stage: &Stage<'_>, url: &str) -> anyhow::Result<Value> {
    let printed = stage.kubectl().run(
        stage.console,
        None,
        &["-n", NAMESPACE, "exec", POD, "--", "/reader", "get", url],
    )?;
    serde_json::from_str(&printed).context("the answer is not JSON")
}

/// What the loop has counted so far: the last line of the pod's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) reads: u64,
    pub(super) failures: u64,
    pub(super) longest_gap_ms: u64,
}

/// Reads the loop's count; waits for its first line.
pub(super) fn counted(stage: &Stage<'_>) -> anyhow::Result<Counted> {
    stage.console.wait_for("the reader", PATIENCE, || {
        let log = stage.kubectl().quiet(&["-n", NAMESPACE, "logs", POD, "--tail=1"])?;
        Ok(parse(&log).map_or_else(|| Look::NotYet(format!("it logged {log:?}")), Look::Found))
    })
}

/// Waits until the loop has seen `value`.
pub(super) fn await_value(stage: &Stage<'_>, value: &str) -> anyhow::Result<()> {
    let seen = format!("value={value}");
    stage.console.wait_for("the reader", PATIENCE, || {
        let log = stage.kubectl().quiet(&["-n", NAMESPACE, "logs", POD, "--tail=1"])?;
        Ok(if log.contains(&seen) {
            Look::Found(())
        } else {
            Look::NotYet(log.trim().to_owned())
        })
    })
}

fn parse(line: &str) -> Option<Counted> {
    let field = |name: &str| {
        let fields = line.split_whitespace().filter_map(|field| field.split_once('='));
        fields
            .filter(|(known, _)| *known == name)
            .find_map(|(_, value)| value.parse().ok())
    };
    Some(Counted {
        reads: field("reads")?,
        failures: field("failures")?,
        longest_gap_ms: field("longest-gap-ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_line_is_understood() {
        let counted = parse("reads=120 failures=2 longest-gap-ms=350 value=2024-01-01\n");
        assert_eq!(
            counted,
            Some(Counted {
                reads: 120,
                failures: 2,
                longest_gap_ms: 350
            })
        );
        assert_eq!(parse("listening"), None);
    }
}
