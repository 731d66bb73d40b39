//! Clients that watch: each hears of every change once and in order, over however many connections it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tokio::task::JoinSet;

use super::call;
use super::cluster::Cluster;
use super::oracle::{Broken, Record, Violation};
use super::random::Random;

/// A stream that is silent for longer is dead: heartbeats come every 15 s.
const SILENCE: Duration = Duration::from_secs(20);
/// Longest time on one connection, in milliseconds: going on after a break is what is looked at.
const STAY: u64 = 5_000;

/// What one watcher heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Everything up to this log index is older; none before the stream was ready.
    pub since: Option<u64>,
    /// Id of the last event.
    last_id: Option<String>,
    /// Log index, key and version of each change.
    pub changes: Vec<(u64, String, u64)>,
    /// What should not have been said.
    pub complaints: Vec<String>,
    /// How often it went on after a break.
    pub resumed: usize,
}

/// Watchers at work; they end when this is dropped.
pub struct Watchers {
    heard: Vec<Arc<Mutex<Heard>>>,
    _tasks: JoinSet<()>,
}

struct Watcher {
    node: usize,
    nodes: Vec<String>,
    api_key: String,
    random: Random,
    heard: Arc<Mutex<Heard>>,
}

impl Watchers {
    /// Starts a watcher for each node of `cluster`; each goes to the next node when one fails it.
    pub async fn start(cluster: &Cluster, random: &Random) -> anyhow::Result<Self> {
        let (mut heard, mut tasks) = (Vec::new(), JoinSet::new());
        for node in cluster.all() {
            let watcher = Watcher {
                node,
                nodes: cluster.http(),
                api_key: cluster.api_key().to_owned(),
                random: random.branch(1_000 + node),
                heard: Arc::default(),
            };
            heard.push(Arc::clone(&watcher.heard));
            tasks.spawn(watcher.work());
        }
        let watchers = Self { heard, _tasks: tasks };
        super::cluster::eventually("every watch is ready", async || {
            let all_are = watchers.heard().iter().all(|heard| heard.since.is_some());
            all_are.then_some(()).context("one is not")
        })
        .await?;
        Ok(watchers)
    }

