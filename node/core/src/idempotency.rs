//! `Idempotency-Key`: the name a client gives to one write, so that sending it again does not do it again.
//!
//! After the draft "The Idempotency-Key HTTP Header Field" of the IETF's httpapi group: the key names the write, and the
//! fingerprint tells a repeat (same fingerprint: the first answer again) from a reuse for something else (refused).

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{LogPosition, Timestamp, text_conversions};
use crate::outcome::Outcome;
use crate::principal::Principal;

/// A key: 1 to 128 visible ASCII characters, chosen by the client; unique among the writes of its principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(String);

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// Nothing in it.
    #[error("the key is empty")]
    Empty,
    /// Longer than [`IdempotencyKey::MAX_BYTES`].
    #[error("the key has {actual} characters, the limit is {limit}")]
    TooLong {
        /// How long it is.
        actual: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A space, a control character or something outside of ASCII.
    #[error("the key has a character that is not visible ASCII")]
    NotVisibleAscii,
    /// A quote or backslash where the syntax of a string (RFC 8941 section 3.3.3) has none.
    #[error("the key is neither a string in double quotes nor free of quotes and backslashes")]
    BadQuotes,
}

impl IdempotencyKey {
    /// Longest key in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Parses the header's value: a string in double quotes (RFC 8941), as the draft asks for, or the bare text, as most
    /// clients send it. Both name the same key.
    pub fn parse_header(value: &str) -> Result<Self, IdempotencyKeyError> {
        match value.strip_prefix('"') {
            None if value.contains(['"', '\\']) => Err(IdempotencyKeyError::BadQuotes),
            None => Self::parse(value),
            Some(rest) => {
                let inner = rest.strip_suffix('"').ok_or(IdempotencyKeyError::BadQuotes)?;
                Self::parse(&unescaped(inner)?)
            }
        }
    }

    /// Parses the key itself.
    pub fn parse(text: &str) -> Result<Self, IdempotencyKeyError> {
        if text.is_empty() {
            return Err(IdempotencyKeyError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(IdempotencyKeyError::TooLong {
                actual: text.len(),
                limit: Self::MAX_BYTES,
            });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyKeyError::NotVisibleAscii);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text inside of the quotes of an RFC 8941 string.
fn unescaped(inner: &str) -> Result<String, IdempotencyKeyError> {
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Err(IdempotencyKeyError::BadQuotes),
            '\\' => match letters.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                Some(_) | None => return Err(IdempotencyKeyError::BadQuotes),
            },
            plain => text.push(plain),
        }
    }
    Ok(text)
}

text_conversions!(IdempotencyKeyError: IdempotencyKey);

/// What tells a repeat of a call from another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idempotency {
    /// From [`key_digest`]: nobody else's key is the same.
    pub key: Digest,
    /// From [`fingerprint`].
    pub fingerprint: Digest,
}

/// What came of a call: answered again to its repeats. Refused calls leave none, so a repeat of them is decided anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdempotencyRecord {
    /// See [`Idempotency::key`].
    pub key: Digest,
    /// See [`Idempotency::fingerprint`].
    pub fingerprint: Digest,
    /// What the first call was answered with.
    pub outcome: Outcome,
    /// Where the first call stands in the log.
    pub position: LogPosition,
    /// When the record ends, [`IdempotencyRecord::LIFE_MS`] after the first call.
    pub ends_at: Timestamp,
}

impl IdempotencyRecord {
    /// How long a repeat is recognised, in milliseconds: a day.
    pub const LIFE_MS: i64 = 24 * 60 * 60 * 1000;
}

/// Digest of a key and of whose it is.
pub fn key_digest(principal: &Principal, key: &IdempotencyKey) -> Digest {
    Digest::of_canonical(&(principal, key))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprinted<'a> {
    method: &'a str,
    path: &'a str,
    body: Digest,
    principal: &'a Principal,
}

/// Digest of what a write asks for. `path` is path and query; `body` comes from [`body_digest`].
pub fn fingerprint(method: &str, path: &str, body: Digest, principal: &Principal) -> Digest {
    Digest::of_canonical(&Fingerprinted {
        method,
        path,
        body,
        principal,
    })
}

/// Digest of a body and of the media type that says how to read it: `1` is a number as JSON and text as text.
pub fn body_digest(media_type: &str, bytes: &[u8]) -> Digest {
    let parts = [media_type.as_bytes(), &[0], bytes];
    Digest::of(&parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_quotes_and_the_bare_one_are_the_same() {
        for (header, expected) in [
            (
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            ("\"8e03978e\"", "8e03978e"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("~!#", "~!#"),
        ] {
            let key = IdempotencyKey::parse_header(header).expect(header);
            assert_eq!(key.as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_key_names_what_is_wrong() {
        let long = "k".repeat(129);
        let too_long = IdempotencyKeyError::TooLong {
            actual: 129,
            limit: 128,
        };
        for (header, error) in [
            ("", IdempotencyKeyError::Empty),
            ("\"\"", IdempotencyKeyError::Empty),
            ("a b", IdempotencyKeyError::NotVisibleAscii),
            ("\"a b\"", IdempotencyKeyError::NotVisibleAscii),
            ("\u{fc}", IdempotencyKeyError::NotVisibleAscii),
            ("a\tb", IdempotencyKeyError::NotVisibleAscii),
            ("\"a", IdempotencyKeyError::BadQuotes),
            ("\"", IdempotencyKeyError::BadQuotes),
            ("a\"", IdempotencyKeyError::BadQuotes),
            ("\"a\"b\"", IdempotencyKeyError::BadQuotes),
            ("\"a\\n\"", IdempotencyKeyError::BadQuotes),
            ("\"a\\\"", IdempotencyKeyError::BadQuotes),
            (long.as_str(), too_long),
        ] {
            assert_eq!(IdempotencyKey::parse_header(header), Err(error), "{header}");
        }
        assert!(IdempotencyKey::parse(&long[..128]).is_ok());
    }

    #[test]
    fn each_part_of_a_write_is_in_its_fingerprint() {
        let ada = Principal::user("ada");
        let one = body_digest("application/json", b"1");
        let base = fingerprint("PUT", "/api/v1/config/a", one, &ada);
        assert_eq!(base, fingerprint("PUT", "/api/v1/config/a", one, &ada));
        let others = [
            fingerprint("POST", "/api/v1/config/a", one, &ada),
            fingerprint("PUT", "/api/v1/config/b", one, &ada),
            fingerprint("PUT", "/api/v1/config/a", body_digest("application/json", b"2"), &ada),
            fingerprint("PUT", "/api/v1/config/a", body_digest("text/plain", b"1"), &ada),
            fingerprint("PUT", "/api/v1/config/a", one, &Principal::user("bob")),
            fingerprint("PUT", "/api/v1/config/a", one, &Principal::api_key("ada")),
        ];
        for other in others {
            assert_ne!(other, base);
        }
    }
}
