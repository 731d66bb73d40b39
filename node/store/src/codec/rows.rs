//! Rows that are documents or single numbers.

use confman_core::api_key::ApiKeyRecord;
use confman_core::entry::Draft;
use confman_core::idempotency::IdempotencyRecord;
use confman_core::state::StoredSchema;
use confman_core::webhook::{Delivery, TargetHealth};

use super::document::DocumentBody;
use super::{CodecError, Kind, Record};

macro_rules! documents {
    ($($type:ident, $field:literal;)+) => {$(
        impl Record for $type {
            const KIND: Kind = Kind::$type;
            type Body = DocumentBody;

            fn to_body(&self) -> DocumentBody {
                DocumentBody::of(self)
            }

            fn from_body(body: DocumentBody) -> Result<Self, CodecError> {
                body.read($field)
            }
        }
    )+};
}
documents! {
    ApiKeyRecord, "apiKey";
    Draft, "draft";
    IdempotencyRecord, "idempotency";
    StoredSchema, "schema";
    Delivery, "delivery";
    TargetHealth, "targetHealth";
}

/// A number that only grows: the content revision of a namespace, the last revision of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub u64);

/// A [`Revision`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct RevisionBody {
    #[prost(uint64, tag = "1")]
    number: u64,
}

impl Record for Revision {
    const KIND: Kind = Kind::Revision;
    type Body = RevisionBody;

    fn to_body(&self) -> RevisionBody {
        RevisionBody { number: self.0 }
    }

    fn from_body(body: RevisionBody) -> Result<Self, CodecError> {
        Ok(Self(body.number))
    }
}
