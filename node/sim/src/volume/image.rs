//! A log as it is at one time.

use std::collections::BTreeMap;

use crate::planted::{Mistake, is_planted};
use crate::types::{Entry, LogId, Vote};

use super::Write;

/// Entries, vote, and what was purged and committed.
#[derive(Clone, Default)]
pub(super) struct Image {
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
}

impl Image {
    /// The last entry, or what was purged last.
    pub(super) fn last(&self) -> Option<LogId> {
        let last = self.entries.last_key_value().map(|(_, entry)| entry.log_id);
        last.or(self.purged)
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        let entries = entries.iter().map(|entry| (entry.log_id.index, entry.clone()));
        self.entries.extend(entries);
    }

    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let first_gone = last.map_or(0, |last| last.index + 1);
        drop(self.entries.split_off(&first_gone));
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.purged = self.purged.max(Some(upto));
    }

    /// Does what becomes durable.
    pub(super) fn write(&mut self, write: &Write) {
        match write {
            Write::Append(entries, _) => self.append(entries),
            Write::Vote(vote, _) => self.vote = Some(*vote),
            Write::TruncateAfter(_) if is_planted(Mistake::TruncationNotKept) => {}
            Write::TruncateAfter(last) => self.truncate_after(*last),
            Write::Purge(upto) => {
                let before = self.purged;
                self.purge(*upto);
                if is_planted(Mistake::PurgeNotKept) {
                    self.purged = before;
                }
            }
            Write::Committed(committed) => self.committed = Some(*committed),
        }
    }
}
