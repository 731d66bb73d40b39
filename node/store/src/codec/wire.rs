//! Messages between peers, each in the same envelope as on disk. Byte fields share the received buffer.
//!
//! Order and authenticity are the business of the connection; this file only says what the bytes mean.

use bytes::Bytes;
use openraft::raft::StreamAppendError;

use super::field::{PositionBody, required};
use super::raft::{EntryBody, LogIdBody, VoteBody};
use super::{CodecError, Kind, Record, decode, encode};
use crate::snapshot::{SnapshotChunk, SnapshotManifest};
use crate::types::{
    Answer, AppendRequest, AppendResponse, AppendResult, LogId, TransferRequest, Verdict, Vote, VoteRequest,
    VoteResponse,
};

macro_rules! wire {
    ($($what:literal $type:ty: $encode:ident, $decode:ident;)+) => {$(
        #[doc = concat!("Bytes of ", $what, ".")]
        pub fn $encode(message: &$type) -> Bytes {
            encode(message).into()
        }
        #[doc = concat!("Reads ", $what, ".")]
        pub fn $decode(bytes: Bytes) -> Result<$type, CodecError> {
            decode(bytes)
        }
    )+};
}
wire! {
    "entries to append" AppendRequest: encode_append_request, decode_append_request;
    "the answer to an append" AppendResponse: encode_append_response, decode_append_response;
    "the answer to one append of a stream" AppendResult: encode_append_result, decode_append_result;
    "a vote request (also of a pre-vote)" VoteRequest: encode_vote_request, decode_vote_request;
    "a vote response" VoteResponse: encode_vote_response, decode_vote_response;
    "a vote alone: beside a snapshot, and the answer to it" Vote: encode_vote, decode_vote;
    "a request to take over the leadership" TransferRequest: encode_transfer_request, decode_transfer_request;
    "the list of a snapshot's files" SnapshotManifest: encode_snapshot_manifest, decode_snapshot_manifest;
    "a piece of a snapshot's file" SnapshotChunk: encode_snapshot_chunk, decode_snapshot_chunk;
    "the answer to a forwarded proposal" Answer: encode_answer, decode_answer;
    "a log id alone" LogId: encode_log_id, decode_log_id;
}

/// An [`AppendRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendRequestBody {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteBody>,
    #[prost(message, optional, tag = "2")]
    prev_log_id: Option<LogIdBody>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<EntryBody>,
    #[prost(message, optional, tag = "4")]
    leader_commit: Option<LogIdBody>,
}

impl Record for AppendRequest {
    const KIND: Kind = Kind::AppendRequest;
    type Body = AppendRequestBody;

    fn to_body(&self) -> AppendRequestBody {
        let Self {
            vote,
            prev_log_id,
            entries,
            leader_commit,
        } = self;
        AppendRequestBody {
            vote: Some(vote.into()),
            prev_log_id: prev_log_id.as_ref().map(Into::into),
            entries: entries.iter().map(Into::into).collect(),
            leader_commit: leader_commit.as_ref().map(Into::into),
        }
    }

    fn from_body(body: AppendRequestBody) -> Result<Self, CodecError> {
        let entries = body.entries.into_iter().map(EntryBody::into_entry);
        Ok(Self {
            vote: required(body.vote, "append.vote")?.into(),
            prev_log_id: body.prev_log_id.map(Into::into),
            entries: entries.collect::<Result<_, CodecError>>()?,
            leader_commit: body.leader_commit.map(Into::into),
        })
    }
}

/// An [`AppendResult`] or [`AppendResponse`]. `outcome` is one of the constants below.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendAnswerBody {
    #[prost(uint32, tag = "1")]
    outcome: u32,
    #[prost(message, optional, tag = "2")]
    log_id: Option<LogIdBody>,
    #[prost(message, optional, tag = "3")]
    higher_vote: Option<VoteBody>,
}

const APPENDED: u32 = 1;
const APPENDED_PARTLY: u32 = 2;
const CONFLICT: u32 = 3;
const HIGHER_VOTE: u32 = 4;

