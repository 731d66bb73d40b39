//! Reading single fields of messages: what is required, what is parsed, which numbers stand for which variants.

use confman_core::digest::Digest;
use confman_core::ids::{ClusterId, ConfigKey, IdError, LogPosition, NamespacePath, RequestId, Timestamp};

use super::CodecError;

/// The content of a message field that must be there.
pub(super) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, CodecError> {
    value.ok_or_else(|| CodecError::Field {
        field,
        detail: "it is missing".to_owned(),
    })
}

/// `value` converted, or an error that names `field`.
pub(super) fn parsed<T, E: std::fmt::Display>(result: Result<T, E>, field: &'static str) -> Result<T, CodecError> {
    result.map_err(|error| CodecError::Field {
        field,
        detail: error.to_string(),
    })
}

/// An optional message field, converted.
pub(super) fn optional<M, T: TryFrom<M, Error = CodecError>>(value: Option<M>) -> Result<Option<T>, CodecError> {
    value.map(T::try_from).transpose()
}

/// A repeated message field, converted.
pub(super) fn repeated<M, T: TryFrom<M, Error = CodecError>, C: FromIterator<T>>(
    values: Vec<M>,
) -> Result<C, CodecError> {
    values.into_iter().map(T::try_from).collect()
}

/// An id that is stored as text.
pub(super) trait TextId: Sized {
    /// Parses the stored text.
    fn parse_text(text: &str) -> Result<Self, IdError>;
}

macro_rules! text_id {
    ($($name:ident),+) => {$(
        impl TextId for $name {
            fn parse_text(text: &str) -> Result<Self, IdError> {
                $name::parse(text)
            }
        }
    )+};
}
text_id!(NamespacePath, ConfigKey, ClusterId, RequestId);

/// Parses an id field.
pub(super) fn id<T: TextId>(text: &str, field: &'static str) -> Result<T, CodecError> {
    parsed(T::parse_text(text), field)
}

/// Parses an optional id field.
pub(super) fn optional_id<T: TextId>(text: Option<&str>, field: &'static str) -> Result<Option<T>, CodecError> {
    text.map(|text| id(text, field)).transpose()
}

/// A digest field: 32 bytes.
pub(super) fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, CodecError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| CodecError::Field {
        field,
        detail: format!("a digest has 32 bytes, not {}", bytes.len()),
    })?;
    Ok(Digest::from_bytes(bytes))
}

/// An optional digest field.
pub(super) fn optional_digest(bytes: Option<&[u8]>, field: &'static str) -> Result<Option<Digest>, CodecError> {
    bytes.map(|bytes| digest(bytes, field)).transpose()
}

/// The bytes of a digest.
pub(super) fn digest_bytes(digest: Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

/// A time field, in milliseconds since 1970.
pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A `u8` field, which protobuf carries as `u32`.
pub(super) fn small(value: u32, field: &'static str) -> Result<u8, CodecError> {
    parsed(u8::try_from(value), field)
}

/// A place in the log.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PositionBody {
    #[prost(uint64, tag = "1")]
    pub(super) term: u64,
    #[prost(uint64, tag = "2")]
    pub(super) index: u64,
}

impl From<LogPosition> for PositionBody {
    fn from(LogPosition { term, index }: LogPosition) -> Self {
        Self { term, index }
    }
}

impl From<PositionBody> for LogPosition {
    fn from(PositionBody { term, index }: PositionBody) -> Self {
        Self { term, index }
    }
}

/// An enum of the domain with a number for each variant; 0 is never one, so that a missing field is noticed.
pub(super) trait Tagged: Sized + Copy {
    /// The number of a variant.
    fn tag(self) -> u32;
    /// The variant of a number.
    fn from_tag(tag: u32) -> Result<Self, CodecError>;
}

/// Gives each variant of an enum its number. The match is exhaustive, so a new variant does not compile without one.
macro_rules! tags {
    ($type:ident, $what:literal: $($variant:ident = $tag:literal),+ $(,)?) => {
        impl $crate::codec::field::Tagged for $type {
            fn tag(self) -> u32 {
                match self {
                    $(Self::$variant => $tag,)+
                }
            }
            fn from_tag(tag: u32) -> Result<Self, $crate::codec::CodecError> {
                match tag {
                    $($tag => Ok(Self::$variant),)+
                    found => Err($crate::codec::CodecError::UnknownVariant { what: $what, found }),
                }
            }
        }
    };
}
pub(super) use tags;
