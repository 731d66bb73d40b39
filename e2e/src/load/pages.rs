//! A namespace with many keys, listed page by page: what the last pages cost beside the first ones.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use confman_api::listing::Pagination;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::drive::{Plan, drive};
use super::http::{ConfmanClient, Connection, Operation};
use crate::nodes::{LocalNodes, Options};

/// Clients that fill the namespace.
const WRITERS: usize = 256;
/// Longest time for filling it.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often all pages are walked, once more at the beginning without being measured.
const WALKS: usize = 5;
/// Pages at either end of a walk that are compared.
const END: usize = 10;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Keys of the namespace.
    pub keys: u64,
    /// Pages of one walk.
    pub pages: usize,
    /// Median time for one of the first pages of a walk.
    pub first: Duration,
    /// Median time for one of the last pages.
    pub last: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keys,
            pages,
            first,
            last,
        } = self;
        let ratio = last.as_secs_f64() / first.as_secs_f64();
        writeln!(formatter, "{keys} keys on {pages} pages, walked {WALKS} times")?;
        writeln!(
            formatter,
            "median of the first {END} pages {first:?}, of the last {END} {last:?}: {ratio:.2} times as long"
        )
    }
}

/// The part of a page that a walk looks at.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<IgnoredAny>,
    pagination: Pagination,
}

/// Starts a node, fills the namespace `/` with `keys` keys, and walks its pages of `limit` items.
pub async fn measure(options: &Options, keys: u64, limit: usize) -> anyhow::Result<Measured> {
    let nodes = LocalNodes::start(options).await?;
    let address = nodes.http.first().context("no node")?;
    fill(address, &nodes.api_key, keys)
        .await
        .context("fill the namespace")?;
    let mut connection = Connection::open(address).await?;
    let mut walk = async || walk(&mut connection, &nodes.api_key, keys, limit).await;
    let pages = walk().await?.len();
    anyhow::ensure!(pages >= 2 * END, "{pages} pages are too few to compare their ends");
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..WALKS {
        let times = walk().await?;
        first.extend_from_slice(&times[..END]);
        // The very last page may hold fewer keys than the others.
        last.extend_from_slice(&times[pages - 1 - END..pages - 1]);
    }
    Ok(Measured {
        keys,
        pages,
        first: median(first),
        last: median(last),
    })
}

async fn fill(address: &str, api_key: &str, keys: u64) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..WRITERS {
        clients.push(ConfmanClient::open(address, api_key, Operation::Put, (keys, 256)).await?);
    }
    let plan = Plan {
        clients: WRITERS,
        warm_up: Duration::ZERO,
        duration: PATIENCE,
        most_operations: keys,
    };
    let filled = drive(plan, clients, 0).await?;
    let first = filled.first_failure.unwrap_or_default();
    anyhow::ensure!(
        filled.operations == keys,
        "only {} of {keys} keys: {first}",
        filled.operations
    );
    Ok(())
}

/// The time of each page, in order; all together must hold `keys` keys.
async fn walk(connection: &mut Connection, api_key: &str, keys: u64, limit: usize) -> anyhow::Result<Vec<Duration>> {
    let (mut times, mut items) = (Vec::new(), 0);
    let mut query = format!("?limit={limit}");
    loop {
        let request = format!("GET /api/v1/config{query} HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\n\r\n");
        let began = Instant::now();
        let (status, body) = connection.send(request.as_bytes()).await?;
        times.push(began.elapsed());
        anyhow::ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(body));
        let page: Page = serde_json::from_slice(body).context("read a page")?;
        items += page.items.len();
        let Some(cursor) = page.pagination.next_cursor else {
            break;
        };
        query = format!("?limit={limit}&cursor={cursor}");
    }
    anyhow::ensure!(
        u64::try_from(items).ok() == Some(keys),
        "the pages hold {items} keys, not {keys}"
    );
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