impl AppendAnswerBody {
    fn new(outcome: u32, log_id: Option<&LogId>, higher_vote: Option<&Vote>) -> Self {
        Self {
            outcome,
            log_id: log_id.map(Into::into),
            higher_vote: higher_vote.map(Into::into),
        }
    }

    fn unknown(outcome: u32) -> CodecError {
        CodecError::UnknownVariant {
            what: "outcome of an append",
            found: outcome,
        }
    }
}

impl Record for AppendResult {
    const KIND: Kind = Kind::AppendResult;
    type Body = AppendAnswerBody;

    fn to_body(&self) -> AppendAnswerBody {
        match self {
            Ok(matching) => AppendAnswerBody::new(APPENDED, matching.as_ref(), None),
            Err(StreamAppendError::Conflict(log_id)) => AppendAnswerBody::new(CONFLICT, Some(log_id), None),
            Err(StreamAppendError::HigherVote(vote)) => AppendAnswerBody::new(HIGHER_VOTE, None, Some(vote)),
        }
    }

    fn from_body(body: AppendAnswerBody) -> Result<Self, CodecError> {
        let log_id = body.log_id.map(Into::into);
        match body.outcome {
            APPENDED => Ok(Ok(log_id)),
            CONFLICT => Ok(Err(StreamAppendError::Conflict(required(log_id, "append.conflict")?))),
            HIGHER_VOTE => {
                let vote = required(body.higher_vote, "append.higherVote")?;
                Ok(Err(StreamAppendError::HigherVote(vote.into())))
            }
            outcome => Err(AppendAnswerBody::unknown(outcome)),
        }
    }
}

impl Record for AppendResponse {
    const KIND: Kind = Kind::AppendResponse;
    type Body = AppendAnswerBody;

    fn to_body(&self) -> AppendAnswerBody {
        match self {
            Self::Success => AppendAnswerBody::new(APPENDED, None, None),
            Self::PartialSuccess(matching) => AppendAnswerBody::new(APPENDED_PARTLY, matching.as_ref(), None),
            Self::Conflict => AppendAnswerBody::new(CONFLICT, None, None),
            Self::HigherVote(vote) => AppendAnswerBody::new(HIGHER_VOTE, None, Some(vote)),
        }
    }

    fn from_body(body: AppendAnswerBody) -> Result<Self, CodecError> {
        match body.outcome {
            APPENDED => Ok(Self::Success),
            APPENDED_PARTLY => Ok(Self::PartialSuccess(body.log_id.map(Into::into))),
            CONFLICT => Ok(Self::Conflict),
            HIGHER_VOTE => Ok(Self::HigherVote(
                required(body.higher_vote, "append.higherVote")?.into(),
            )),
            outcome => Err(AppendAnswerBody::unknown(outcome)),
        }
    }
}

/// A [`VoteRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct VoteRequestBody {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteBody>,
    #[prost(message, optional, tag = "2")]
    last_log_id: Option<LogIdBody>,
    #[prost(bool, tag = "3")]
    leadership_transfer: bool,
}

impl Record for VoteRequest {
    const KIND: Kind = Kind::VoteRequest;
    type Body = VoteRequestBody;

    fn to_body(&self) -> VoteRequestBody {
        let Self {
            vote,
            last_log_id,
            leadership_transfer,
        } = self;
        VoteRequestBody {
            vote: Some(vote.into()),
            last_log_id: last_log_id.as_ref().map(Into::into),
            leadership_transfer: *leadership_transfer,
        }
    }

    fn from_body(body: VoteRequestBody) -> Result<Self, CodecError> {
        Ok(Self {
            vote: required(body.vote, "voteRequest.vote")?.into(),
            last_log_id: body.last_log_id.map(Into::into),
            leadership_transfer: body.leadership_transfer,
        })
    }
}

/// A [`VoteResponse`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct VoteResponseBody {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteBody>,
    #[prost(bool, tag = "2")]
    vote_granted: bool,
    #[prost(message, optional, tag = "3")]
    last_log_id: Option<LogIdBody>,
}

impl Record for VoteResponse {
    const KIND: Kind = Kind::VoteResponse;
    type Body = VoteResponseBody;

