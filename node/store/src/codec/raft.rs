//! What Raft keeps: log ids, votes, memberships, log entries, and how far the state is.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use confman_core::digest::Digest;
use confman_core::proposal::Checkpoint;
use openraft::EntryPayload;

use super::field::{digest_bytes, optional_digest, parsed, required};
use super::{CodecError, Kind, Record};
use crate::state_machine::ReplicaHash;
use crate::types::{
    CommittedLeaderId, EncodedProposal, Entry, LeaderId, LogId, Member, Membership, StoredMembership, Vote,
};

/// A [`LogId`] with the whole leader id, because terms alone do not tell leaders apart.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct LogIdBody {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
}

impl From<&LogId> for LogIdBody {
    fn from(log_id: &LogId) -> Self {
        let LogId { leader_id, index } = log_id;
        let CommittedLeaderId { term, node_id } = leader_id;
        Self {
            term: *term,
            node_id: *node_id,
            index: *index,
        }
    }
}

impl From<LogIdBody> for LogId {
    fn from(body: LogIdBody) -> Self {
        let LogIdBody { term, node_id, index } = body;
        Self {
            leader_id: CommittedLeaderId { term, node_id },
            index,
        }
    }
}

impl Record for LogId {
    const KIND: Kind = Kind::LogId;
    type Body = LogIdBody;

    fn to_body(&self) -> LogIdBody {
        self.into()
    }

    fn from_body(body: LogIdBody) -> Result<Self, CodecError> {
        Ok(body.into())
    }
}

/// A [`Vote`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct VoteBody {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

impl From<&Vote> for VoteBody {
    fn from(vote: &Vote) -> Self {
        let Vote { leader_id, committed } = vote;
        let LeaderId { term, node_id } = leader_id;
        Self {
            term: *term,
            node_id: *node_id,
            committed: *committed,
        }
    }
}

impl From<VoteBody> for Vote {
    fn from(body: VoteBody) -> Self {
        let VoteBody {
            term,
            node_id,
            committed,
        } = body;
        Self {
            leader_id: LeaderId { term, node_id },
            committed,
        }
    }
}

impl Record for Vote {
    const KIND: Kind = Kind::Vote;
    type Body = VoteBody;

    fn to_body(&self) -> VoteBody {
        self.into()
    }

    fn from_body(body: VoteBody) -> Result<Self, CodecError> {
        Ok(body.into())
    }
}

/// One set of voters.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VotersBody {
    #[prost(uint64, repeated, tag = "1")]
    node_ids: Vec<u64>,
}

/// One member, voter or learner.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MemberBody {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(string, tag = "2")]
    address: String,
}

/// A [`Membership`]: one set of voters, or two while it changes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MembershipBody {
    #[prost(message, repeated, tag = "1")]
    configs: Vec<VotersBody>,
    #[prost(message, repeated, tag = "2")]
    members: Vec<MemberBody>,
}

impl From<&Membership> for MembershipBody {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config().iter().map(|voters| VotersBody {
            node_ids: voters.iter().copied().collect(),
        });
        let members = membership.nodes().map(|(node_id, Member { address })| MemberBody {
            node_id: *node_id,
            address: address.clone(),
        });
        Self {
            configs: configs.collect(),
            members: members.collect(),
        }
    }
}

impl TryFrom<MembershipBody> for Membership {
    type Error = CodecError;
    fn try_from(body: MembershipBody) -> Result<Self, CodecError> {
        let MembershipBody { configs, members } = body;
        let configs: Vec<BTreeSet<u64>> = configs
            .into_iter()
            .map(|VotersBody { node_ids }| node_ids.into_iter().collect())
            .collect();
        let members: BTreeMap<u64, Member> = members
            .into_iter()
            .map(|MemberBody { node_id, address }| (node_id, Member { address }))
            .collect();
        parsed(Self::new(configs, members), "membership")
    }
}

/// A [`StoredMembership`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct StoredMembershipBody {
    #[prost(message, optional, tag = "1")]
    log_id: Option<LogIdBody>,
    #[prost(message, optional, tag = "2")]
    membership: Option<MembershipBody>,
}

impl From<&StoredMembership> for StoredMembershipBody {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: stored.log_id().as_ref().map(Into::into),
            membership: Some(stored.membership().into()),
        }
    }
}

impl TryFrom<StoredMembershipBody> for StoredMembership {
    type Error = CodecError;
    fn try_from(body: StoredMembershipBody) -> Result<Self, CodecError> {
        let StoredMembershipBody { log_id, membership } = body;
        let membership = required(membership, "membership")?.try_into()?;
        Ok(Self::new(log_id.map(Into::into), membership))
    }
}

/// How far the state is: written in the same batch as everything that the entry changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedRow {
    /// Last applied entry; none for an empty state.
    pub last_applied: Option<LogId>,
    /// Membership as of that entry.
    pub membership: StoredMembership,
    /// What this replica has come to.
    pub replica_hash: ReplicaHash,
}

/// An [`AppliedRow`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppliedBody {
    #[prost(message, optional, tag = "1")]
    last_applied: Option<LogIdBody>,
    #[prost(message, optional, tag = "2")]
    membership: Option<StoredMembershipBody>,
    /// None is [`Digest::ZERO`].
    #[prost(bytes = "vec", optional, tag = "3")]
    rolling: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "4")]
    checkpoint_index: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "5")]
    checkpoint_hash: Option<Vec<u8>>,
    #[prost(string, tag = "6")]
    rolling_version: String,
    #[prost(string, tag = "7")]
    checkpoint_version: String,
}

