//! `reader`: what a service does with Confman, as the story's pod runs it. Plain HTTP, one API key from the environment.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use confman_e2e::load::http::Connection;

/// Reads one URL, `http://host:port/path`; the API key is in `CONFMAN_API_KEY`.
#[derive(Debug, Parser)]
enum Arguments {
    /// Reads once as JSON and prints the answer.
    Get {
        /// What to read.
        url: String,
    },
    /// Reads the raw value again and again, each time over a new connection; prints the count every second.
    Loop {
        /// What to read.
        url: String,
    },
}

/// Pause between two reads.
const PAUSE: Duration = Duration::from_millis(50);
/// A read that takes longer has failed; the next one may meet another node.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Between two lines of the count.
const REPORT: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let api_key = std::env::var("CONFMAN_API_KEY").context("CONFMAN_API_KEY is not set")?;
    match Arguments::parse() {
        Arguments::Get { url } => {
            print(&read(&url, api_key.trim(), "application/json").await?);
            Ok(())
        }
        Arguments::Loop { url } => read_for_ever(&url, api_key.trim()).await,
    }
}

async fn read(url: &str, api_key: &str, accept: &str) -> anyhow::Result<String> {
    let (address, path) = split(url)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: {accept}\r\nx-api-key: {api_key}\r\nconnection: close\r\n\r\n"
    );
    let mut connection = Connection::open(address).await?;
    let (status, body) = connection.send(request.as_bytes()).await?;
    let body = String::from_utf8_lossy(body).into_owned();
    anyhow::ensure!(status == 200, "status {status}: {body}");
    Ok(body)
}

/// Address and path of a URL.
fn split(url: &str) -> anyhow::Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").context("the URL must begin with http://")?;
    let slash = rest.find('/').context("the URL must have a path")?;
    Ok(rest.split_at(slash))
}

async fn read_for_ever(url: &str, api_key: &str) -> anyhow::Result<()> {
    split(url)?;
    let (mut reads, mut failures) = (0_u64, 0_u64);
    let (mut last_success, mut longest_gap) = (None::<Instant>, Duration::ZERO);
    let mut reported = Instant::now();
    let mut value = String::new();
    loop {
        match tokio::time::timeout(TIMEOUT, read(url, api_key, "text/plain")).await {
            Ok(Ok(body)) => {
                reads += 1;
                let now = Instant::now();
                longest_gap = longest_gap.max(last_success.replace(now).map_or(Duration::ZERO, |before| now - before));
                value = body;
            }
            Ok(Err(_)) | Err(_) => failures += 1,
        }
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            // A gap that has not ended yet counts too.
            let gap = longest_gap.max(last_success.map_or(Duration::ZERO, |before| before.elapsed()));
            print(&format!(
                "reads={reads} failures={failures} longest-gap-ms={} value={value}",
                gap.as_millis()
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(clippy::print_stdout, reason = "its output is what the pod's log is read for")]
fn print(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_address_and_path() -> anyhow::Result<()> {
        assert_eq!(
            split("http://demo:8080/api/v1/config/a")?,
            ("demo:8080", "/api/v1/config/a")
        );
        assert!(split("https://demo/").is_err());
        assert!(split("http://demo").is_err());
        Ok(())
    }
}
