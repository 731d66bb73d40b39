//! Idle watches: connections that wait for a change, the memory they take in a node, and how fast a change reaches all.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::drive::Client as _;
use super::http::{ConfmanClient, Operation};
use crate::nodes::{LocalNodes, Options};

/// Watches that are opened at the same time.
const OPENING: usize = 64;
/// Longest wait for all watches to be open, or for a write to have reached all.
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Watches.
    pub count: usize,
    /// Resident memory of the node before and after, in KiB.
    pub memory_kib: (u64, u64),
    /// For each write the time from sending it until the last watch had heard of it.
    pub reached_all: Vec<Duration>,
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.memory_kib;
        let grown = after.saturating_sub(before);
        let each = grown * 1024 / u64::try_from(self.count).unwrap_or(u64::MAX).max(1);
        writeln!(formatter, "{} idle watches", self.count)?;
        writeln!(
            formatter,
            "memory: {before} KiB before, {after} KiB with them: {grown} KiB, {each} bytes each"
        )?;
        for (number, took) in self.reached_all.iter().enumerate() {
            writeln!(
                formatter,
                "write {}: reached all after {} ms",
                number + 1,
                took.as_millis()
            )?;
        }
        Ok(())
    }
}

/// Starts a node, opens `count` watches of everything, and writes `writes` times.
pub async fn measure(options: &Options, count: usize, writes: usize) -> anyhow::Result<Measured> {
    let nodes = LocalNodes::start(options).await?;
    let address = nodes.http.first().context("no node")?.clone();
    let mut client = ConfmanClient::open(&address, &nodes.api_key, Operation::Put, (1_000, 256)).await?;
    // What the first write of a node allocates is not the watches'.
    for sequence in 0..100 {
        client.call(sequence).await.context("warm up")?;
    }
    let memory = || nodes.processes().first().map_or(0, |node| node.memory().now_kib);
    let before = memory();
    let (sender, mut hears) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(OPENING));
    let mut watches = JoinSet::new();
    for number in 0..count {
        let key = nodes.watch_keys[number % nodes.watch_keys.len()].clone();
        watches.spawn(watch(address.clone(), key, sender.clone(), Arc::clone(&places)));
    }
    drop(sender);
    wait_for(&mut hears, &mut watches, count)
        .await
        .context("open the watches")?;
    let after = memory();
    let mut reached_all = Vec::new();
    for sequence in 0..writes {
        let began = Instant::now();
        let sequence = u64::try_from(sequence).context("a small number")?;
        client.call(1_000 + sequence).await.context("write")?;
        let last = wait_for(&mut hears, &mut watches, count)
            .await
            .context("reach the watches")?;
        reached_all.push(last.duration_since(began));
    }
    Ok(Measured {
        count,
        memory_kib: (before, after),
        reached_all,
    })
}

/// Waits until every watch has heard something; when the last one did.
async fn wait_for(
    hears: &mut mpsc::UnboundedReceiver<Instant>,
    watches: &mut JoinSet<anyhow::Result<()>>,
    count: usize,
) -> anyhow::Result<Instant> {
    let mut last = Instant::now();
    let mut missing = count;
    let all = async {
        while missing > 0 {
            tokio::select! {
                moment = hears.recv() => {
                    last = last.max(moment.context("every watch has ended")?);
                    missing -= 1;
                }
                Some(ended) = watches.join_next() => ended.context("a watch panicked")??,
            }
        }
        anyhow::Ok(())
    };
    let waited = timeout(PATIENCE, all).await;
    waited.with_context(|| {
        format!(
            "{missing} of {count} watches heard nothing for {} s",
            PATIENCE.as_secs()
        )
    })??;
    Ok(last)
}

/// One watch: says when it is open, and when it hears of a change.
async fn watch(
    address: String,
    api_key: String,
    heard: mpsc::UnboundedSender<Instant>,
    places: Arc<Semaphore>,
) -> anyhow::Result<()> {
    let place = places.acquire_owned().await.context("wait for a turn")?;
    let mut stream = TcpStream::connect(&address).await.context("connect")?;
    let request = format!("GET /api/v1/watch HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("ask to watch")?;
    let mut opening = Some(place);
    let mut line = Vec::new();
    loop {
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).await.context("read the stream")?;
        anyhow::ensure!(read > 0, "the node ended the stream");
        for byte in &bytes[..read] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            match line.as_slice() {
                b"event: ready" | b"event: values" => {
                    opening.take();
                    // Whoever listened has gone: the measurement is over.
                    let _ = heard.send(Instant::now());
                }
                line if line.starts_with(b"HTTP/1.1 ") => {
                    anyhow::ensure!(line.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(line));
                }
                _ => {}
            }
            line.clear();
        }
    }
}
