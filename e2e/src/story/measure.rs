//! From the approval with `kubectl patch` to the HTTP read of the new value: the figure that people feel.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::publish::{digest, manifest, patch_arguments, review};
use super::{APPROVER, CLUSTER, KEY, NAMESPACE, PATH, PATIENCE, READER_KEY, REQUESTER, Stage};
use crate::console::Look;
use crate::kubectl::text_at;
use crate::load::http::Connection;
use crate::processes::Process;

/// Pause between two reads.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A read that takes longer than this has failed.
const LONGEST: Duration = Duration::from_mins(1);

/// Publishes `count` changes and measures each, from starting `kubectl patch` to reading the value over HTTP.
pub fn measure_approval_to_read(stage: &Stage<'_>, count: usize) -> anyhow::Result<Vec<Duration>> {
    let folder = tempfile::tempdir().context("make room for a log")?;
    let mut forward = stage.kubectl().command(
        None,
        &["-n", NAMESPACE, "port-forward", &format!("service/{CLUSTER}"), ":8080"],
    );
    let mut forward = Process::start("port-forward", &mut forward, folder.path())?;
    let address = stage.console.wait_for("the forwarded port", PATIENCE, || {
        forward.expect_running()?;
        let log = std::fs::read_to_string(folder.path().join("port-forward.log")).unwrap_or_default();
        let port = log.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        Ok(port.map_or(Look::NotYet(String::new()), |port| {
            Look::Found(format!("127.0.0.1:{port}"))
        }))
    })?;
    let secret = stage
        .kubectl()
        .get(NAMESPACE, "secret", READER_KEY)?
        .context("the reader has no API key")?;
    let api_key = String::from_utf8(STANDARD.decode(text_at(&secret, "/data/api-key"))?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    (0..count)
        .map(|number| runtime.block_on(measure_one(stage, number, &address, &api_key)))
        .collect()
}

async fn measure_one(stage: &Stage<'_>, number: usize, address: &str, api_key: &str) -> anyhow::Result<Duration> {
    let name = stage.request_name(&format!("measured-{number}"));
    let value = format!("measured-{number}-{name}");
    ask_quietly(stage, &manifest(&name, &value, "Measure the way"))?;
    let patch = review(APPROVER, &digest(stage, &name)?, "measured");
    let mut connection = Connection::open(address).await?;
    let request = format!(
        "GET /api/v1/config{PATH}/{KEY} HTTP/1.1\r\nhost: {CLUSTER}\r\naccept: text/plain\r\nx-api-key: {api_key}\r\n\r\n"
    );
    let started = Instant::now();
    let mut approval = stage
        .kubectl()
        .command(Some(APPROVER), &patch_arguments(&name, &patch))
        .stdout(Stdio::null())
        .spawn()?;
    loop {
        let (status, body) = connection.send(request.as_bytes()).await?;
        if status == 200 && body == value.as_bytes() {
            break;
        }
        anyhow::ensure!(
            started.elapsed() < LONGEST,
            "not read within {} s: status {status}",
            LONGEST.as_secs()
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let took = started.elapsed();
    anyhow::ensure!(
        approval.wait().context("wait for kubectl")?.success(),
        "kubectl patch failed"
    );
    Ok(took)
}

fn ask_quietly(stage: &Stage<'_>, manifest: &str) -> anyhow::Result<()> {
    let mut command: Command = stage.kubectl().command(Some(REQUESTER), &["apply", "-f", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("run kubectl")?;
    let mut input = child.stdin.take().context("kubectl has no input")?;
    input.write_all(manifest.as_bytes()).context("write the manifest")?;
    drop(input);
    anyhow::ensure!(
        child.wait().context("wait for kubectl")?.success(),
        "kubectl apply failed"
    );
    Ok(())
}

/// The middle one of some durations; zero for none.
pub fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let durations = [9, 1, 5].map(Duration::from_secs);
        assert_eq!(median(&durations), Duration::from_secs(5));
        assert_eq!(median(&[]), Duration::ZERO);
    }
}
