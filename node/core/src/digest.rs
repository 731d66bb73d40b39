//! Canonical JSON (RFC 8785 over I-JSON, RFC 7493) and the SHA-256 digests made of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::ids::{ClusterId, ConfigKey, NamespacePath};
use crate::namespace::Governance;
use crate::publish_request::{Operation, RequestSpec};
use crate::value::{ConfigValue, ValueError};

/// A SHA-256 digest; `sha256:` and 64 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// 64 zeros: the hash before the first event.
    pub const ZERO: Self = Self([0; 32]);

    /// From raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of the canonical JSON of `value`.
    pub fn of_canonical(value: &impl Serialize) -> Self {
        Self::of(canonical_json(value).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every read has an entity tag: one write for all digits is much faster than one for each byte.
        let mut digits = [[0; 2]; 32];
        for (pair, byte) in digits.iter_mut().zip(self.0) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        formatter.write_str("sha256:")?;
        formatter.write_str(std::str::from_utf8(digits.as_flattened()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is \"sha256:\" and 64 lower-case hex digits")]
pub struct DigestError;

impl Digest {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").ok_or(DigestError)?.as_bytes();
        let (pairs, []) = hex.as_chunks::<2>() else {
            return Err(DigestError);
        };
        if pairs.len() != 32 {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = hex_value(*high)? << 4 | hex_value(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

fn hex_value(digit: u8) -> Result<u8, DigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DigestError),
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

/// Digest of a value: over its type and canonical bytes, so equal digests mean equal values.
pub fn value_digest(value: &ConfigValue) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(value.value_type().to_string().as_bytes());
    hasher.update([0]);
    hasher.update(value.canonical_bytes());
    Digest(hasher.finalize().into())
}

/// Digest of a request's spec: what the requester's stamp binds.
pub fn spec_digest(spec: &RequestSpec) -> Digest {
    Digest::of_canonical(spec)
}

/// Digest of the governance fields of a namespace: what the governance stamp binds.
pub fn governance_digest(governance: &Governance) -> Digest {
    Digest::of_canonical(governance)
}

/// What an approval binds to. Two requests with equal digests would have the same effect.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content<'a> {
    /// The cluster.
    pub cluster_id: &'a ClusterId,
    /// Namespace of the key.
    pub namespace: &'a NamespacePath,
    /// The key.
    pub key: &'a ConfigKey,
    /// What is done to it.
    pub operation: Operation,
    /// Digest of the new value.
    pub value_digest: Option<Digest>,
    /// Live version at submission, 0 for none.
    pub base_version: u64,
    /// The version that a rollback goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u64>,
}

/// What an approval of a change of governance binds to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GovernanceContent<'a> {
    /// The cluster.
    pub cluster_id: &'a ClusterId,
    /// The namespace.
    pub namespace: &'a NamespacePath,
    /// Always [`Operation::Govern`].
    pub operation: Operation,
    /// Digest of the change, [`Digest::of_canonical`].
    pub change_digest: Digest,
    /// Revision of the namespace at submission.
    pub base_revision: u64,
    /// Digest of what is changed as it was at submission, where no revision tells: description of a key, identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_digest: Option<Digest>,
}

/// Digest of `content`.
pub fn content_digest(content: &Content<'_>) -> Digest {
    Digest::of_canonical(content)
}

/// Canonical JSON of one of our own types. Whole numbers that a double would round stay digit for digit, so that every
/// number that someone may send has a digest.
///
/// # Panics
/// If the type does not serialise to I-JSON: a mistake in the type, caught by its first test.
pub fn canonical_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("our own types serialise");
    let mut out = String::with_capacity(text.len());
    write_canonical(&text, 0, write_own_number, &mut out).expect("our own types are I-JSON");
    out
}

/// Canonical JSON (RFC 8785) of foreign JSON text.
///
/// # Errors
/// Duplicate members, numbers a double would round, lone surrogates and nesting over
/// [`ConfigValue::MAX_DEPTH`] are refused, never altered.
pub fn canonical_json_text(text: &str) -> Result<String, ValueError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let mut out = String::with_capacity(text.len());
    write_canonical(raw.get(), 0, write_number, &mut out)?;
    Ok(out)
}

fn malformed(error: &serde_json::Error) -> ValueError {
    ValueError::Malformed(error.to_string())
}

/// Writes a number in canonical form, or says why it has none.
type NumberWriter = fn(&str, &mut String) -> Result<(), ValueError>;

fn write_canonical(raw: &str, depth: usize, numbers: NumberWriter, out: &mut String) -> Result<(), ValueError> {
    if depth > ConfigValue::MAX_DEPTH {
        return Err(ValueError::TooDeep {
            limit: ConfigValue::MAX_DEPTH,
        });
    }
    match raw.as_bytes().first() {
        Some(b'{') => write_object(raw, depth, numbers, out),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|error| malformed(&error))?;
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_canonical(item.get(), depth + 1, numbers, out)?;
            }
            out.push(']');
            Ok(())
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| malformed(&error))?;
            write_string(&text, out);
            Ok(())
        }
        Some(b'-' | b'0'..=b'9') => numbers(raw, out),
        Some(_) | None => {
            out.push_str(raw);
            Ok(())
        }
    }
}

fn write_object(raw: &str, depth: usize, numbers: NumberWriter, out: &mut String) -> Result<(), ValueError> {
    let members = Members
        .deserialize(&mut serde_json::Deserializer::from_str(raw))
        .map_err(|error| malformed(&error))?;
    // RFC 8785 section 3.2.3: members are sorted by the UTF-16 code units of their names.
    let mut sorted: BTreeMap<Vec<u16>, (&str, &RawValue)> = BTreeMap::new();
    for (name, value) in &members {
        if sorted.insert(name.encode_utf16().collect(), (name, value)).is_some() {
            return Err(ValueError::DuplicateMember(name.chars().take(64).collect()));
        }
    }
    out.push('{');
    for (position, (name, value)) in sorted.values().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_canonical(value.get(), depth + 1, numbers, out)?;
    }
    out.push('}');
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    // serde_json escapes exactly what RFC 8785 section 3.2.2.2 asks for.
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn write_own_number(raw: &str, out: &mut String) -> Result<(), ValueError> {
    match raw.parse::<u64>() {
        Ok(_) => out.push_str(raw),
        Err(_) => write_number(raw, out)?,
    }
    Ok(())
}

fn write_number(raw: &str, out: &mut String) -> Result<(), ValueError> {
    let inexact = || ValueError::InexactNumber(raw.chars().take(64).collect());
    let double: f64 = raw.parse().map_err(|_| inexact())?;
    if !double.is_finite() {
        return Err(inexact());
    }
    let mut buffer = ryu_js::Buffer::new();
    let canonical = buffer.format_finite(double);
    if decimal(raw) != decimal(canonical) {
        return Err(inexact());
    }
    out.push_str(canonical);
    Ok(())
}

/// Sign, significant digits and exponent of a JSON number, so that equal decimal values compare equal.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let exponent: i64 = exponent.parse().ok()?;
    let dropped = i64::try_from(digits.len() - trimmed.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    Some((
        negative,
        significant.to_owned(),
        exponent.checked_add(dropped)?.checked_sub(fraction)?,
    ))
}

/// Reads an object as a list of members, so that duplicates stay visible.
struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
