//! How old local reads may be: time since the last accepted leader message whose commit index is applied here, on the
//! monotonic clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Shared between the peer server, which hears the leader, and the readers.
#[derive(Clone, Debug, Default)]
pub struct Freshness {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Everything committed at this time is applied.
    fresh_at: Option<Instant>,
    /// The oldest accepted message whose commit index was not applied yet: (commit index, heard at).
    pending: Option<(u64, Instant)>,
}

impl State {
    fn settle(&mut self, applied: u64) {
        if let Some((commit, heard_at)) = self.pending
            && applied >= commit
        {
            self.fresh_at = self.fresh_at.max(Some(heard_at));
            self.pending = None;
        }
    }
}

impl Freshness {
    /// An accepted message of the leader, heard at `heard_at`, said that `commit` is committed; `applied` is applied.
    pub fn heard(&self, commit: u64, heard_at: Instant, applied: u64) {
        let mut state = self.state.lock();
        state.settle(applied);
        if applied >= commit {
            state.fresh_at = state.fresh_at.max(Some(heard_at));
        } else if state.pending.is_none() {
            state.pending = Some((commit, heard_at));
        }
    }

    /// Age of a read of the state with `applied` applied; none if no leader was heard since the start.
    pub fn age(&self, applied: u64) -> Option<Duration> {
        let mut state = self.state.lock();
        state.settle(applied);
        state.fresh_at.map(|at| at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_only_once_its_commit_index_is_applied() {
        let freshness = Freshness::default();
        assert_eq!(freshness.age(10), None, "no leader was heard");
        let heard_at = Instant::now();
        freshness.heard(7, heard_at, 5);
        assert_eq!(freshness.age(6), None, "7 is not applied yet");
        assert!(freshness.age(7).is_some());
    }

    #[test]
    fn later_messages_do_not_hide_an_earlier_one_that_is_applied_sooner() {
        let freshness = Freshness::default();
        let start = Instant::now();
        freshness.heard(7, start, 5);
        freshness.heard(900, start + Duration::from_millis(5), 5);
        assert!(freshness.age(7).is_some(), "7 is applied, although 900 is not");
    }
}
