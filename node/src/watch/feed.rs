//! The task that reads each new change once, and the way to watch.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use confman_api::watch::ClosedReason;
use confman_core::ids::NamespacePath;
use confman_core::principal::Principal;
use confman_store::{AuditPosition, ReadError, StateReader};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::change::{Change, Filter, position};
use super::history;
use super::places::{Place, Places, Refused};
use super::start::{Start, end_of};
use super::table::{Interest, Next, Sizes, Table};
use super::watcher::Watcher;

/// What is remembered: under 10 MiB of changes, and half a kilobyte for each interest.
const SIZES: Sizes = Sizes {
    recent: 4_096,
    waiting: 32,
};
/// Changes that are read and published at once.
const BATCH: usize = 256;
/// Rows that one look into the state for one slow watcher reads.
const SCAN_ROWS: usize = 256;
/// Changes that it keeps of them: a watcher that takes nothing keeps that many.
const SCAN_KEEP: usize = 16;
/// Looks into the state at once, for all slow watchers together: they must not take the disk from everybody else.
const SCANS: usize = 4;

/// What has changed, for everybody who watches. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    state: StateReader,
    table: Mutex<Table>,
    places: Places,
    scans: Semaphore,
}

/// What a look into the state found.
pub(super) struct Scanned {
    /// The next changes, some of them if there are many.
    pub(super) changes: VecDeque<Arc<Change>>,
    /// Everything wanted up to here is among them.
    pub(super) until: AuditPosition,
}

impl Feed {
    /// A feed of `state`, and the task that fills it until `stop`.
    pub fn new(state: StateReader, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let applied = state.applied().map_or(0, |position| position.index);
        let shared = Shared {
            table: Mutex::new(Table::new(SIZES, end_of(applied))),
            state,
            places: Places::default(),
            scans: Semaphore::new(SCANS),
        };
        let feed = Self {
            shared: Arc::new(shared),
        };
        (feed.clone(), feed.fill(stop))
    }

    /// A place to watch from, for `principal`.
    pub fn take_place(&self, principal: &Principal) -> Result<Place, Refused> {
        self.shared.places.take(principal)
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.shared.places.taken()
    }

    /// Looks up where a watch begins; none asks for now.
    pub async fn start(&self, asked: Option<AuditPosition>) -> Result<Start, ReadError> {
        self.look(move |state| state.read(|view| Start::find(view, asked)))
            .await
    }

    /// Watches from behind `position` on.
    pub fn watch(&self, place: Place, interest: Interest, filter: Filter, position: AuditPosition) -> Watcher {
        Watcher::new(self.clone(), place, interest, filter, position)
    }

    /// The state that the changes are of.
    pub fn state(&self) -> &StateReader {
        &self.shared.state
    }

    pub(super) fn join(&self, interest: &Interest) -> watch::Receiver<()> {
        self.shared.table.lock().join(interest)
    }

    pub(super) fn leave(&self, interest: &Interest) {
        self.shared.table.lock().leave(interest);
    }

    pub(super) fn next(&self, interest: &Interest, position: AuditPosition) -> Next {
        self.shared.table.lock().next(interest, position)
    }

    /// The changes behind `after` by a look into the state.
    pub(super) async fn scan(
        &self,
        interest: Interest,
        filter: Filter,
        after: AuditPosition,
    ) -> Result<Scanned, ReadError> {
        self.look(move |state| scan(state, &interest, &filter, after)).await
    }

    /// Reads the state on a thread of its own, a few at a time.
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // It is never closed.
        let _turn = self.shared.scans.acquire().await;
        let state = self.shared.state.clone();
        let looked = tokio::task::spawn_blocking(move || read(&state)).await;
        match looked {
            Ok(looked) => looked,
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // The process is stopping.
            Err(_) => std::future::pending().await,
        }
    }

    async fn fill(self, stop: CancellationToken) {
        let mut applied = self.shared.state.watch_applied();
        let reason = loop {
            let target = applied.borrow_and_update().map_or(0, |position| position.index);
            let filled = tokio::select! {
                filled = self.fill_up_to(end_of(target)) => filled,
                () = stop.cancelled() => break ClosedReason::Stopping,
            };
            if let Err(error) = filled {
                tracing::error!(%error, "changes cannot be read; every watch ends");
                break ClosedReason::Failed;
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { break ClosedReason::Stopping },
                () = stop.cancelled() => break ClosedReason::Stopping,
            }
        };
        let everybody = self.shared.table.lock().close(reason);
        wake(everybody);
    }

    async fn fill_up_to(&self, target: AuditPosition) -> Result<(), ReadError> {
        loop {
            let from = {
                let mut table = self.shared.table.lock();
                if table.is_idle() {
                    table.publish(&[], target);
                    return Ok(());
                }
                table.head()
            };
            let state = self.shared.state.clone();
            let read = tokio::task::spawn_blocking(move || {
                let new = (Bound::Excluded(from), Bound::Included(target));
                state.read(|view| history::events(view, &NamespacePath::root(), new, BATCH))
            });
            let page = match read.await {
                Ok(page) => page?,
                // The process is stopping.
                Err(_) => return Ok(()),
            };
            let head = page.next.unwrap_or(target);
            let woken = self.shared.table.lock().publish(&page.items, head);
            wake(woken);
            if page.next.is_none() {
                return Ok(());
            }
        }
    }
}

fn wake(watchers: impl IntoIterator<Item = watch::Sender<()>>) {
    for group in watchers {
        group.send_replace(());
    }
}

fn scan(state: &StateReader, interest: &Interest, filter: &Filter, after: AuditPosition) -> Result<Scanned, ReadError> {
    state.read(|view| {
        let applied = end_of(history::applied(view));
        let missed = (Bound::Excluded(after), Bound::Included(applied));
        let page = history::events(view, &interest.namespace, missed, SCAN_ROWS)?;
        let mut until = page.next.unwrap_or(applied).max(after);
        let mut changes = VecDeque::new();
        for event in &page.items {
            if changes.len() == SCAN_KEEP {
                break;
            }
            if interest.covers(&event.resource.namespace) {
                let change = Change::of(event);
                if filter.wants(&change) {
                    changes.push_back(Arc::new(change));
                }
            }
            if changes.len() == SCAN_KEEP {
                until = position(event);
            }
        }
        Ok(Scanned { changes, until })
    })
}
