//! `confman-node healthcheck`: asks a node's probe routes, for containers without a shell.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::HealthcheckArgs;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Probe answers are short.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// Runs `healthcheck`; an error is the answer "no".
pub fn run(args: &HealthcheckArgs) -> anyhow::Result<()> {
    let path = if args.ready { "/health/ready" } else { "/health" };
    let mut stream = TcpStream::connect_timeout(&args.address, TIMEOUT).context("no connection")?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        args.address
    )?;
    let mut answer = String::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_string(&mut answer)
        .context("no answer")?;
    let status = answer.lines().next().unwrap_or("");
    anyhow::ensure!(status.starts_with("HTTP/1.1 200"), "the node answered {status:?}");
    Ok(())
}
