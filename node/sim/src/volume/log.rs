//! The log of a volume as openraft uses it: readable at once, acknowledged once it is synced.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;

use futures::channel::oneshot;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};

use super::{Volume, Write};
use crate::planted::{Mistake, is_planted};
use crate::record::{Event, Record};
use crate::types::{Entry, LogId, NodeId, TypeConfig, Vote};

/// The log of a running member; clones are readers of the same one.
#[derive(Clone)]
pub struct Log {
    /// Where it is kept.
    pub volume: Volume,
    /// Whose it is.
    pub member: NodeId,
    /// Where its votes are told.
    pub record: Record,
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let contents = self.volume.contents.lock();
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let entries = contents.visible.entries.range(bounds);
        Ok(entries.map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.volume.contents.lock().visible.vote)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let contents = self.volume.contents.lock();
        Ok(LogState {
            last_purged_log_id: contents.visible.purged,
            last_log_id: contents.visible.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        if !is_planted(Mistake::VoteNotKept) {
            let (saved, is_saved) = oneshot::channel();
            self.volume.queue(Write::Vote(*vote, saved));
            is_saved.await.map_err(io::Error::other)?;
        }
        self.volume.contents.lock().visible.vote = Some(*vote);
        self.record.add(Event::Promised {
            member: self.member,
            vote: *vote,
        });
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(committed) = committed {
            self.volume.contents.lock().visible.committed = Some(committed);
            self.volume.queue(Write::Committed(committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.volume.contents.lock().visible.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.volume.contents.lock().visible.append(&entries);
        if is_planted(Mistake::AcknowledgedBeforeSync) {
            callback.io_completed(Ok(()));
            self.volume.queue(Write::Append(entries, IOFlushed::noop()));
        } else {
            self.volume.queue(Write::Append(entries, callback));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.volume.contents.lock().visible.truncate_after(last);
        self.volume.queue(Write::TruncateAfter(last));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.volume.contents.lock().visible.purge(upto);
        self.volume.queue(Write::Purge(upto));
        Ok(())
    }
}
