//! The newest part of the log in memory: serves replication and apply, so that in steady state nobody reads the disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use openraft::EntryPayload;

use super::database::Recovered;
use crate::stats::Counters;
use crate::types::{Entry, LogId};

/// Memory that an entry takes beside its payload, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 128;

struct Cached {
    entry: Entry,
    bytes: usize,
    /// Number of the write that puts it on disk.
    write: u64,
}

/// Memory of the log: bounds, and the newest entries without a gap up to the last.
pub(super) struct Tail {
    entries: VecDeque<Cached>,
    bytes: usize,
    limit_bytes: usize,
    purged: Option<LogId>,
    /// Index of the first entry, if there is one.
    first: u64,
    last: Option<LogId>,
    /// Writes up to this one are on disk.
    written: u64,
    counters: Arc<Counters>,
}

/// Bytes of memory that `entry` takes, roughly.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES
        + match &entry.payload {
            EntryPayload::Blank => 0,
            EntryPayload::Normal(proposal) => proposal.len(),
            EntryPayload::Membership(membership) => membership.nodes().count() * ENTRY_OVERHEAD_BYTES,
        }
}

/// What a reader finds for an index.
pub(super) enum Lookup {
    /// These entries, from the index on.
    Cached(Vec<Entry>),
    /// The entry is on disk; so is everything before this index.
    OnDiskUntil(u64),
    /// The log begins at this index, which is higher.
    BeginsAt(u64),
    /// The log ends before the index.
    End,
}

