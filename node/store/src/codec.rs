//! Our own binary format for the disk and for peers: protobuf in a checked envelope.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format of the envelope, [`FORMAT`] |
//! | 1 | 2 | [`Kind`], little-endian |
//! | 3 | 2 | lowest cluster version that may read it, little-endian |
//! | 5 | 4 | CRC-32C of the five bytes before and of the body, little-endian |
//! | 9 | … | body: one protobuf message, tags in the files under `codec/` |
//!
//! Tags and kinds are never reused. A field that an older binary must not miss raises the record's cluster version.
//! Openraft's types never reach the disk. The JSON of the domain does where it is hashed or written by people anyway: see
//! `codec/document.rs`.

use bytes::{Buf, Bytes};
use prost::Message;

mod audit;
mod cluster;
mod command;
mod document;
mod entry;
mod field;
mod files;
mod namespace;
mod principal;
mod proposal;
mod publish_request;
mod raft;
mod rows;
mod stamp;
pub mod wire;

pub use cluster::NonceUse;
pub use entry::LiveRow;
pub use namespace::ClaimedPath;
pub use publish_request::AppliedSpec;
pub use raft::{AppliedRow, FloorRecord};
pub use rows::Revision;

/// Format of the envelope that this binary writes, and the only one it reads.
pub const FORMAT: u8 = 1;
/// Highest cluster version that this binary understands.
pub const SUPPORTED_CLUSTER_VERSION: u16 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 9;

/// What a record is. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A [`confman_core::proposal::Proposal`], inside a log entry or on its way to the leader.
    Proposal = 1,
    /// One entry of the Raft log.
    LogEntry = 2,
    /// What this node voted for.
    Vote = 3,
    /// A log id: last purged, last committed.
    LogId = 4,
    /// Last applied log id and membership of the state.
    Applied = 5,
    /// [`confman_core::cluster::ClusterRecord`].
    ClusterRecord = 16,
    /// [`confman_core::cluster::StampKey`].
    StampKey = 17,
    /// The request that used a nonce.
    NonceUse = 18,
    /// [`confman_core::namespace::ConfigNamespace`].
    ConfigNamespace = 19,
    /// The path that an object claims.
    ClaimedPath = 20,
    /// [`confman_core::entry::ConfigEntry`].
    ConfigEntry = 21,
    /// The live version of a key, or its number.
    LiveRow = 22,
    /// [`confman_core::entry::Version`].
    Version = 23,
    /// [`confman_core::publish_request::PublishRequest`].
    PublishRequest = 24,
    /// [`confman_core::audit::AuditEvent`].
    AuditEvent = 25,
    /// [`confman_core::audit::AuditHead`].
    AuditHead = 26,
    /// The request that published a spec of an object.
    AppliedSpec = 27,
    /// [`confman_core::entry::Draft`].
    Draft = 28,
    /// [`confman_core::state::StoredSchema`].
    StoredSchema = 29,
    /// [`confman_core::api_key::ApiKeyRecord`].
    ApiKeyRecord = 30,
    /// A number that only grows.
    Revision = 31,
    /// [`confman_core::webhook::Delivery`].
    Delivery = 40,
    /// [`confman_core::webhook::TargetHealth`].
    TargetHealth = 41,
    /// [`confman_core::idempotency::IdempotencyRecord`].
    IdempotencyRecord = 42,
    /// List of the files of a snapshot.
    SnapshotManifest = 32,
    /// Identity of a node.
    Identity = 33,
    /// What a node has acknowledged at least.
    Floor = 34,
    /// Peer: entries to append.
    AppendRequest = 64,
    /// Peer: answer to one append of a stream.
    AppendResult = 65,
    /// Peer: vote request.
    VoteRequest = 66,
    /// Peer: vote response.
    VoteResponse = 67,
    /// Peer: request to take over the leadership.
    TransferRequest = 68,
    /// Peer: a piece of a snapshot's file.
    SnapshotChunk = 69,
    /// Peer: answer to a forwarded proposal.
    Answer = 70,
    /// Peer: answer to an append outside of a stream.
    AppendResponse = 71,
}

/// Why bytes could not be decoded. Each of these stops the node when it comes from its disk or its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter than an envelope.
    #[error("a record of {actual} bytes is shorter than its envelope of {HEADER_BYTES} bytes; it is damaged")]
    Truncated {
        /// How many bytes there are.
        actual: usize,
    },
    /// Written by a binary with another envelope.
    #[error("the record has envelope format {found}, this binary reads format {FORMAT}; use a newer binary")]
    UnknownFormat {
        /// The format found.
        found: u8,
    },
    /// Checksum mismatch.
    #[error("the checksum of the {expected:?} record does not match; its bytes are damaged")]
    Damaged {
        /// What was to be read.
        expected: Kind,
    },
    /// Another kind than expected: a newer binary wrote it, or it is in the wrong place.
    #[error("the record is of kind {found}, expected {expected:?}; use a newer binary")]
    UnknownKind {
        /// The kind found.
        found: u16,
        /// What was to be read.
        expected: Kind,
    },
    /// The record is for a newer cluster version.
    #[error(
        "the {kind:?} record needs cluster version {needed}, this binary supports {SUPPORTED_CLUSTER_VERSION}; \
         use a newer binary"
    )]
    NewerClusterVersion {
        /// The kind.
        kind: Kind,
        /// The version it needs.
        needed: u16,
    },
    /// A variant or command number that this binary does not know.
    #[error("unknown {what} {found}; use a newer binary")]
    UnknownVariant {
        /// What was to be read.
        what: &'static str,
        /// The number found.
        found: u32,
    },
    /// The checksum holds, but the body is no such message.
    #[error("the body of the {kind:?} record is not a valid message: {detail}")]
    Malformed {
        /// The kind.
        kind: Kind,
        /// What the protobuf decoder says.
        detail: String,
    },
    /// A field is missing or its content is refused.
    #[error("field {field} is invalid: {detail}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// Something with a place on disk or on the wire.
