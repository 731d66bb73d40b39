//! The types that openraft is configured with, and short names for its generic ones.

use std::fmt;

use bytes::Bytes;
use confman_core::ids::LogPosition;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::proposal::Proposal;
use openraft::alias::{CommittedLeaderIdOf, EntryOf, LeaderIdOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};

use crate::codec::{self, CodecError};
use crate::snapshot::SnapshotDir;

openraft::declare_raft_types!(
    /// Confman's Raft: proposals in, answers out, members with an address.
    pub TypeConfig:
        D = EncodedProposal,
        R = Answer,
        NodeId = u64,
        Node = Member,
);

/// Id of a member: random, kept on its volume, never reused.
pub type NodeId = u64;
/// Identity of the leadership an entry was written under: (term, node id).
pub type LeaderId = LeaderIdOf<TypeConfig>;
/// The same for a leadership that a quorum has granted.
pub type CommittedLeaderId = CommittedLeaderIdOf<TypeConfig>;
/// Id of a log entry: leadership and index.
pub type LogId = LogIdOf<TypeConfig>;
/// One log entry.
pub type Entry = EntryOf<TypeConfig>;
/// Payload of a log entry: blank, a proposal, or a membership.
pub type Payload = openraft::EntryPayload<EncodedProposal, NodeId, Member>;
/// What a node has voted for.
pub type Vote = VoteOf<TypeConfig>;
/// Voters and learners with their addresses.
pub type Membership = openraft::Membership<NodeId, Member>;
/// A membership with the log id that set it.
pub type StoredMembership = StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
/// A snapshot: what it covers, and its files.
pub type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotDir>;
/// Leader to follower: entries to append.
pub type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
/// Answer to one [`AppendRequest`].
pub type AppendResponse = openraft::raft::AppendEntriesResponse<TypeConfig>;
/// Answer to one [`AppendRequest`] of a stream.
pub type AppendResult = openraft::raft::StreamAppendResult<TypeConfig>;
/// Candidate to member: vote for me.
pub type VoteRequest = openraft::raft::VoteRequest<TypeConfig>;
/// Answer to a [`VoteRequest`].
pub type VoteResponse = openraft::raft::VoteResponse<TypeConfig>;
/// Leader to member: take over.
pub type TransferRequest = openraft::raft::TransferLeaderRequest<TypeConfig>;

/// A member of the cluster as the membership records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Where its peers reach it, `host:port`.
    pub address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.address)
    }
}

/// A proposal in its envelope: encoded once where it enters, then the same bytes on disk, on the wire and in apply.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedProposal(Bytes);

impl EncodedProposal {
    /// Encodes `proposal`.
    pub fn encode(proposal: &Proposal) -> Self {
        Self(codec::encode(proposal).into())
    }

    /// Takes bytes that came from elsewhere.
    ///
    /// # Errors
    /// If they are damaged, no proposal, or for a newer cluster version. The command itself is not looked at.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, CodecError> {
        codec::check_envelope(codec::Kind::Proposal, &bytes)?;
        Ok(Self(bytes))
    }

    /// Takes bytes out of a record whose checksum has been verified.
    pub(crate) fn from_verified(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The proposal.
    ///
    /// # Errors
    /// A committed one that cannot be decoded must stop the node: skipping it would make replicas differ.
    pub fn decode(&self) -> Result<Proposal, CodecError> {
        codec::decode(self.0.clone())
    }

    /// Envelope and body.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Bytes of envelope and body.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no bytes, which no encoded proposal is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for EncodedProposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "proposal({} bytes)", self.0.len())
    }
}

impl fmt::Debug for EncodedProposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Proposals carry values; those must never reach a log file.
        fmt::Display::fmt(self, formatter)
    }
}

/// What the rules said: accepted with an outcome, or refused with a reason.
pub type Verdict = Result<Outcome, Rejection>;

/// What the proposer of a log entry gets back once it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the entry stands in the log.
    pub position: LogPosition,
    /// The verdict; none for an entry without a proposal (blank, membership).
    pub verdict: Option<Verdict>,
}

/// Term and index of `log_id`: what the rules, the audit and the readers know of a log id.
pub fn log_position(log_id: &LogId) -> LogPosition {
    LogPosition {
        term: log_id.leader_id.term,
        index: log_id.index,
    }
}