impl Tail {
    pub(super) fn new(recovered: &Recovered, limit_bytes: usize, counters: Arc<Counters>) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            limit_bytes,
            purged: recovered.purged,
            first: recovered.first,
            last: recovered.last,
            written: 0,
            counters,
        }
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// The index that the next entry must have; none if any will do.
    pub(super) fn next_index(&self) -> Option<u64> {
        self.last.map(|last| last.index + 1)
    }

    pub(super) fn append(&mut self, entries: &[Entry], write: u64) {
        if let (None, Some(first)) = (self.last, entries.first()) {
            self.first = first.log_id.index;
        }
        for entry in entries {
            let bytes = entry_bytes(entry);
            self.bytes += bytes;
            self.last = Some(entry.log_id);
            self.entries.push_back(Cached {
                entry: entry.clone(),
                bytes,
                write,
            });
        }
        self.evict();
    }

    /// Removes every entry after `last`.
    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let keep = last.map_or(0, |last| last.index + 1);
        while self
            .entries
            .back()
            .is_some_and(|cached| cached.entry.log_id.index >= keep)
        {
            let removed = self.entries.pop_back();
            self.bytes -= removed.map_or(0, |cached| cached.bytes);
        }
        self.last = last.or(self.purged);
        self.publish_size();
    }

    /// Removes every entry up to `upto`.
    pub(super) fn purge(&mut self, upto: LogId) {
        while self
            .entries
            .front()
            .is_some_and(|cached| cached.entry.log_id.index <= upto.index)
        {
            self.pop_front();
        }
        self.purged = Some(upto);
        self.first = upto.index + 1;
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
        self.publish_size();
    }

    /// Writes up to `write` are on disk, so their entries may leave the memory.
    pub(super) fn written(&mut self, write: u64) {
        self.written = self.written.max(write);
        self.evict();
    }

    /// What there is from `index` on, up to `end` (exclusive) and about `limit_bytes`, at least one entry.
    pub(super) fn look_up(&self, index: u64, end: u64, limit_bytes: usize) -> Lookup {
        let Some(last) = self.last.filter(|last| index <= last.index) else {
            return Lookup::End;
        };
        if index < self.first {
            return Lookup::BeginsAt(self.first);
        }
        let first = self.entries.front().map(|cached| cached.entry.log_id.index);
        match first.and_then(|first| index.checked_sub(first)) {
            Some(skipped) => {
                let skipped = usize::try_from(skipped).expect("an offset into a deque");
                Lookup::Cached(self.take(skipped, end, limit_bytes))
            }
            // Beyond the end there may be entries on disk whose truncation is still queued.
            None => Lookup::OnDiskUntil(first.unwrap_or(last.index + 1)),
        }
    }

    fn take(&self, skipped: usize, end: u64, limit_bytes: usize) -> Vec<Entry> {
        let mut bytes = 0;
        self.entries
            .range(skipped..)
            .take_while(|cached| cached.entry.log_id.index < end)
            .take_while(|cached| {
                let taken = bytes;
                bytes += cached.bytes;
                taken == 0 || bytes <= limit_bytes
            })
            .map(|cached| cached.entry.clone())
            .collect()
    }

    fn evict(&mut self) {
        let written = self.written;
        while self.bytes > self.limit_bytes && self.entries.front().is_some_and(|cached| cached.write <= written) {
            self.pop_front();
        }
        self.publish_size();
    }

    fn pop_front(&mut self) {
        if let Some(cached) = self.entries.pop_front() {
            self.bytes -= cached.bytes;
        }
    }

    fn publish_size(&self) {
        self.counters.tail_bytes.store(self.bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::CommittedLeaderId;

    fn log_id(index: u64) -> LogId {
        LogId {
            leader_id: CommittedLeaderId { term: 1, node_id: 1 },
            index,
        }
    }

    fn blank(index: u64) -> Entry {
        Entry {
            log_id: log_id(index),
            payload: EntryPayload::Blank,
        }
    }

    fn tail(limit_entries: usize) -> Tail {
        Tail::new(
            &Recovered::default(),
            limit_entries * ENTRY_OVERHEAD_BYTES,
            Arc::default(),
        )
    }

    fn cached(tail: &Tail, index: u64) -> Option<Vec<u64>> {
        match tail.look_up(index, u64::MAX, usize::MAX) {
            Lookup::Cached(entries) => Some(entries.iter().map(|entry| entry.log_id.index).collect()),
            Lookup::OnDiskUntil(_) | Lookup::BeginsAt(_) | Lookup::End => None,
        }
    }

    #[test]
    fn entries_leave_the_memory_only_once_they_are_on_disk() {
        let mut tail = tail(2);
        tail.append(&[blank(1), blank(2), blank(3)], 1);
        tail.append(&[blank(4)], 2);
        assert_eq!(cached(&tail, 1), Some(vec![1, 2, 3, 4]));
        tail.written(1);
        assert_eq!(cached(&tail, 3), Some(vec![3, 4]));
        assert!(matches!(tail.look_up(1, 9, 0), Lookup::OnDiskUntil(3)));
    }

    #[test]
    fn rewritten_entry_is_not_taken_for_the_one_it_replaced() {
        let mut tail = tail(0);
        tail.append(&[blank(1), blank(2)], 1);
        tail.truncate_after(Some(log_id(1)));
        tail.append(&[blank(2)], 2);
        tail.written(1);
        assert_eq!(cached(&tail, 2), Some(vec![2]));
    }

    #[test]
    fn answer_stops_at_the_byte_limit_but_is_never_empty() {
        let mut tail = tail(9);
        tail.append(&[blank(1), blank(2), blank(3)], 1);
        let length = |limit| match tail.look_up(1, 9, limit) {
            Lookup::Cached(entries) => entries.len(),
            Lookup::OnDiskUntil(_) | Lookup::BeginsAt(_) | Lookup::End => 0,
        };
        assert_eq!(length(0), 1);
        assert_eq!(length(2 * ENTRY_OVERHEAD_BYTES), 2);
        assert_eq!(length(usize::MAX), 3);
    }

    #[test]
    fn purge_beyond_the_end_moves_the_end() {
        let mut tail = tail(9);
        tail.append(&[blank(1)], 1);
        tail.purge(log_id(5));
        assert_eq!(tail.last(), Some(log_id(5)));
        assert!(matches!(tail.look_up(1, 9, 0), Lookup::BeginsAt(6)));
        assert!(matches!(tail.look_up(6, 9, 0), Lookup::End));
    }
}