    fn to_body(&self) -> VoteResponseBody {
        let Self {
            vote,
            vote_granted,
            last_log_id,
        } = self;
        VoteResponseBody {
            vote: Some(vote.into()),
            vote_granted: *vote_granted,
            last_log_id: last_log_id.as_ref().map(Into::into),
        }
    }

    fn from_body(body: VoteResponseBody) -> Result<Self, CodecError> {
        Ok(Self {
            vote: required(body.vote, "voteResponse.vote")?.into(),
            vote_granted: body.vote_granted,
            last_log_id: body.last_log_id.map(Into::into),
        })
    }
}

/// A [`TransferRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct TransferRequestBody {
    #[prost(message, optional, tag = "1")]
    from_leader: Option<VoteBody>,
    #[prost(uint64, tag = "2")]
    to_node_id: u64,
    #[prost(message, optional, tag = "3")]
    last_log_id: Option<LogIdBody>,
}

impl Record for TransferRequest {
    const KIND: Kind = Kind::TransferRequest;
    type Body = TransferRequestBody;

    fn to_body(&self) -> TransferRequestBody {
        TransferRequestBody {
            from_leader: Some(self.from_leader().into()),
            to_node_id: *self.to_node_id(),
            last_log_id: self.last_log_id().map(Into::into),
        }
    }

    fn from_body(body: TransferRequestBody) -> Result<Self, CodecError> {
        let from_leader = required(body.from_leader, "transfer.fromLeader")?;
        Ok(Self::new(
            from_leader.into(),
            body.to_node_id,
            body.last_log_id.map(Into::into),
        ))
    }
}

/// A [`SnapshotChunk`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotChunkBody {
    #[prost(uint32, tag = "1")]
    file: u32,
    #[prost(uint64, tag = "2")]
    offset: u64,
    #[prost(bytes = "bytes", tag = "3")]
    bytes: Bytes,
}

impl Record for SnapshotChunk {
    const KIND: Kind = Kind::SnapshotChunk;
    type Body = SnapshotChunkBody;

    fn to_body(&self) -> SnapshotChunkBody {
        let Self { file, offset, bytes } = self;
        SnapshotChunkBody {
            file: *file,
            offset: *offset,
            bytes: bytes.clone(),
        }
    }

    fn from_body(body: SnapshotChunkBody) -> Result<Self, CodecError> {
        let SnapshotChunkBody { file, offset, bytes } = body;
        Ok(Self { file, offset, bytes })
    }
}

/// An [`Answer`]. The verdict is the JSON of outcome or rejection, whose variant names are stable; it never reaches a
/// disk, and a peer that does not know a variant reports the outcome as unknown.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AnswerBody {
    #[prost(message, optional, tag = "1")]
    position: Option<PositionBody>,
    #[prost(string, optional, tag = "2")]
    outcome: Option<String>,
    #[prost(string, optional, tag = "3")]
    rejection: Option<String>,
}

impl Record for Answer {
    const KIND: Kind = Kind::Answer;
    type Body = AnswerBody;

    fn to_body(&self) -> AnswerBody {
        let Self { position, verdict } = self;
        let (outcome, rejection) = match verdict {
            Some(Ok(outcome)) => (Some(json(outcome)), None),
            Some(Err(rejection)) => (None, Some(json(rejection))),
            None => (None, None),
        };
        AnswerBody {
            position: Some((*position).into()),
            outcome,
            rejection,
        }
    }

    fn from_body(body: AnswerBody) -> Result<Self, CodecError> {
        let AnswerBody {
            position,
            outcome,
            rejection,
        } = body;
        let verdict: Option<Verdict> = match (outcome, rejection) {
            (Some(outcome), _) => Some(Ok(from_json(&outcome)?)),
            (None, Some(rejection)) => Some(Err(from_json(&rejection)?)),
            (None, None) => None,
        };
        Ok(Self {
            position: required(position, "answer.position")?.into(),
            verdict,
        })
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types serialise")
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, CodecError> {
    serde_json::from_str(text).map_err(|error| CodecError::Malformed {
        kind: Kind::Answer,
        detail: error.to_string(),
    })
}
