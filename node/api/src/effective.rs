//! What a namespace sees: its own values over those that it inherits.

use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::value::ValueType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One value as a namespace sees it, and where it comes from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveValueView {
    /// The key.
    #[schema(value_type = String, example = "rate-limit")]
    pub key: ConfigKey,
    /// The value: any JSON; binary as a base64 string.
    #[schema(value_type = Value)]
    pub value: Box<RawValue>,
    /// Its type: `string`, `number`, `boolean`, `null`, `json`, `binary` or `secret-ref`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "number")]
    pub value_type: ValueType,
    /// The namespace whose value it is: the one that was asked for, or one above it.
    #[schema(value_type = String, example = "/teams")]
    pub origin: NamespacePath,
    /// Number of the live version of the key there.
    pub version: u64,
    /// Digest of the value.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// True if the schema calls the key sensitive or encrypted.
    #[serde(default)]
    pub sensitive: bool,
}

impl EffectiveValueView {
    /// The view of `version`, whose value must not be sealed; none for a tombstone.
    pub fn of(version: &Version) -> Option<Self> {
        let value = version.value.as_ref()?;
        Some(Self {
            key: version.key.clone(),
            value: RawValue::from_string(value.to_json_text()).ok()?,
            value_type: value.value_type(),
            origin: version.namespace.clone(),
            version: version.number,
            digest: version.digest?,
            published_at: version.published_at,
            sensitive: version.is_sensitive,
        })
    }
}
