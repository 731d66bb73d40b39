//! The Raft log on RocksDB: what openraft appends is readable at once and acknowledged once it is durable.

mod database;
mod floor;
mod flusher;
mod tail;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use futures::{Stream, TryStreamExt as _, stream};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::{Mutex, RwLock};
use rocksdb::{Cache, DB};
use tokio::sync::oneshot;

pub use self::database::LogError;
use self::floor::Floor;
pub(crate) use self::floor::FloorFile;
use self::flusher::{Flusher, Write};
use self::tail::{Lookup, Tail, entry_bytes};
use crate::Options;
use crate::fault::FaultHandle;
use crate::identity::FolderLock;
use crate::stats::Counters;
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// The log. Cheap to clone; clones are readers of the same log, only openraft's own writes.
#[derive(Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
}

struct Shared {
    database: Arc<DB>,
    tail: Arc<RwLock<Tail>>,
    vote: RwLock<Option<Vote>>,
    committed: RwLock<Option<LogId>>,
    /// Number of the last append; held while queueing, so that the memory and the queue have one order.
    appends: Mutex<u64>,
    queue: Sender<Write>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
    fault: FaultHandle,
    read_batch_bytes: usize,
    _lock: Arc<FolderLock>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A thread that is gone has nothing left to write.
        drop(self.queue.send(Write::Stop));
        if let Some(flusher) = self.flusher.lock().take()
            && flusher.join().is_err()
        {
            tracing::error!("the thread that writes the log has panicked");
        }
    }
}

/// What the log is opened with.
pub(crate) struct LogParts<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) options: &'a Options,
    pub(crate) cache: &'a Cache,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultHandle,
    pub(crate) lock: Arc<FolderLock>,
}

/// What an opened log tells the rest of the store.
pub(crate) struct OpenedLog {
    pub(crate) store: LogStore,
    pub(crate) database: Arc<DB>,
    pub(crate) database_options: rocksdb::Options,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
}

/// Why the log was refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// It cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It has forgotten something.
    #[error(
        "{complaint}: a part of the log is gone, and a member that forgot may not vote. Put the missing files back, or \
         empty the data folder, so that this node joins as a new member"
    )]
    BehindFloor {
        /// What is missing.
        complaint: String,
    },
    /// No thread for it.
    #[error("failed to start the thread that writes the log")]
    Thread(#[source] io::Error),
}

impl LogStore {
    /// Opens the log, checks it against `floor`, and starts its thread.
    pub(crate) fn open(parts: LogParts<'_>, floor: FloorFile) -> Result<OpenedLog, OpenLogError> {
        let LogParts {
            folder,
            options,
            cache,
            counters,
            fault,
            lock,
        } = parts;
        let (database, database_options) = database::open(folder, options, cache)?;
        let database = Arc::new(database);
        let recovered = database::recover(&database)?;
        if let Some(complaint) = floor.get().complaint(recovered.last.as_ref(), recovered.vote.as_ref()) {
            return Err(OpenLogError::BehindFloor { complaint });
        }
        let tail = Tail::new(&recovered, options.tail_cache_bytes, Arc::clone(&counters));
        let tail = Arc::new(RwLock::new(tail));
        let (queue, receiver) = crossbeam_channel::unbounded();
        let flusher = Flusher {
            database: Arc::clone(&database),
            queue: receiver,
            tail: Arc::clone(&tail),
            counters: Arc::clone(&counters),
            fault: fault.clone(),
            floor,
            floor_lag: Duration::from_millis(options.floor_lag_ms),
            batch_bytes: options.flush_batch_bytes,
            durable: Floor {
                last: recovered.last,
                vote: recovered.vote,
            },
            floor_due: None,
        };
        let thread = std::thread::Builder::new()
            .name("log-flusher".to_owned())
            .spawn(move || flusher.run())
            .map_err(OpenLogError::Thread)?;
        let store = Self {
            shared: Arc::new(Shared {
                database: Arc::clone(&database),
                tail,
                vote: RwLock::new(recovered.vote),
                committed: RwLock::new(recovered.committed),
                appends: Mutex::new(0),
                queue,
                flusher: Mutex::new(Some(thread)),
                counters,
                fault,
                read_batch_bytes: options.read_batch_bytes,
                _lock: lock,
            }),
        };
        Ok(OpenedLog {
            store,
            database,
            database_options,
            purged: recovered.purged,
            last: recovered.last,
        })
    }

