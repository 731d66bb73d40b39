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
}

/// One value in canonical form: equal values have equal bytes, hence equal digests.
///
/// In JSON: `{"type":"number","canonical":"1000"}`, bytes of binary values in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireValue", into = "WireValue")]
pub struct ConfigValue {
    value_type: ValueType,
    canonical: Vec<u8>,
}

impl ConfigValue {
    /// Largest canonical size in bytes.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Deepest nesting of JSON values.
    pub const MAX_DEPTH: usize = 64;

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

    /// Rebuilds a value from its stored parts; the bytes must be canonical for the type.
    pub fn from_stored(value_type: ValueType, canonical: Vec<u8>) -> Result<Self, ValueError> {
        match value_type {
            ValueType::Binary => Self::from_bytes(canonical),
            ValueType::String => match String::from_utf8(canonical) {
                Ok(text) => Self::from_text(&text),
                Err(_) => Err(ValueError::Malformed("text is not UTF-8".to_owned())),
            },
            ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                Self::checked(value_type, canonical)
            }
        }
    }

    fn checked(value_type: ValueType, canonical: Vec<u8>) -> Result<Self, ValueError> {
        check_size(canonical.len())?;
        Ok(Self { value_type, canonical })
    }

    /// Its type.
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// The canonical bytes: raw text of a string, raw bytes of binary, canonical JSON (RFC 8785) of everything else.
    pub fn canonical_bytes(&self) -> &[u8] {
        &self.canonical
    }

    /// The value as JSON text; binary as a base64 string.
    pub fn to_json_text(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self.value_type {
            ValueType::String => quoted(&String::from_utf8_lossy(&self.canonical)),
            ValueType::Binary => quoted(&STANDARD.encode(&self.canonical)),
            ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                String::from_utf8_lossy(&self.canonical).into_owned()
            }
        }
    }

    /// SHA-256 over type and canonical bytes.
    pub fn digest(&self) -> Digest {
        crate::digest::value_digest(self)
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
}

impl From<ConfigValue> for WireValue {
    fn from(value: ConfigValue) -> Self {
        let canonical = match value.value_type {
            ValueType::Binary => STANDARD.encode(&value.canonical),
            ValueType::String | ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
                String::from_utf8_lossy(&value.canonical).into_owned()
            }
        };
        Self {
            r#type: value.value_type,
            canonical,
        }
    }
}

impl TryFrom<WireValue> for ConfigValue {
    type Error = ValueError;
    fn try_from(wire: WireValue) -> Result<Self, ValueError> {
        let value = match wire.r#type {
            ValueType::Binary => return Self::from_base64(&wire.canonical),
            ValueType::String => return Self::from_text(&wire.canonical),
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
