//! The one thread that writes the log: drains its queue into one batch, syncs once, then answers in order.
//!
//! Votes, truncations and purges go through the same queue, which is the total order of vote and log I/O that Raft
//! needs. Grouping is what makes fsync affordable: while one sync runs, the next batch fills.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use openraft::storage::IOFlushed;
use parking_lot::RwLock;
use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::sync::oneshot;

use super::database::{log_family, meta_family};
use super::floor::{Floor, FloorFile};
use super::tail::Tail;
use crate::fault::{FaultHandle, StorageFault};
use crate::stats::Counters;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use crate::{codec, crash_point, keys};

/// One thing to write.
pub(super) enum Write {
    Append {
        entries: Vec<Entry>,
        bytes: usize,
        number: u64,
        done: IOFlushed<TypeConfig>,
    },
    Vote {
        vote: Vote,
        done: oneshot::Sender<io::Result<()>>,
    },
    Committed(LogId),
    TruncateAfter(Option<LogId>),
    Purge(LogId),
    /// Answers once everything before is durable, the floor included.
    Settle {
        done: oneshot::Sender<io::Result<()>>,
    },
    Stop,
}

enum Waiting {
    Append(IOFlushed<TypeConfig>),
    Other(oneshot::Sender<io::Result<()>>),
}

impl Waiting {
    fn answer(self, result: &Result<(), StorageFault>) {
        let result = result.clone().map_err(io::Error::from);
        match self {
            Self::Append(done) => done.io_completed(result),
            // Nobody waits any more: the caller was dropped, the write stands.
            Self::Other(done) => drop(done.send(result)),
        }
    }
}

/// What goes to disk with one sync.
#[derive(Default)]
struct Group {
    batch: WriteBatch,
    waiting: Vec<Waiting>,
    entries: usize,
    bytes: usize,
    last_number: u64,
    /// End of the log after this group.
    end: Option<LogId>,
    vote: Option<Vote>,
    purged: Option<LogId>,
    /// Everything but "committed" needs the sync; that one becomes durable with what follows.
    sync: bool,
    /// Somebody waits for the floor too.
    settle: bool,
}

impl Group {
    fn after(end: Option<LogId>) -> Self {
        Self { end, ..Self::default() }
    }
}

/// State of the thread.
pub(super) struct Flusher {
    pub(super) database: Arc<DB>,
    pub(super) queue: Receiver<Write>,
    pub(super) tail: Arc<RwLock<Tail>>,
    pub(super) counters: Arc<Counters>,
    pub(super) fault: FaultHandle,
    pub(super) floor: FloorFile,
    pub(super) floor_lag: Duration,
    pub(super) batch_bytes: usize,
    /// What the log holds durably.
    pub(super) durable: Floor,
    pub(super) floor_due: Option<Instant>,
}

