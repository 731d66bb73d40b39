//! Walks a trail event by event and says where it fails to be the whole, unaltered one.

use super::{AuditEvent, AuditHead, AuditStub};
use crate::digest::Digest;
use crate::ids::{LogPosition, Timestamp};

/// How a list of events fails to be the whole, unaltered trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An event was altered, or its hash was.
    #[error("event {id} was altered: its hash is {given}, its content has {computed}")]
    Altered {
        /// Id of the event.
        id: String,
        /// The hash it carries.
        given: Digest,
        /// The hash of its content.
        computed: Digest,
    },
    /// An event does not follow the one before: one was dropped, inserted or moved.
    #[error("event {id} does not follow the one before: it names {given}, the one before has {expected}")]
    Broken {
        /// Id of the event.
        id: String,
        /// The hash it names.
        given: Digest,
        /// The hash of the event before.
        expected: Digest,
    },
    /// Position or time runs back, or the id is not the position's.
    #[error("event {id} is out of order")]
    OutOfOrder {
        /// Id of the event.
        id: String,
    },
    /// The last event is not the one that the cluster says is the last.
    #[error(
        "the trail ends after {given} events with {given_hash}, the cluster has {expected} ending with {expected_hash}"
    )]
    Truncated {
        /// Number of events given.
        given: u64,
        /// Hash of the last one given.
        given_hash: Digest,
        /// Number of events in the cluster.
        expected: u64,
        /// Hash of its last one.
        expected_hash: Digest,
    },
}

impl ChainError {
    /// Id of the event at which it shows; none if the end is missing.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Altered { id, .. } | Self::Broken { id, .. } | Self::OutOfOrder { id } => Some(id),
            Self::Truncated { .. } => None,
        }
    }
}

/// As much of a trail as was walked, oldest event first. Needs the memory of one event, however long the trail.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    count: u64,
    last: Option<Link>,
}

/// What the next event is compared with.
#[derive(Clone, Copy, Debug)]
struct Link {
    position: LogPosition,
    seq: u32,
    time: Timestamp,
    hash: Digest,
}

impl Chain {
    /// A chain of `count` events that was walked before and whose last event is `last`.
    pub fn after(count: u64, last: &AuditEvent) -> Self {
        Self {
            count,
            last: Some(Link::of(last)),
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// If it was altered or is not the next one.
    pub fn push(&mut self, event: &AuditEvent) -> Result<(), ChainError> {
        let computed = event.computed_hash();
        if computed != event.hash {
            return Err(ChainError::Altered {
                id: event.id.clone(),
                given: event.hash,
                computed,
            });
        }
        self.link(&event.id, event.previous_hash, Link::of(event))
    }

    /// Takes the place of an event that is not shown. Its hash cannot be computed; that the events around it hold says
    /// that it is the right one.
    ///
    /// # Errors
    /// If it is not the next one.
    pub fn push_hidden(&mut self, stub: &AuditStub) -> Result<(), ChainError> {
        let link = Link {
            position: stub.position,
            seq: stub.seq,
            time: self.last.map_or_else(Timestamp::default, |last| last.time),
            hash: stub.hash,
        };
        self.link(&stub.id, stub.previous_hash, link)
    }

    /// Number of events so far, hidden ones included.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Hash of the last event; 64 zeros before the first.
    pub fn hash(&self) -> Digest {
        self.last.map_or(Digest::ZERO, |last| last.hash)
    }

    /// Compares the end with the one that the cluster has.
    ///
    /// # Errors
    /// If events are missing at the end, or are too many.
    pub fn finish(&self, head: &AuditHead) -> Result<(), ChainError> {
        if (self.count, self.hash()) == (head.count, head.hash) {
            return Ok(());
        }
        Err(ChainError::Truncated {
            given: self.count,
            given_hash: self.hash(),
            expected: head.count,
            expected_hash: head.hash,
        })
    }

    fn link(&mut self, id: &str, previous_hash: Digest, next: Link) -> Result<(), ChainError> {
        let expected = self.hash();
        if previous_hash != expected {
            return Err(ChainError::Broken {
                id: id.to_owned(),
                given: previous_hash,
                expected,
            });
        }
        let in_order = self.last.is_none_or(|last| last.is_before(&next));
        if !in_order || id != AuditEvent::id_of(next.position.index, next.seq) {
            return Err(ChainError::OutOfOrder { id: id.to_owned() });
        }
        self.count += 1;
        self.last = Some(next);
        Ok(())
    }
}

impl Link {
    fn of(event: &AuditEvent) -> Self {
        Self {
            position: event.position,
            seq: event.seq,
            time: event.time,
            hash: event.hash,
        }
    }

    fn is_before(&self, next: &Self) -> bool {
        (self.position.index, self.seq) < (next.position.index, next.seq)
            && self.position.term <= next.position.term
            && self.time <= next.time
    }
}

/// Verifies a whole trail, oldest first, against the head that the cluster holds.
///
/// # Errors
/// At the first event that was altered, dropped, inserted or moved, and when the end is missing.
pub fn verify(events: &[AuditEvent], head: &AuditHead) -> Result<(), ChainError> {
    let mut chain = Chain::default();
    events.iter().try_for_each(|event| chain.push(event))?;
    chain.finish(head)
}
