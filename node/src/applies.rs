//! When entries were applied here: the store says it while it applies, and whoever proposed an entry asks for it, to know
//! how long the commit took and to draw its spans.

use std::sync::Arc;
use std::time::Instant;

use confman_core::audit::AuditEvent;
use confman_core::outcome::Applied;
use confman_core::state::Change;
use confman_store::ApplyStep;
use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::propose::command_name;
use crate::spans::Span;

/// How many entries are remembered: as many as can wait for their commit at once.
const REMEMBERED: usize = 4096;

/// When one entry was applied.
#[derive(Clone, Copy, Debug)]
struct Times {
    index: u64,
    started: Instant,
    /// When it was written and visible; until then when the rules had decided.
    ended: Instant,
    /// Audit events that it made.
    events: u32,
}

/// The newest entries that were applied here. Cheap to clone.
#[derive(Clone, Default)]
pub struct Applies {
    state: Arc<Mutex<State>>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    /// A ring by index.
    times: Vec<Option<Times>>,
    /// Entries that are decided and not written.
    unwritten: Vec<u64>,
}

fn slot(index: u64) -> usize {
    usize::try_from(index % REMEMBERED as u64).unwrap_or(0)
}

impl Applies {
    /// Nothing is remembered yet; what is seen is counted in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            state: Arc::default(),
            metrics,
        }
    }

    /// For the store's observer.
    pub fn observe(&self, step: ApplyStep<'_>) {
        let now = Instant::now();
        match step {
            ApplyStep::Decided {
                position,
                command,
                applied,
                started,
            } => {
                self.metrics.applied(command_name(command), now.duration_since(started));
                let events = self.count_events(applied);
                self.state.lock().remember(Times {
                    index: position.index,
                    started,
                    ended: now,
                    events,
                });
            }
            ApplyStep::Written { started } => {
                self.metrics.applied_batch(now.duration_since(started));
                self.state.lock().written(now);
            }
        }
    }

    fn count_events(&self, applied: &Applied) -> u32 {
        let mut count = 0;
        for change in &applied.changes {
            if let Change::AppendAudit(event) = change {
                self.metrics.audited(event.action);
                count += 1;
            }
        }
        count
    }

    /// The entry `index` was offered at `offered` and has been answered: draws its spans below `parent`.
    pub(crate) fn answered(&self, index: u64, offered: Instant, parent: &Span) {
        let Some(times) = self.state.lock().find(index) else {
            return;
        };
        self.metrics.committed(times.started.saturating_duration_since(offered));
        if parent.is_recording() {
            let position = ("confman.raft.index", index.to_string());
            parent.past(
                "log append and commit",
                (offered, times.started),
                vec![position.clone()],
            );
            let ids: Vec<_> = (0..times.events).map(|seq| AuditEvent::id_of(index, seq)).collect();
            let mut attributes = vec![position];
            if !ids.is_empty() {
                attributes.push(("confman.audit.event_id", ids.join(",")));
            }
            parent.past("apply", (times.started, times.ended), attributes);
        }
    }
}

impl State {
    fn remember(&mut self, times: Times) {
        self.times.resize(REMEMBERED, None);
        self.times[slot(times.index)] = Some(times);
        self.unwritten.push(times.index);
    }

    fn written(&mut self, now: Instant) {
        for index in std::mem::take(&mut self.unwritten) {
            if let Some(times) = &mut self.times[slot(index)] {
                times.ended = now;
            }
        }
    }

    fn find(&self, index: u64) -> Option<Times> {
        let times = self.times.get(slot(index)).copied().flatten();
        times.filter(|times| times.index == index)
    }
}
