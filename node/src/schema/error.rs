//! Why a schema is refused, with the place in it and the limit.

use confman_core::schema as limits;
use confman_core::value::ValueError;

/// A schema that is not accepted: where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schema{}: {defect}", place(pointer))]
pub struct SchemaError {
    /// JSON pointer (RFC 6901) into the schema; empty for the schema as a whole.
    pub pointer: String,
    /// What is wrong there.
    pub defect: Defect,
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() {
        String::new()
    } else {
        format!(" at {pointer}")
    }
}

/// What is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// No I-JSON: malformed, a member twice, an inexact number.
    #[error("{0}")]
    Json(ValueError),
    /// Larger than [`limits::MAX_SCHEMA_BYTES`].
    #[error("the schema has {actual} bytes, the limit is {}", limits::MAX_SCHEMA_BYTES)]
    TooLarge {
        /// Its size in bytes.
        actual: usize,
    },
    /// Nested deeper than [`limits::MAX_SCHEMA_DEPTH`].
    #[error("nested deeper than {} levels", limits::MAX_SCHEMA_DEPTH)]
    TooDeep,
    /// More of something than a schema may have.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Another dialect than 2020-12.
    #[error("$schema must be \"https://json-schema.org/draft/2020-12/schema\", at the top, or be left out")]
    Dialect,
    /// A keyword that begins like ours and is none of ours.
    #[error("unknown keyword {0:?}; the keywords of Confman are {KEYWORDS}")]
    UnknownKeyword(String),
    /// The value of a keyword is of the wrong shape.
    #[error("{keyword} must be {wanted}")]
    Shape {
        /// The keyword.
        keyword: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A keyword of ours where it would not do what it says.
    #[error("{keyword} {why}")]
    Misplaced {
        /// The keyword.
        keyword: String,
        /// Why not here.
        why: &'static str,
    },
    /// A keyword that is refused.
    #[error("{keyword} is not supported: {instead}")]
    Unsupported {
        /// The keyword.
        keyword: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A reference that leads nowhere or out of the document.
    #[error("the reference {reference:?} {why}")]
    Reference {
        /// The reference, cut to 128 characters.
        reference: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Subschemas that apply to the same value in a circle.
    #[error("applies itself to the same value again and again: a recursive schema must go through properties or items")]
    Endless,
    /// A regular expression that is no linear one.
    #[error(
        "the regular expression {pattern:?} is refused (no look-around, no back-references, at most {} bytes): {why}",
        limits::MAX_PATTERN_BYTES
    )]
    Pattern {
        /// The expression, cut to 128 characters.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// Not valid by the rules of JSON Schema 2020-12.
    #[error("{0}")]
    Invalid(String),
}

/// The seven, for messages.
const KEYWORDS: &str = "x-confman-allowed-values, x-confman-deprecated, x-confman-encrypted, x-confman-immutable, \
     x-confman-rotation-days, x-confman-secret-ref, x-confman-sensitive";

impl SchemaError {
    /// A defect at `pointer`.
    pub(super) fn new(pointer: impl Into<String>, defect: Defect) -> Self {
        Self {
            pointer: pointer.into(),
            defect,
        }
    }
}

/// At most the first 128 characters.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}
