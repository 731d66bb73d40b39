//! Renderers: the same content as YAML, as an environment file, as Java properties. Pure functions of what they render.

pub mod dotenv;
pub mod properties;
pub mod yaml;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_api::problem::{Problem, ProblemType};
use confman_core::ids::ConfigKey;
use confman_core::value::{ConfigValue, ValueType};

/// One key and its value, as flat formats list them.
pub type Entry<'e> = (&'e ConfigKey, &'e ConfigValue);

/// Why a list of entries has no form in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Two keys would get the same name.
    #[error("the keys {first} and {second} would both be named {name}")]
    SameName {
        /// The one.
        first: ConfigKey,
        /// The other.
        second: ConfigKey,
        /// The name.
        name: String,
    },
    /// The name means something else to whoever reads the file.
    #[error("the key {key} would be named {name}, which a shell keeps for itself")]
    ReservedName {
        /// The key.
        key: ConfigKey,
        /// The name.
        name: String,
    },
    /// The value has a zero byte, which an environment cannot hold.
    #[error("the value of {key} has a zero byte, which an environment cannot hold")]
    ZeroByte {
        /// The key.
        key: ConfigKey,
    },
}

impl RenderError {
    /// The key to rename or to change.
    pub fn key(&self) -> &ConfigKey {
        match self {
            Self::SameName { second: key, .. } | Self::ReservedName { key, .. } | Self::ZeroByte { key } => key,
        }
    }

    /// The answer to who asked for the format: 406, with the key in `field`.
    pub fn problem(&self) -> Problem {
        let others = "application/json, application/yaml, text/x-java-properties";
        Problem::new(ProblemType::NotAcceptable, self.to_string())
            .field(self.key().to_string())
            .limit(others)
    }
}

/// The value in a flat format: text and references as they are, bytes and what is sealed in base64, everything else as
/// compact JSON.
fn flat(value: &ConfigValue) -> String {
    if value.is_sealed() {
        return STANDARD.encode(value.canonical_bytes());
    }
    match value.value_type() {
        ValueType::Binary => STANDARD.encode(value.canonical_bytes()),
        ValueType::String
        | ValueType::SecretRef
        | ValueType::Number
        | ValueType::Boolean
        | ValueType::Null
        | ValueType::Json => String::from_utf8_lossy(value.canonical_bytes()).into_owned(),
    }
}