    /// What each of them heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.iter().map(|heard| lock(heard).clone()).collect()
    }

    /// Waits until all have heard of the change at `index`, or have had the time to; what each of them heard.
    pub async fn heard_up_to(&self, index: u64) -> Vec<Heard> {
        let deadline = Instant::now() + 2 * SILENCE;
        loop {
            let heard = self.heard();
            let has_heard = |heard: &Heard| heard.changes.last().is_some_and(|(last, ..)| *last >= index);
            if heard.iter().all(has_heard) || Instant::now() > deadline {
                return heard;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Watcher {
    async fn work(mut self) {
        loop {
            let stay = Duration::from_millis(500 + self.random.below(STAY));
            // Where the time is up it leaves by itself, as a client may.
            if tokio::time::timeout(stay, self.listen()).await.is_ok() {
                self.node = (self.node + 1) % self.nodes.len();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Listens on one connection for as long as it lasts.
    async fn listen(&self) -> anyhow::Result<()> {
        let last_id = lock(&self.heard).last_id.clone();
        let resume = last_id.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let fields = format!("accept: text/event-stream\r\n{resume}");
        let mut stream = call::stream(&self.nodes[self.node], &self.api_key, "/api/v1/watch", &fields).await?;
        if !resume.is_empty() {
            lock(&self.heard).resumed += 1;
        }
        let (mut id, mut event, mut data) = (None, String::new(), String::new());
        loop {
            let line = tokio::time::timeout(SILENCE, stream.body_line()).await;
            let line = line.context("silence")??.context("the stream ended")?;
            // A line without its end is not whole.
            let line = line.strip_suffix('\n').context("the stream broke off")?;
            match line.split_once(": ") {
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("event", text)) => text.clone_into(&mut event),
                Some(("data", text)) => text.clone_into(&mut data),
                _ if line.is_empty() && !event.is_empty() => {
                    lock(&self.heard).take(id.take(), &event, &data);
                    event.clear();
                }
                _ => {}
            }
        }
    }
}

impl Heard {
    fn take(&mut self, id: Option<String>, event: &str, data: &str) {
        let data: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        match (event, &id) {
            ("ready", _) => {
                let index = data["index"].as_u64();
                self.since = self.since.or(index);
            }
            ("values", Some(id)) => {
                let index = id.split('.').next().and_then(|index| index.parse().ok());
                let change = (index, data["key"].as_str(), data["version"].as_u64());
                match change {
                    (Some(index), Some(key), Some(version)) => self.changes.push((index, key.to_owned(), version)),
                    _ => self.complaints.push(format!("event {id} is {data}")),
                }
            }
            ("closed", _) => {}
            _ => self.complaints.push(format!("{event} {id:?}: {data}")),
        }
        if id.is_some() {
            self.last_id = id;
        }
    }
}

/// Holds what a watcher heard against what changed.
pub fn check(heard: &Heard, record: &Record) -> Vec<Violation> {
    let complaints = heard
        .complaints
        .iter()
        .map(|complaint| Violation::new(Broken::WatchBroken, complaint));
    let mut violations: Vec<_> = complaints.collect();
    let since = heard.since.unwrap_or(u64::MAX);
    let mut expected: Vec<_> = record
        .iter()
        .flat_map(|(key, changes)| changes.iter().map(|change| (change.index, key.clone(), change.version)))
        .filter(|(index, ..)| *index > since)
        .collect();
    expected.sort();
    if heard.changes != expected {
        let same = heard.changes.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let (is, should_be) = (heard.changes.get(same), expected.get(same));
        let evidence = format!(
            "change number {same} was {is:?} and not {should_be:?}; {} of {} heard",
            heard.changes.len(),
            expected.len()
        );
        violations.push(Violation::new(Broken::WatchBroken, evidence));
    }
    violations
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::oracle::Change;
    use super::*;

    fn record() -> Record {
        let change = |version, index| Change {
            version,
            index,
            value: Some(index.to_string()),
        };
        Record::from([
            ("a".to_owned(), vec![change(1, 3), change(2, 9)]),
            ("b".to_owned(), vec![change(1, 5)]),
        ])
    }

    fn heard(since: u64, changes: &[(u64, &str, u64)]) -> Heard {
        let owned = changes
            .iter()
            .map(|(index, key, version)| (*index, (*key).to_owned(), *version));
        Heard {
            since: Some(since),
            changes: owned.collect(),
            ..Heard::default()
        }
    }

    #[test]
    fn a_watch_that_heard_everything_after_it_was_ready_is_let_through() {
        for changes in [&[(3, "a", 1), (5, "b", 1), (9, "a", 2)][..], &[(9, "a", 2)]] {
            let since = changes[0].0 - 1;
            assert_eq!(check(&heard(since, changes), &record()), []);
        }
    }

    #[test]
    fn a_watch_that_missed_repeated_or_reordered_a_change_is_caught() {
        let bad: [&[(u64, &str, u64)]; 4] = [
            &[(3, "a", 1), (9, "a", 2)],
            &[(3, "a", 1), (5, "b", 1), (5, "b", 1), (9, "a", 2)],
            &[(5, "b", 1), (3, "a", 1), (9, "a", 2)],
            &[(3, "a", 1), (5, "b", 1)],
        ];
        for changes in bad {
            assert_eq!(check(&heard(0, changes), &record()).len(), 1, "{changes:?}");
        }
    }

    #[test]
    fn a_reset_is_caught() {
        let mut heard = heard(9, &[]);
        heard.take(Some("20".to_owned()), "reset", "{\"reason\":\"unknown\",\"index\":20}");
        assert_eq!(check(&heard, &record()).len(), 1);
    }
}
