//! Who is told how applying goes, for latencies and traces. It only looks on: nothing it does changes the state.

use std::sync::OnceLock;
use std::time::Instant;

use confman_core::ids::LogPosition;
use confman_core::outcome::Applied;
use confman_core::proposal::Command;

/// One step of applying committed entries.
#[derive(Clone, Copy, Debug)]
pub enum ApplyStep<'a> {
    /// The rules have decided on one command; nothing of it is written yet.
    Decided {
        /// Where its entry stands.
        position: LogPosition,
        /// The command.
        command: &'a Command,
        /// What they decided.
        applied: &'a Applied,
        /// When they began.
        started: Instant,
    },
    /// A batch with every command decided since the last batch is written and visible. Nobody was answered yet.
    Written {
        /// When the first of its entries was begun.
        started: Instant,
    },
}

/// Called on the thread that applies, so it must be quick and must not block.
pub type ApplyObserver = Box<dyn Fn(ApplyStep<'_>) + Send + Sync>;

/// At most one observer, given once.
#[derive(Default)]
pub(crate) struct Observed(OnceLock<ApplyObserver>);

impl Observed {
    pub(crate) fn set(&self, observer: ApplyObserver) {
        // The first one stays.
        drop(self.0.set(observer));
    }

    pub(crate) fn step(&self, step: ApplyStep<'_>) {
        if let Some(observer) = self.0.get() {
            observer(step);
        }
    }
}