impl Flusher {
    /// Runs until told to stop, or until every sender is gone.
    pub(super) fn run(mut self) {
        let mut stopping = false;
        while !stopping {
            let first = match self.floor_due {
                None => self.queue.recv().ok(),
                Some(due) => match self.queue.recv_deadline(due) {
                    Ok(write) => Some(write),
                    Err(RecvTimeoutError::Timeout) => {
                        self.raise_floor();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                },
            };
            stopping = match first {
                Some(first) => self.drain(first),
                None => true,
            };
            if self.floor_due.is_some_and(|due| due <= Instant::now()) {
                self.raise_floor();
            }
        }
        self.raise_floor();
    }

    /// Writes `first` and everything that has queued up behind it, in groups. True if the thread is to stop.
    fn drain(&mut self, first: Write) -> bool {
        let mut group = Group::after(self.durable.last);
        let mut next = Some(first);
        let mut stopping = false;
        while let Some(write) = next.take() {
            if let Write::TruncateAfter(last) = write {
                self.write_group(group);
                self.lower_floor(last);
                group = Group::after(self.durable.last);
            }
            stopping = matches!(write, Write::Stop);
            self.add(&mut group, write);
            if group.batch.size_in_bytes() < self.batch_bytes && !stopping {
                next = self.queue.try_recv().ok();
            }
        }
        self.write_group(group);
        stopping
    }

    fn add(&self, group: &mut Group, write: Write) {
        let log = log_family(&self.database);
        let meta = meta_family(&self.database);
        match write {
            Write::Append {
                entries,
                bytes,
                number,
                done,
            } => {
                for entry in &entries {
                    group
                        .batch
                        .put_cf(log, keys::log_entry(entry.log_id.index), codec::encode(entry));
                    group.end = Some(entry.log_id);
                }
                group.entries += entries.len();
                group.bytes += bytes;
                group.last_number = number;
                group.sync = true;
                group.waiting.push(Waiting::Append(done));
            }
            Write::Vote { vote, done } => {
                group.batch.put_cf(meta, keys::VOTE, codec::encode(&vote));
                group.vote = Some(vote);
                group.sync = true;
                group.waiting.push(Waiting::Other(done));
            }
            Write::Committed(log_id) => group.batch.put_cf(meta, keys::COMMITTED, codec::encode(&log_id)),
            Write::Purge(upto) => {
                group.batch.put_cf(meta, keys::PURGED, codec::encode(&upto));
                group
                    .batch
                    .delete_range_cf(log, keys::log_entry(0), keys::log_entry(upto.index + 1));
                if group.end.is_none_or(|end| end.index < upto.index) {
                    group.end = Some(upto);
                }
                group.purged = Some(upto);
                group.sync = true;
            }
            Write::Settle { done } => {
                group.sync = true;
                group.settle = true;
                group.waiting.push(Waiting::Other(done));
            }
            Write::TruncateAfter(last) => {
                let from = last.map_or(0, |last| last.index + 1);
                let (from, to) = (keys::log_entry(from), keys::log_entry(u64::MAX));
                group.batch.delete_range_cf(log, from, to);
                group.end = last;
                group.sync = true;
            }
            Write::Stop => {}
        }
    }

    fn write_group(&mut self, mut group: Group) {
        let result = self.try_write(&mut group);
        Counters::subtract(&self.counters.queued_bytes, group.bytes);
        if result.is_ok() {
            Counters::add(&self.counters.flushed_entries, group.entries);
            self.tail.write().written(group.last_number);
        }
        for waiting in group.waiting {
            waiting.answer(&result);
        }
    }

    fn try_write(&mut self, group: &mut Group) -> Result<(), StorageFault> {
        self.fault.check()?;
        let mut options = WriteOptions::default();
        options.set_sync(group.sync);
        crash_point::reach("log-before-write");
        let written = match (group.batch.is_empty(), group.sync) {
            (false, _) => self.database.write_opt(std::mem::take(&mut group.batch), &options),
            (true, true) => self.database.flush_wal(true),
            (true, false) => Ok(()),
        };
        written.map_err(|error| self.fault.raise("write the log", &error))?;
        crash_point::reach("log-after-write");
        if let Some(purged) = group.purged {
            self.remove_files(purged);
        }
        if group.sync {
            self.counters.synced_batches.fetch_add(1, Ordering::Relaxed);
        }
        self.durable = Floor {
            last: group.end,
            vote: group.vote.or(self.durable.vote),
        };
        if group.vote.is_some() || group.settle {
            self.write_floor(self.durable)?;
            self.floor_due = None;
        } else if self.floor.get() != self.durable && self.floor_due.is_none() {
            self.floor_due = Some(Instant::now() + self.floor_lag);
        }
        Ok(())
    }

    /// Frees the files that hold nothing but purged entries now; compaction would do it later.
    fn remove_files(&self, upto: LogId) {
        let range = (keys::log_entry(0), keys::log_entry(upto.index));
        let log = log_family(&self.database);
        if let Err(error) = self.database.delete_file_in_range_cf(log, range.0, range.1) {
            tracing::warn!(%error, "failed to remove files of purged entries; compaction will");
        }
    }

    /// Before a truncation reaches the disk, because afterwards the log may end here.
    fn lower_floor(&mut self, last: Option<LogId>) {
        let floor = self.floor.get();
        if self.fault.check().is_ok() && floor.last > last {
            // On a fault the group that follows is answered with it.
            drop(self.write_floor(Floor { last, ..floor }));
        }
    }

    fn raise_floor(&mut self) {
        self.floor_due = None;
        if self.fault.check().is_ok() {
            // On a fault every later write is answered with it.
            drop(self.write_floor(self.durable));
        }
    }

    fn write_floor(&mut self, floor: Floor) -> Result<(), StorageFault> {
        crash_point::reach("log-before-floor");
        self.floor
            .write(floor)
            .map_err(|error| self.fault.raise("write the durability floor", &error))
    }
}
