//! Configuration values: typed, canonical, and never silently altered.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, canonical_json_text};

/// Kind of a value; part of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// UTF-8 text.
    String,
    /// A number whose decimal value an IEEE 754 double carries exactly as written (RFC 7493).
    Number,
    /// true or false.
    Boolean,
    /// JSON null.
    Null,
    /// A JSON object or array.
    Json,
    /// Bytes.
    Binary,
    /// The address of a secret kept elsewhere, like `vault://payments/stripe#key`; stored and returned as it is.
    SecretRef,
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Json => "json",
            Self::Binary => "binary",
            Self::SecretRef => "secret-ref",
        })
    }
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not JSON at all.
    #[error("not valid JSON: {0}")]
    Malformed(String),
    /// A number that a double would round (RFC 7493 section 2.2).
    #[error("the number {0} cannot be carried exactly; write it as a string")]
    InexactNumber(String),
    /// The same member twice in one object.
    #[error("the object member {0:?} appears twice")]
    DuplicateMember(String),
    /// Nested deeper than [`ConfigValue::MAX_DEPTH`].
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Larger than the limit.
    #[error("the value has {actual} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size in bytes.
        actual: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not base64.
    #[error("not valid base64: {0}")]
    BadBase64(String),
    /// Not the address of a secret.
    #[error(
        "a secret reference begins with vault://, keyvault://, k8s://secret/ or env:// and has at most {limit} visible ASCII characters"
    )]
    BadReference {
        /// The limit in bytes.
        limit: usize,
    },
}

/// How the value of a sensitive or encrypted key is kept: its digest is keyed, so that nobody can guess the value by
/// trying, and its bytes may be sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Protection {
    /// Id of the sealing key, 1 to 64 characters.
    pub key_id: String,
    /// HMAC-SHA-256 of type and canonical bytes.
    pub digest: Digest,
    /// True: the stored bytes are an AES-256-GCM envelope and not the value.
    pub is_sealed: bool,
}

/// One value in canonical form: equal values have equal bytes, hence equal digests.
///
/// In JSON: `{"type":"number","canonical":"1000"}`, bytes of binary and sealed values in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireValue", into = "WireValue")]
pub struct ConfigValue {
    value_type: ValueType,
    canonical: Vec<u8>,
    protection: Option<Box<Protection>>,
}

impl ConfigValue {
    /// Largest canonical size in bytes.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Deepest nesting of JSON values.
    pub const MAX_DEPTH: usize = 64;
    /// Longest secret reference in bytes.
    pub const MAX_REFERENCE_BYTES: usize = 2048;
    /// What sealing adds to a value at most, in bytes.
    pub const MAX_ENVELOPE_BYTES: usize = 64;

    /// A value from JSON text: a JSON string becomes a string, an object or array `json`, and so on.
    ///
    /// # Errors
    /// Whatever would have to be rounded, merged or guessed is refused.
    pub fn from_json_text(text: &str) -> Result<Self, ValueError> {
        check_size(text.len())?;
        let canonical = canonical_json_text(text)?;
        let value_type = match canonical.as_bytes().first() {
            Some(b'"') => {
                let text: String =
                    serde_json::from_str(&canonical).map_err(|error| ValueError::Malformed(error.to_string()))?;
                return Self::from_text(&text);
            }
            Some(b'{' | b'[') => ValueType::Json,
            Some(b't' | b'f') => ValueType::Boolean,
            Some(b'n') => ValueType::Null,
            Some(_) | None => ValueType::Number,
        };
        Self::checked(value_type, canonical.into_bytes())
    }

    /// A string value.
    pub fn from_text(text: &str) -> Result<Self, ValueError> {
        Self::checked(ValueType::String, text.as_bytes().to_vec())
    }