pub trait Record: Sized {
    /// Its kind.
    const KIND: Kind;
    /// The protobuf message that carries it.
    type Body: Message + Default;

    /// The message.
    fn to_body(&self) -> Self::Body;
    /// The record of a message.
    fn from_body(body: Self::Body) -> Result<Self, CodecError>;
    /// Lowest cluster version that may read it.
    fn min_cluster_version(&self) -> u16 {
        1
    }
}

/// Envelope and body of `record`.
pub fn encode<R: Record>(record: &R) -> Vec<u8> {
    let body = record.to_body();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.encoded_len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(&(R::KIND as u16).to_le_bytes());
    bytes.extend_from_slice(&record.min_cluster_version().to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    body.encode_raw(&mut bytes);
    let checksum = checksum(&bytes).to_le_bytes();
    bytes[5..HEADER_BYTES].copy_from_slice(&checksum);
    bytes
}

/// The record in `bytes`; byte fields of it share them.
pub fn decode<R: Record>(mut bytes: Bytes) -> Result<R, CodecError> {
    check_envelope(R::KIND, &bytes)?;
    bytes.advance(HEADER_BYTES);
    decode_body(bytes)
}

/// The record in `bytes`, which are copied.
pub fn decode_slice<R: Record>(bytes: &[u8]) -> Result<R, CodecError> {
    check_envelope(R::KIND, bytes)?;
    decode_body(&bytes[HEADER_BYTES..])
}

fn decode_body<R: Record>(body: impl Buf) -> Result<R, CodecError> {
    let body = R::Body::decode(body).map_err(|error| CodecError::Malformed {
        kind: R::KIND,
        detail: error.to_string(),
    })?;
    R::from_body(body)
}

/// Checks everything but the body.
pub(crate) fn check_envelope(expected: Kind, bytes: &[u8]) -> Result<(), CodecError> {
    let [format, kind_low, kind_high, version_low, version_high, crc @ ..] = bytes else {
        return Err(CodecError::Truncated { actual: bytes.len() });
    };
    let Some(crc) = crc.first_chunk::<4>() else {
        return Err(CodecError::Truncated { actual: bytes.len() });
    };
    if *format != FORMAT {
        return Err(CodecError::UnknownFormat { found: *format });
    }
    if checksum(bytes) != u32::from_le_bytes(*crc) {
        return Err(CodecError::Damaged { expected });
    }
    let found = u16::from_le_bytes([*kind_low, *kind_high]);
    if found != expected as u16 {
        return Err(CodecError::UnknownKind { found, expected });
    }
    let needed = u16::from_le_bytes([*version_low, *version_high]);
    if needed > SUPPORTED_CLUSTER_VERSION {
        return Err(CodecError::NewerClusterVersion { kind: expected, needed });
    }
    Ok(())
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..5]), &bytes[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Vote;

    fn vote() -> Vec<u8> {
        encode(&Vote::new_committed(7, 9))
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = vote();
        for position in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[position / 8] ^= 1 << (position % 8);
            assert!(decode_slice::<Vote>(&bad).is_err(), "bit {position}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let good = vote();
        for length in 0..good.len() {
            assert!(decode_slice::<Vote>(&good[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn newer_cluster_version_is_an_error_of_its_own() {
        let mut bytes = vote();
        bytes[3..5].copy_from_slice(&2_u16.to_le_bytes());
        let crc = checksum(&bytes).to_le_bytes();
        bytes[5..9].copy_from_slice(&crc);
        assert_eq!(
            decode_slice::<Vote>(&bytes),
            Err(CodecError::NewerClusterVersion {
                kind: Kind::Vote,
                needed: 2
            })
        );
    }

    #[test]
    fn unknown_kind_is_an_error_of_its_own() {
        let mut bytes = vote();
        bytes[1..3].copy_from_slice(&999_u16.to_le_bytes());
        let crc = checksum(&bytes).to_le_bytes();
        bytes[5..9].copy_from_slice(&crc);
        assert_eq!(
            decode_slice::<Vote>(&bytes),
            Err(CodecError::UnknownKind {
                found: 999,
                expected: Kind::Vote
            })
        );
    }
}
