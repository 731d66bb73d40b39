//! What happened in a run: the events that the invariants look at, a hash of all of them, and how often each thing happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use confman_core::proposal::Proposal;
use confman_core::state::Change;
use parking_lot::Mutex;

use crate::invariants::{Ending, Invariant, Violation, every_invariant};
use crate::reader::{Freshness, Place, Read};
use crate::runtime;
use crate::types::{Answer, Entry, LogId, NodeId, Verdict, Vote};

/// One entry as a member applied it.
#[derive(Clone, Debug)]
pub struct AppliedEntry {
    /// The entry.
    pub entry: Entry,
    /// What the rules said.
    pub verdict: Option<Verdict>,
    /// What they wrote.
    pub changes: Vec<Change>,
    /// Differs where anything up to here did.
    pub history: u64,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A fault, or its end.
    Fault(String),
    /// A member leads.
    Leads {
        /// Which.
        member: NodeId,
        /// By which vote.
        vote: Vote,
        /// The last entry that it knows to be committed.
        committed: Option<LogId>,
    },
    /// A member has kept a vote, and so promised to follow it.
    Promised {
        /// Which.
        member: NodeId,
        /// The vote.
        vote: Vote,
    },
    /// A member has applied an entry.
    Applied {
        /// Which.
        member: NodeId,
        /// The entry and what came of it.
        applied: Box<AppliedEntry>,
    },
    /// A member has installed a snapshot.
    Installed {
        /// Which.
        member: NodeId,
        /// What it covers.
        index: u64,
    },
    /// A client was told what came of its write.
    Acknowledged {
        /// What it asked for.
        proposal: Arc<Proposal>,
        /// What it was told.
        answer: Box<Answer>,
    },
    /// A client begins a read.
    ReadBegan {
        /// Number of the read.
        number: u64,
        /// Of which key.
        place: Place,
    },
    /// A client has read.
    ReadEnded {
        /// Number of the read.
        number: u64,
        /// Of which key.
        place: Place,
        /// How fresh it was to be.
        freshness: Freshness,
        /// What it saw.
        read: Read,
    },
    /// A member has stopped by itself.
    Stopped {
        /// Which.
        member: NodeId,
        /// Why.
        reason: String,
    },
    /// The cluster did not do in time what it must do when nothing disturbs it.
    Stuck(String),
}

impl Event {
    /// The event as the trace has it.
    fn line(&self) -> String {
        match self {
            Self::Applied { member, applied } => {
                format!("Applied {member} {} {:x}", applied.entry.log_id, applied.history)
            }
            Self::Acknowledged { proposal: _, answer } => format!("Acknowledged {:?}", answer.position),
            Self::Fault(_)
            | Self::Leads { .. }
            | Self::Promised { .. }
            | Self::Installed { .. }
            | Self::ReadBegan { .. }
            | Self::ReadEnded { .. }
            | Self::Stopped { .. }
            | Self::Stuck(_) => format!("{self:?}"),
        }
    }
}

/// The record of a run; clones are the same one.
#[derive(Clone)]
pub struct Record {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    invariants: Vec<Box<dyn Invariant>>,
    violations: Vec<Violation>,
    counts: BTreeMap<&'static str, u64>,
    faults: Vec<String>,
    trace: DefaultHasher,
    prints: bool,
    log: BTreeMap<u64, Entry>,
}

impl Record {
    /// An empty one; `prints` every event to the standard error if that is wanted.
    pub fn new(prints: bool) -> Self {
        let inner = Inner {
            invariants: every_invariant(),
            violations: Vec::new(),
            counts: BTreeMap::new(),
            faults: Vec::new(),
            trace: DefaultHasher::new(),
            prints,
            log: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Adds `event` and lets every invariant look at it.
    pub fn add(&self, event: Event) {
        let at = runtime::now().since_start();
        self.inner.lock().add(at, event);
    }

    /// Counts one more `what`.
    pub fn count(&self, what: &'static str) {
        self.count_many(what, 1);
    }

    /// Counts `more` of `what`.
    pub fn count_many(&self, what: &'static str, more: u64) {
        *self.inner.lock().counts.entry(what).or_default() += more;
    }

    /// The entries that were applied anywhere, in order.
    pub fn log(&self) -> Vec<Entry> {
        self.inner.lock().log.values().cloned().collect()
    }

    /// The last index that was applied anywhere.
    pub fn last_index(&self) -> u64 {
        self.inner.lock().log.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// Lets every invariant look at the end.
    pub fn end(&self, ending: &Ending) {
        let at = runtime::now().since_start();
        let mut inner = self.inner.lock();
        let mut invariants = std::mem::take(&mut inner.invariants);
        for invariant in &mut invariants {
            if let Err(detail) = invariant.at_end(ending) {
                inner.violated(invariant.name(), at, detail);
            }
        }
        inner.invariants = invariants;
    }

    /// What was violated, the first of each invariant.
    pub fn violations(&self) -> Vec<Violation> {
        self.inner.lock().violations.clone()
    }

    /// How often each thing happened.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.inner.lock().counts.clone()
    }

    /// The faults in order.
    pub fn faults(&self) -> Vec<String> {
        self.inner.lock().faults.clone()
    }

    /// The hash of every event and its time.
    pub fn trace(&self) -> u64 {
        self.inner.lock().trace.finish()
    }
}

impl Inner {
    fn add(&mut self, at: Duration, event: Event) {
        let mut line = String::new();
        // Writing to a text never fails.
        let _ = write!(line, "{:>9.4} {}", at.as_secs_f64(), event.line());
        self.trace.write(line.as_bytes());
        if self.prints {
            eprintln!("{line}");
        }
        let mut invariants = std::mem::take(&mut self.invariants);
        for invariant in &mut invariants {
            if let Err(detail) = invariant.see(&event) {
                self.violated(invariant.name(), at, detail);
            }
        }
        self.invariants = invariants;
        match event {
            Event::Fault(_) => self.faults.push(line),
            Event::Applied { member: _, applied } => {
                self.log.entry(applied.entry.log_id.index).or_insert(applied.entry);
            }
            Event::Leads { .. }
            | Event::Promised { .. }
            | Event::Installed { .. }
            | Event::Acknowledged { .. }
            | Event::ReadBegan { .. }
            | Event::ReadEnded { .. }
            | Event::Stopped { .. }
            | Event::Stuck(_) => {}
        }
    }

    fn violated(&mut self, invariant: &'static str, at: Duration, detail: String) {
        if self.violations.iter().all(|violation| violation.invariant != invariant) {
            self.violations.push(Violation { invariant, at, detail });
        }
    }
}