    /// Waits until everything handed over so far is durable, the durability floor included. For a clean stop.
    ///
    /// # Errors
    /// If the storage has failed.
    pub async fn close(&self) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        self.queue(Write::Settle { done })?;
        finished.await.map_err(io::Error::other)?
    }

    /// Entries from `start` up to `end` (exclusive). Blocking.
    pub(crate) fn entries(&self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, usize::MAX)
    }

    fn queue(&self, write: Write) -> io::Result<()> {
        self.shared.fault.check()?;
        self.shared
            .queue
            .send(write)
            .map_err(|_| io::Error::other(self.shared.fault.raise("write the log", &"its thread is gone")))
    }

    fn check_follows(&self, entries: &[Entry]) -> io::Result<()> {
        let mut expected = self.shared.tail.read().next_index();
        for entry in entries {
            let index = entry.log_id.index;
            if expected.is_some_and(|expected| expected != index) {
                let detail = format!("entry {index} does not follow the log, which goes on at {expected:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
            }
            expected = Some(index + 1);
        }
        Ok(())
    }

    /// Entries from `start` up to `end` (exclusive), at most about `limit_bytes`, at least one if there is one.
    fn read(&self, start: u64, end: u64, limit_bytes: usize) -> io::Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        let mut left = limit_bytes;
        let mut next = start;
        while next < end {
            let lookup = self.shared.tail.read().look_up(next, end, left);
            let entries = match lookup {
                Lookup::Cached(entries) => entries,
                Lookup::OnDiskUntil(bound) => {
                    let entries =
                        database::read(&self.shared.database, next, bound.min(end), left).map_err(io::Error::other)?;
                    if entries.is_empty() && !self.is_purged(next) {
                        return Err(io::Error::other(LogError::Hole { index: next }));
                    }
                    entries
                }
                Lookup::BeginsAt(first) => {
                    next = first;
                    continue;
                }
                Lookup::End => break,
            };
            next += entries.len() as u64;
            let bytes: usize = entries.iter().map(entry_bytes).sum();
            found.extend(entries);
            match left.checked_sub(bytes) {
                Some(rest) if rest > 0 => left = rest,
                Some(_) | None => break,
            }
        }
        Ok(found)
    }

    /// True if `index` was purged while it was being read.
    fn is_purged(&self, index: u64) -> bool {
        let purged = self.shared.tail.read().purged();
        purged.is_some_and(|purged| index <= purged.index)
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        // Read as it is consumed: a follower that comes back may have a million entries to apply.
        let (start, end) = bounds(&range);
        let log = self.clone();
        let chunks = stream::try_unfold(start, move |next| {
            let chunk = log.read(next, end, log.shared.read_batch_bytes);
            futures::future::ready(chunk.map(|entries| {
                let last = entries.last()?.log_id.index;
                Some((stream::iter(entries.into_iter().map(Ok)), last + 1))
            }))
        });
        chunks.try_flatten()
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, self.shared.read_batch_bytes)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(*self.shared.vote.read())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = self.shared.tail.read();
        Ok(LogState {
            last_purged_log_id: tail.purged(),
            last_log_id: tail.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        self.queue(Write::Vote { vote: *vote, done })?;
        finished.await.map_err(io::Error::other)??;
        *self.shared.vote.write() = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(committed) = committed {
            // Not awaited: it becomes durable with the next append, and bounds what a restart replays.
            self.queue(Write::Committed(committed))?;
            *self.shared.committed.write() = Some(committed);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(*self.shared.committed.read())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.check_follows(&entries)?;
        let bytes = entries.iter().map(entry_bytes).sum();
        let counters = &self.shared.counters;
        Counters::add(&counters.appended_entries, entries.len());
        Counters::add(&counters.queued_bytes, bytes);
        Counters::add(&counters.log_bytes, bytes);
        let mut appends = self.shared.appends.lock();
        *appends += 1;
        self.shared.tail.write().append(&entries, *appends);
        self.queue(Write::Append {
            entries,
            bytes,
            number: *appends,
            done: callback,
        })
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let _order = self.shared.appends.lock();
        let mut tail = self.shared.tail.write();
        let nothing_after = |last: LogId| tail.last().is_none_or(|end| end.index <= last.index);
        if last_log_id.is_some_and(nothing_after) {
            return Ok(());
        }
        tail.truncate_after(last_log_id);
        drop(tail);
        self.queue(Write::TruncateAfter(last_log_id))
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let _order = self.shared.appends.lock();
        self.shared.tail.write().purge(upto);
        self.queue(Write::Purge(upto))
    }
}