    /// A binary value.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ValueError> {
        Self::checked(ValueType::Binary, bytes)
    }

    /// A binary value from standard base64.
    pub fn from_base64(text: &str) -> Result<Self, ValueError> {
        // Up to two bytes of the last group are padding.
        check_size((text.len() / 4 * 3).saturating_sub(2))?;
        Self::from_bytes(
            STANDARD
                .decode(text)
                .map_err(|error| ValueError::BadBase64(error.to_string()))?,
        )
    }

    /// The address of a secret kept elsewhere.
    pub fn from_reference(text: &str) -> Result<Self, ValueError> {
        let limit = Self::MAX_REFERENCE_BYTES;
        let places = ["vault://", "keyvault://", "k8s://secret/", "env://"];
        let place = places.iter().find_map(|place| text.strip_prefix(place));
        let is_address = place.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
        if is_address && text.len() <= limit {
            return Self::checked(ValueType::SecretRef, text.as_bytes().to_vec());
        }
        Err(ValueError::BadReference { limit })
    }

    /// The same value with a keyed digest.
    ///
    /// # Errors
    /// If the value is protected already.
    pub fn keyed(self, key_id: &str, digest: Digest) -> Result<Self, ValueError> {
        let stored = self.canonical.clone();
        self.protected(stored, key_id, digest, false)
    }

    /// The same value sealed: `envelope` instead of its bytes.
    ///
    /// # Errors
    /// If the value is protected already, or the envelope is larger than a value and its envelope may be.
    pub fn sealed(self, envelope: Vec<u8>, key_id: &str, digest: Digest) -> Result<Self, ValueError> {
        self.protected(envelope, key_id, digest, true)
    }

    fn protected(self, stored: Vec<u8>, key_id: &str, digest: Digest, is_sealed: bool) -> Result<Self, ValueError> {
        if self.protection.is_some() {
            return Err(ValueError::Malformed("the value is protected already".to_owned()));
        }
        let (actual, limit) = (stored.len(), Self::MAX_BYTES + Self::MAX_ENVELOPE_BYTES);
        if actual > limit {
            return Err(ValueError::TooLarge { actual, limit });
        }
        Ok(Self {
            value_type: self.value_type,
            canonical: stored,
            protection: Some(Box::new(Protection {
                key_id: key_id.to_owned(),
                digest,
                is_sealed,
            })),
        })
    }

    /// How it is protected; none for ordinary values.
    pub fn protection(&self) -> Option<&Protection> {
        self.protection.as_deref()
    }

    /// True if the stored bytes are an envelope and not the value.
    pub fn is_sealed(&self) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.is_sealed)
    }

    /// Rebuilds a value from its stored parts; the bytes of an unsealed one must be canonical for the type.
    pub fn from_parts(
        value_type: ValueType,
        stored: Vec<u8>,
        protection: Option<Protection>,
    ) -> Result<Self, ValueError> {
        let Some(protection) = protection else {
            return Self::from_stored(value_type, stored);
        };
        let plain = if protection.is_sealed {
            Self::checked(value_type, Vec::new())?
        } else {
            Self::from_stored(value_type, stored.clone())?
        };
        plain.protected(stored, &protection.key_id, protection.digest, protection.is_sealed)
    }

    /// Rebuilds an ordinary value from its stored parts; the bytes must be canonical for the type.
    pub fn from_stored(value_type: ValueType, canonical: Vec<u8>) -> Result<Self, ValueError> {
        match value_type {
            ValueType::Binary => Self::from_bytes(canonical),
            ValueType::String => match String::from_utf8(canonical) {
                Ok(text) => Self::from_text(&text),
                Err(_) => Err(ValueError::Malformed("text is not UTF-8".to_owned())),
            },
            ValueType::SecretRef => Self::from_reference(&String::from_utf8_lossy(&canonical)),
            ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                Self::checked(value_type, canonical)
            }
        }
    }

    fn checked(value_type: ValueType, canonical: Vec<u8>) -> Result<Self, ValueError> {
        check_size(canonical.len())?;
        Ok(Self {
            value_type,
            canonical,
            protection: None,
        })
    }

    /// Its type.
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// The canonical bytes: raw text of a string or reference, raw bytes of binary, canonical JSON (RFC 8785) of
    /// everything else; of a sealed value its envelope.
    pub fn canonical_bytes(&self) -> &[u8] {
        &self.canonical
    }

    /// The value as JSON text; binary, and the envelope of a sealed one, as a base64 string.
    pub fn to_json_text(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        if self.is_sealed() {
            return quoted(&STANDARD.encode(&self.canonical));
        }
        match self.value_type {
            ValueType::String | ValueType::SecretRef => quoted(&String::from_utf8_lossy(&self.canonical)),
            ValueType::Binary => quoted(&STANDARD.encode(&self.canonical)),
            ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                String::from_utf8_lossy(&self.canonical).into_owned()
            }
        }
    }

    /// SHA-256 over type and canonical bytes; of a protected value its keyed digest.
    pub fn digest(&self) -> Digest {
        match &self.protection {
            Some(protection) => protection.digest,
            None => crate::digest::value_digest(self),
        }
    }
}

fn check_size(actual: usize) -> Result<(), ValueError> {
    let limit = ConfigValue::MAX_BYTES;
    if actual > limit {
        Err(ValueError::TooLarge { actual, limit })
    } else {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireValue {
    r#type: ValueType,
    canonical: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protection: Option<Box<Protection>>,
}

impl From<ConfigValue> for WireValue {
    fn from(value: ConfigValue) -> Self {
        let in_base64 = value.is_sealed() || value.value_type == ValueType::Binary;
        let canonical = if in_base64 {
            STANDARD.encode(&value.canonical)
        } else {
            String::from_utf8_lossy(&value.canonical).into_owned()
        };
        Self {
            r#type: value.value_type,
            canonical,
            protection: value.protection,
        }
    }
}

impl TryFrom<WireValue> for ConfigValue {
    type Error = ValueError;
    fn try_from(wire: WireValue) -> Result<Self, ValueError> {
        if let Some(protection) = wire.protection {
            let in_base64 = protection.is_sealed || wire.r#type == ValueType::Binary;
            let stored = if in_base64 {
                let decoded = STANDARD.decode(&wire.canonical);
                decoded.map_err(|error| ValueError::BadBase64(error.to_string()))?
            } else {
                wire.canonical.into_bytes()
            };
            return Self::from_parts(wire.r#type, stored, Some(*protection));
        }
        let value = match wire.r#type {
            ValueType::Binary => return Self::from_base64(&wire.canonical),
            ValueType::String => return Self::from_text(&wire.canonical),
            ValueType::SecretRef => return Self::from_reference(&wire.canonical),
            ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                Self::from_json_text(&wire.canonical)?
            }
        };
        if value.value_type == wire.r#type && value.canonical == wire.canonical.as_bytes() {
            Ok(value)
        } else {
            Err(ValueError::Malformed(format!(
                "not the canonical form of a {}",
                wire.r#type
            )))
        }
    }
}
