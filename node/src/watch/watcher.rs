//! One watcher: its place in the log, and what comes next. Each change once, in order, however slow it is.

use std::collections::VecDeque;
use std::sync::Arc;

use confman_api::watch::ClosedReason;
use confman_store::AuditPosition;
use tokio::sync::watch;

use super::change::{Change, Filter};
use super::feed::Feed;
use super::places::Place;
use super::table::{Interest, Next};

/// What a watcher is told.
#[derive(Debug)]
pub enum Step {
    /// The next change.
    Change(Arc<Change>),
    /// It was woken for no change of its own: perhaps its rights have changed.
    Woken,
    /// Nothing more comes.
    Closed(ClosedReason),
}

/// Follows the changes of one interest.
pub struct Watcher {
    feed: Feed,
    interest: Interest,
    filter: Filter,
    /// Everything up to here was given out.
    position: AuditPosition,
    /// What was read from the state and not given out yet, and how far that was.
    read: VecDeque<Arc<Change>>,
    read_until: AuditPosition,
    wake: watch::Receiver<()>,
    _place: Place,
}

impl Watcher {
    pub(super) fn new(feed: Feed, place: Place, interest: Interest, filter: Filter, position: AuditPosition) -> Self {
        let wake = feed.join(&interest);
        Self {
            feed,
            interest,
            filter,
            position,
            read: VecDeque::new(),
            read_until: position,
            wake,
            _place: place,
        }
    }

    /// The feed that it follows.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Where it looks.
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Waits for what comes next. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Step {
        loop {
            if let Some(change) = self.read.pop_front() {
                self.position = change.at;
                return Step::Change(change);
            }
            self.position = self.position.max(self.read_until);
            // What happens from here on wakes.
            self.wake.borrow_and_update();
            match self.feed.next(&self.interest, self.position) {
                Next::Change(change) => {
                    self.position = change.at;
                    if self.filter.wants(&change) {
                        return Step::Change(change);
                    }
                }
                Next::Behind => {
                    let (interest, filter) = (self.interest.clone(), self.filter.clone());
                    match self.feed.scan(interest, filter, self.position).await {
                        Ok(scanned) => {
                            self.read = scanned.changes;
                            self.read_until = scanned.until;
                        }
                        Err(error) => {
                            tracing::error!(%error, "changes cannot be read; a watch ends");
                            return Step::Closed(ClosedReason::Failed);
                        }
                    }
                }
                Next::Nothing => {
                    if self.wake.changed().await.is_err() {
                        return Step::Closed(ClosedReason::Stopping);
                    }
                    if !matches!(self.feed.next(&self.interest, self.position), Next::Change(_)) {
                        return Step::Woken;
                    }
                }
                Next::Closed(reason) => return Step::Closed(reason),
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.feed.leave(&self.interest);
    }
}
