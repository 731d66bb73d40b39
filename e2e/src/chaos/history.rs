//! What clients asked for and what they were told, with the times of both.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a client asks of a key. Every value that is written is written once only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this value; where a version is named, only if it is live.
    Put(String, Option<u64>),
    /// Delete the key; where a version is named, only if it is live.
    Delete(Option<u64>),
    /// Read with `consistency=linearizable`.
    Read,
    /// Read what the node has.
    ReadStale,
}

/// A version that is live, and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Live {
    /// 1, 2, 3 … per key.
    pub version: u64,
    /// What was written.
    pub value: String,
}

/// What the client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It made this version, at this log index.
    Written {
        /// The version.
        version: u64,
        /// Its place in the log.
        index: u64,
    },
    /// This was live as of this log index; none of a key that is not there.
    Seen {
        /// What was live.
        live: Option<Live>,
        /// `Confman-Index` of the answer.
        index: u64,
    },
    /// Another version is live than the one that was named.
    Mismatch,
    /// There is nothing to delete.
    Absent,
    /// Nothing was changed, says the answer, or nothing was sent.
    Refused(String),
    /// It may have happened, may happen yet, or never.
    Unknown(String),
}

/// One call of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Which client, 0, 1, 2 …
    pub client: usize,
    /// The node that was asked, and how often it had been started by then.
    pub node: (usize, u32),
    /// The key.
    pub key: String,
    /// What was asked for.
    pub action: Action,
    /// When it was sent.
    pub invoked: Duration,
    /// When the answer was there.
    pub completed: Duration,
    /// The answer.
    pub outcome: Outcome,
}

impl Operation {
    /// The value that it writes.
    pub fn value(&self) -> Option<&str> {
        match &self.action {
            Action::Put(value, _) => Some(value),
            Action::Delete(_) | Action::Read | Action::ReadStale => None,
        }
    }

    /// True if it changes something when it succeeds.
    pub fn is_write(&self) -> bool {
        matches!(self.action, Action::Put(..) | Action::Delete(_))
    }

    /// True if it was sent before `other` was and answered by then.
    pub fn is_before(&self, other: &Self) -> bool {
        self.completed < other.invoked
    }

    /// How long it took to be answered.
    pub fn took(&self) -> Duration {
        self.completed.saturating_sub(self.invoked)
    }

    /// True if nobody knows what became of it.
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown(_))
    }

    /// True if it was in flight, or answered, in this span of time.
    pub fn touches(&self, (from, to): (Duration, Duration)) -> bool {
        self.invoked <= to && self.completed >= from
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (node, started) = self.node;
        write!(
            formatter,
            "client {} at node {node} (start {started}), {:.3} s to {:.3} s: {:?} {} -> {:?}",
            self.client,
            self.invoked.as_secs_f64(),
            self.completed.as_secs_f64(),
            self.action,
            self.key,
            self.outcome
        )
    }
}

/// Takes down operations; its clones write the same history.
#[derive(Clone, Debug)]
pub struct Recorder {
    began: Instant,
    operations: Arc<Mutex<Vec<Operation>>>,
}

impl Recorder {
    /// A history that begins now.
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
            operations: Arc::default(),
        }
    }

    /// Time since the history began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Adds an operation.
    pub fn add(&self, operation: Operation) {
        self.lock().push(operation);
    }

    /// Everything so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().clone()
    }

    /// How many of the operations so far `hold`.
    pub fn count(&self, holds: impl Fn(&Operation) -> bool) -> usize {
        self.lock().iter().rev().filter(|operation| holds(operation)).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The operations of each key, in the order in which they were sent.
pub fn by_key(operations: &[Operation]) -> BTreeMap<&str, Vec<&Operation>> {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        keys.entry(&operation.key).or_default().push(operation);
    }
    for of_key in keys.values_mut() {
        of_key.sort_by_key(|operation| operation.invoked);
    }
    keys
}
