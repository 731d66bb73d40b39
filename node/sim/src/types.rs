//! What openraft is configured with in the simulation: the core's proposals and answers, and the simulated runtime.

use std::fmt;
use std::sync::Arc;

use confman_core::ids::LogPosition;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::proposal::Proposal;
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};

use crate::runtime::Runtime;
use crate::state::{StateMachine, StoredState};

openraft::declare_raft_types!(
    /// The node's types, but with a simulated runtime and proposals that are never encoded.
    pub TypeConfig:
        D = Proposed,
        R = Answer,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = Runtime,
);

/// Id of a member: never used again.
pub type NodeId = u64;
/// Leadership and index.
pub type LogId = LogIdOf<TypeConfig>;
/// One entry of the log.
pub type Entry = EntryOf<TypeConfig>;
/// What a member has voted for.
pub type Vote = VoteOf<TypeConfig>;
/// A membership with the entry that set it.
pub type StoredMembership = StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
/// A snapshot: the state as it was.
pub type Snapshot = openraft::alias::SnapshotOf<TypeConfig, Arc<StoredState>>;
/// One member's Raft.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// A member as the membership records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Where its peers reach it.
    pub address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.address)
    }
}

/// A proposal in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed(pub Arc<Proposal>);

impl fmt::Display for Proposed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("proposal")
    }
}

/// What the rules said.
pub type Verdict = Result<Outcome, Rejection>;

/// What a proposer gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the entry stands.
    pub position: LogPosition,
    /// What the rules said; none for an entry without a proposal.
    pub verdict: Option<Verdict>,
}

/// Term and index of `log_id`.
pub fn position_of(log_id: &LogId) -> LogPosition {
    LogPosition {
        term: log_id.leader_id.term,
        index: log_id.index,
    }
}