impl From<&AppliedRow> for AppliedBody {
    fn from(row: &AppliedRow) -> Self {
        let AppliedRow {
            last_applied,
            membership,
            replica_hash:
                ReplicaHash {
                    rolling,
                    version,
                    checkpoint,
                },
        } = row;
        Self {
            last_applied: last_applied.as_ref().map(Into::into),
            membership: Some(membership.into()),
            rolling: (*rolling != Digest::ZERO).then(|| digest_bytes(*rolling)),
            checkpoint_index: checkpoint.as_ref().map(|checkpoint| checkpoint.index),
            checkpoint_hash: checkpoint.as_ref().map(|checkpoint| digest_bytes(checkpoint.hash)),
            rolling_version: version.clone(),
            checkpoint_version: checkpoint
                .as_ref()
                .map_or_else(String::new, |checkpoint| checkpoint.version.clone()),
        }
    }
}

impl TryFrom<AppliedBody> for AppliedRow {
    type Error = CodecError;
    fn try_from(body: AppliedBody) -> Result<Self, CodecError> {
        let AppliedBody {
            last_applied,
            membership,
            rolling,
            checkpoint_index,
            checkpoint_hash,
            rolling_version,
            checkpoint_version,
        } = body;
        let rolling = optional_digest(rolling.as_deref(), "applied.rolling")?;
        let hash = optional_digest(checkpoint_hash.as_deref(), "applied.checkpointHash")?;
        Ok(Self {
            last_applied: last_applied.map(Into::into),
            membership: required(membership, "applied.membership")?.try_into()?,
            replica_hash: ReplicaHash {
                rolling: rolling.unwrap_or(Digest::ZERO),
                version: rolling_version,
                checkpoint: checkpoint_index.zip(hash).map(|(index, hash)| Checkpoint {
                    index,
                    hash,
                    version: checkpoint_version,
                }),
            },
        })
    }
}

impl Record for AppliedRow {
    const KIND: Kind = Kind::Applied;
    type Body = AppliedBody;

    fn to_body(&self) -> AppliedBody {
        self.into()
    }

    fn from_body(body: AppliedBody) -> Result<Self, CodecError> {
        body.try_into()
    }
}

/// An [`Entry`]. The proposal keeps its own envelope, so that its bytes are never made anew.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EntryBody {
    #[prost(message, optional, tag = "1")]
    log_id: Option<LogIdBody>,
    #[prost(oneof = "PayloadBody", tags = "2, 3, 4")]
    payload: Option<PayloadBody>,
}

/// Payload of an [`Entry`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum PayloadBody {
    /// A blank entry, written by a new leader.
    #[prost(bool, tag = "2")]
    Blank(bool),
    /// An encoded proposal.
    #[prost(bytes = "bytes", tag = "3")]
    Normal(Bytes),
    /// A membership.
    #[prost(message, tag = "4")]
    Membership(MembershipBody),
}

impl From<&Entry> for EntryBody {
    fn from(entry: &Entry) -> Self {
        let openraft::Entry { log_id, payload } = entry;
        let payload = match payload {
            EntryPayload::Blank => PayloadBody::Blank(true),
            EntryPayload::Normal(proposal) => PayloadBody::Normal(proposal.as_bytes().clone()),
            EntryPayload::Membership(membership) => PayloadBody::Membership(membership.into()),
        };
        Self {
            log_id: Some(log_id.into()),
            payload: Some(payload),
        }
    }
}

impl EntryBody {
    /// The entry. (`TryFrom` is taken: openraft's entry is generic.)
    pub(super) fn into_entry(self) -> Result<Entry, CodecError> {
        let Self { log_id, payload } = self;
        let payload = match payload {
            Some(PayloadBody::Blank(_)) => EntryPayload::Blank,
            Some(PayloadBody::Normal(bytes)) => EntryPayload::Normal(EncodedProposal::from_verified(bytes)),
            Some(PayloadBody::Membership(membership)) => EntryPayload::Membership(membership.try_into()?),
            None => {
                return Err(CodecError::UnknownVariant {
                    what: "payload of a log entry",
                    found: 0,
                });
            }
        };
        Ok(Entry {
            log_id: required(log_id, "entry.logId")?.into(),
            payload,
        })
    }
}

impl Record for Entry {
    const KIND: Kind = Kind::LogEntry;
    type Body = EntryBody;

    fn to_body(&self) -> EntryBody {
        self.into()
    }

    fn from_body(body: EntryBody) -> Result<Self, CodecError> {
        body.into_entry()
    }
}

/// What a node has acknowledged at least; see `log_store/floor.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorRecord {
    /// Counts the writes of the file; the higher slot is the newer.
    pub sequence: u64,
    /// Last acknowledged entry.
    pub last: Option<LogId>,
    /// Last vote given.
    pub vote: Option<Vote>,
}

/// A [`FloorRecord`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FloorBody {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(message, optional, tag = "2")]
    last: Option<LogIdBody>,
    #[prost(message, optional, tag = "3")]
    vote: Option<VoteBody>,
}

impl Record for FloorRecord {
    const KIND: Kind = Kind::Floor;
    type Body = FloorBody;

    fn to_body(&self) -> FloorBody {
        let Self { sequence, last, vote } = self;
        FloorBody {
            sequence: *sequence,
            last: last.as_ref().map(Into::into),
            vote: vote.as_ref().map(Into::into),
        }
    }

    fn from_body(body: FloorBody) -> Result<Self, CodecError> {
        let FloorBody { sequence, last, vote } = body;
        Ok(Self {
            sequence,
            last: last.map(Into::into),
            vote: vote.map(Into::into),
        })
    }
}
