//! The volume of a member: what is written becomes durable only by a sync that takes time, and a crash loses the rest.

mod image;
mod log;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::planted::{Mistake, is_planted};
use crate::runtime;
use crate::state::StoredState;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use image::Image;
pub use log::Log;

/// How long a sync takes on a sound volume, in microseconds.
const SYNC_MICROS: RangeInclusive<u64> = 200..=5_000;
/// How long one takes on a slow volume.
const SLOW_SYNC_MICROS: RangeInclusive<u64> = 100_000..=900_000;

/// What a crash did to a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Entries that were appended and not synced.
    pub entries: usize,
    /// Votes that were not synced.
    pub votes: usize,
}

/// A volume; clones are the same one. It outlives the processes that use it.
#[derive(Clone)]
pub struct Volume {
    contents: Arc<Mutex<Contents>>,
}

struct Contents {
    /// The log as its process sees it.
    visible: Image,
    /// The log as it is after a crash.
    durable: Image,
    queue: VecDeque<Write>,
    is_syncing: bool,
    state: Arc<StoredState>,
    snapshot: Option<Arc<StoredState>>,
    is_slow: bool,
    is_damaged: bool,
    random: SmallRng,
}

/// One thing to be synced, in the order of writing.
enum Write {
    Append(Vec<Entry>, IOFlushed<TypeConfig>),
    Vote(Vote, oneshot::Sender<()>),
    TruncateAfter(Option<LogId>),
    Purge(LogId),
    Committed(LogId),
}

impl Volume {
    /// A new one, with nothing on it.
    pub fn empty() -> Self {
        let contents = Contents {
            visible: Image::default(),
            durable: Image::default(),
            queue: VecDeque::new(),
            is_syncing: false,
            state: Arc::default(),
            snapshot: None,
            is_slow: false,
            is_damaged: false,
            random: runtime::random(),
        };
        Self {
            contents: Arc::new(Mutex::new(contents)),
        }
    }

    /// Makes every sync slow, or quick again.
    pub fn set_slow(&self, is_slow: bool) {
        self.contents.lock().is_slow = is_slow;
    }

    /// Damages the next proposal that is to be applied.
    pub fn damage(&self) {
        self.contents.lock().is_damaged = true;
    }

    /// True if there is a damaged entry.
    pub fn is_damaged(&self) -> bool {
        self.contents.lock().is_damaged
    }

    /// Makes the volume fit to start from. A member applies what a quorum has, also before its own disk does; if it crashes
    /// then, openraft purges the log up to the state, and a purged log needs a snapshot that is as new. The node does the
    /// same when it opens its folder.
    pub fn open(&self) {
        let mut contents = self.contents.lock();
        let applied = contents.state.applied;
        let in_snapshot = contents.snapshot.as_ref().and_then(|snapshot| snapshot.applied);
        let is_ahead = applied > contents.visible.last() && in_snapshot < applied;
        if is_ahead && !is_planted(Mistake::SnapshotBehindTheState) {
            contents.snapshot = Some(Arc::clone(&contents.state));
        }
    }

    /// Takes the damage away.
    pub fn repair(&self) {
        self.contents.lock().is_damaged = false;
    }

    /// True if nothing was ever kept here.
    pub fn is_blank(&self) -> bool {
        let contents = self.contents.lock();
        contents.visible.last().is_none() && contents.visible.vote.is_none()
    }

    /// Its process is gone. Of what was not synced, a few of the first writes may have come through.
    pub fn crash(&self) -> Lost {
        let mut contents = self.contents.lock();
        let queue = std::mem::take(&mut contents.queue);
        let most = queue.len();
        let survive = if contents.random.random_bool(0.3) {
            contents.random.random_range(0..=most)
        } else {
            0
        };
        let mut lost = Lost::default();
        for (number, write) in queue.into_iter().enumerate() {
            if number < survive {
                contents.durable.write(&write);
                continue;
            }
            match write {
                Write::Append(entries, _) => lost.entries += entries.len(),
                Write::Vote(..) => lost.votes += 1,
                Write::TruncateAfter(_) | Write::Purge(_) | Write::Committed(_) => {}
            }
        }
        contents.visible = contents.durable.clone();
        contents.is_syncing = false;
        lost
    }

    /// The state that was last written, and the one that a restart begins with.
    pub fn state(&self) -> Arc<StoredState> {
        Arc::clone(&self.contents.lock().state)
    }

    /// Writes the state in one batch.
    pub fn write_state(&self, state: &StoredState) {
        let mut contents = self.contents.lock();
        let mut state = state.clone();
        if is_planted(Mistake::AppliedOutsideTheBatch) {
            state.applied = contents.state.applied;
        }
        if is_planted(Mistake::CallsOutsideTheBatch) {
            state.forget_calls();
        }
        contents.state = Arc::new(state);
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Option<Arc<StoredState>> {
        self.contents.lock().snapshot.clone()
    }

    /// Keeps a snapshot, and with it the state that it was made of.
    pub fn write_snapshot(&self, snapshot: &Arc<StoredState>) {
        let mut contents = self.contents.lock();
        contents.snapshot = Some(Arc::clone(snapshot));
        if contents.state.index() < snapshot.index() {
            contents.state = Arc::clone(snapshot);
        }
    }

    /// Puts `write` behind what waits to be synced.
    fn queue(&self, write: Write) {
        let mut contents = self.contents.lock();
        contents.queue.push_back(write);
        if !contents.is_syncing {
            contents.is_syncing = true;
            drop(runtime::spawn(self.clone().sync()));
        }
    }

    /// Syncs until nothing waits; everything that waits when a sync begins becomes durable when it ends.
    async fn sync(self) {
        while let Some((count, micros)) = self.next_sync() {
            runtime::sleep(Duration::from_micros(micros)).await;
            let synced: Vec<Write> = {
                let mut contents = self.contents.lock();
                let synced: Vec<Write> = contents.queue.drain(..count).collect();
                for write in &synced {
                    contents.durable.write(write);
                }
                synced
            };
            for write in synced {
                write.done();
            }
        }
    }

    fn next_sync(&self) -> Option<(usize, u64)> {
        let mut contents = self.contents.lock();
        if contents.queue.is_empty() {
            contents.is_syncing = false;
            return None;
        }
        let micros = if contents.is_slow {
            SLOW_SYNC_MICROS
        } else {
            SYNC_MICROS
        };
        Some((contents.queue.len(), contents.random.random_range(micros)))
    }
}

impl Write {
    /// Tells whoever waits that it is durable.
    fn done(self) {
        match self {
            Self::Append(_, flushed) => flushed.io_completed(Ok(())),
            // Its process may be stopping.
            Self::Vote(_, saved) => drop(saved.send(())),
            Self::TruncateAfter(_) | Self::Purge(_) | Self::Committed(_) => {}
        }
    }
}
