//! Settings and rare commands as their canonical JSON inside of a message.
//!
//! The JSON form of these types is what digests are made of and what people write, so it is as stable as a tag: fields are
//! only added, and unknown ones are refused. What is written often has a message of its own.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

/// One such value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DocumentBody {
    #[prost(string, tag = "1")]
    json: String,
}

impl DocumentBody {
    /// The body of `value`.
    pub(super) fn of(value: &impl Serialize) -> Self {
        Self {
            json: confman_core::digest::canonical_json(value),
        }
    }

    /// The value.
    pub(super) fn read<T: DeserializeOwned>(&self, field: &'static str) -> Result<T, CodecError> {
        super::field::parsed(serde_json::from_str(&self.json), field)
    }
}

/// The value of an optional body.
pub(super) fn read_optional<T: DeserializeOwned>(
    body: Option<&DocumentBody>,
    field: &'static str,
) -> Result<Option<T>, CodecError> {
    body.map(|body| body.read(field)).transpose()
}
