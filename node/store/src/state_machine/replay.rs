//! Applies entries outside of Raft, where there is no cluster to ask: what a volume or a backup still holds.

use std::sync::Arc;

use super::{ApplyError, Chunk, StateShared};
use crate::types::{Entry, LogId, StoredMembership, Verdict};

/// Why an entry cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It does not follow the one before.
    #[error("log entry {found} does not follow {before}: a part of the log is missing")]
    Gap {
        /// Last applied index.
        before: u64,
        /// Index of the entry.
        found: u64,
    },
    /// It cannot be applied; the text names the cause.
    #[error("failed to apply log entry {index}: {detail}")]
    Apply {
        /// Its index.
        index: u64,
        /// Why.
        detail: String,
    },
}

/// Applies one entry after the other.
pub(crate) struct Replay<'s> {
    shared: &'s Arc<StateShared>,
    chunk: Chunk,
}

impl<'s> Replay<'s> {
    /// On the state as it is.
    pub(crate) fn over(shared: &'s Arc<StateShared>) -> Self {
        Self {
            shared,
            chunk: Chunk::alone(shared.published()),
        }
    }

    /// Applies `entry`, which must follow.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), ReplayError> {
        let found = entry.log_id.index;
        if let Some(before) = self.chunk.applied.last_applied
            && before.index + 1 != found
        {
            return Err(ReplayError::Gap {
                before: before.index,
                found,
            });
        }
        let added = self.chunk.add(entry, None, &self.shared.observed);
        added.map_err(|error| failed(found, &error))?;
        if self.chunk.is_full() {
            let full = std::mem::replace(&mut self.chunk, Chunk::alone(self.shared.published()));
            full.commit(self.shared).map_err(|error| failed(found, &error))?;
            self.chunk = Chunk::alone(self.shared.published());
        }
        Ok(())
    }

    /// Writes what is left; the last applied entry.
    pub(crate) fn finish(self) -> Result<Option<LogId>, ReplayError> {
        let last = self.chunk.applied.last_applied;
        if !self.chunk.answers.is_empty() {
            let index = last.map_or(0, |last| last.index);
            self.chunk.commit(self.shared).map_err(|error| failed(index, &error))?;
        }
        Ok(last)
    }

    /// Applies one entry that may leave indexes out, and makes `membership` that of the state.
    pub(crate) fn only(
        shared: &'s Arc<StateShared>,
        entry: Entry,
        membership: StoredMembership,
    ) -> Result<Verdict, ReplayError> {
        let index = entry.log_id.index;
        let mut chunk = Chunk::alone(shared.published());
        let added = chunk.add(entry, None, &shared.observed);
        added.map_err(|error| failed(index, &error))?;
        chunk.applied.membership = membership;
        let verdict = chunk.answers.last().and_then(|(_, answer)| answer.verdict.clone());
        let verdict = verdict.ok_or_else(|| ReplayError::Apply {
            index,
            detail: "it holds no proposal".to_owned(),
        })?;
        if verdict.is_ok() {
            chunk.commit(shared).map_err(|error| failed(index, &error))?;
        }
        Ok(verdict)
    }
}

fn failed(index: u64, error: &ApplyError) -> ReplayError {
    ReplayError::Apply {
        index,
        detail: error.with_causes(),
    }
}
