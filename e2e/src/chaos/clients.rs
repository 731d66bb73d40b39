//! Clients that read and write a few keys at all nodes, at once, until they are told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::call::{self, Known};
use super::cluster::{Cluster, Starts};
use super::history::{Action, Operation, Outcome, Recorder};
use super::random::Random;
use crate::load::http::Connection;

/// Keys that are worked on at the same time.
const KEYS: usize = 4;
/// Operations after which other keys are taken: histories of one key stay short enough to be put in order by search.
const OPERATIONS_OF_KEYS: u64 = 400;
/// How long clients wait for an answer: some give up early, some have the patience that nodes expect.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(12)];
/// Longest pause between two operations of a client, in milliseconds.
const PAUSE: u64 = 30;

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

struct Client {
    number: usize,
    random: Random,
    nodes: Vec<String>,
    starts: Starts,
    api_key: String,
    recorder: Recorder,
    sequence: Arc<AtomicU64>,
    connections: Vec<Option<Connection>>,
    known: BTreeMap<String, Known>,
}

impl Clients {
    /// Starts `count` clients of `cluster`.
    pub fn start(cluster: &Cluster, count: usize, recorder: &Recorder, random: &Random) -> Self {
        let (stop, sequence) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let client = Client {
                number,
                random: random.branch(number),
                nodes: cluster.http(),
                starts: cluster.starts(),
                api_key: cluster.api_key().to_owned(),
                recorder: recorder.clone(),
                sequence: Arc::clone(&sequence),
                connections: cluster.all().map(|_| None).collect(),
                known: BTreeMap::new(),
            };
            tasks.spawn(client.work(Arc::clone(&stop)));
        }
        Self { stop, tasks }
    }

    /// Lets every client finish what it is at.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a client failed")?;
        }
        Ok(())
    }
}

impl Client {
    async fn work(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let node = self.random.index(self.nodes.len());
            let operation = self.operate(node).await;
            // Who is refused at once must not ask a million times.
            let pause = match operation.outcome {
                Outcome::Refused(_) | Outcome::Unknown(_) => 50,
                Outcome::Written { .. } | Outcome::Seen { .. } | Outcome::Mismatch | Outcome::Absent => {
                    self.random.below(PAUSE)
                }
            };
            self.recorder.add(operation);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn operate(&mut self, node: usize) -> Operation {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let round = sequence / OPERATIONS_OF_KEYS;
        let key = format!("key-{round}-{}", self.random.index(KEYS));
        self.known
            .retain(|known, _| known.starts_with(&format!("key-{round}-")));
        let known = self.known.get(&key).cloned();
        let expected = known.as_ref().map(|known| known.version);
        let action = match self.random.below(100) {
            0..30 => Action::Put(format!("value-{sequence}"), None),
            30..50 => Action::Put(format!("value-{sequence}"), expected),
            50..55 => Action::Delete(None),
            55..60 => Action::Delete(expected),
            60..82 => Action::Read,
            _ => Action::ReadStale,
        };
        let condition = match action {
            Action::Put(_, Some(_)) | Action::Delete(Some(_)) => known.as_ref(),
            Action::Put(_, None) | Action::Delete(None) | Action::Read | Action::ReadStale => None,
        };
        let request = call::request(&action, &key, condition, &self.api_key);
        let patience = PATIENCE[self.number % PATIENCE.len()];
        let life = self.starts[node].load(Ordering::SeqCst);
        let invoked = self.recorder.now();
        let connection = &mut self.connections[node];
        let (mut outcome, known) = call::call(connection, &self.nodes[node], &request, (&action, patience)).await;
        let completed = self.recorder.now();
        // Which life of the node has answered nobody can tell: of a stale read nothing follows.
        if action == Action::ReadStale && self.starts[node].load(Ordering::SeqCst) != life {
            outcome = Outcome::Unknown("the node was started again".to_owned());
        }
        match known {
            Some(known) => self.known.insert(key.clone(), known),
            None => self.known.remove(&key),
        };
        Operation {
            client: self.number,
            node: (node, life),
            key,
            action,
            invoked,
            completed,
            outcome,
        }
    }
}
