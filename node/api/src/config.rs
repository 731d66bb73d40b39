//! Published values as a reader sees them.

use std::collections::BTreeSet;

use confman_core::digest::Digest;
use confman_core::entry::{EntryMeta, Version};
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_core::value::{ConfigValue, ValueType};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One published value with its metadata.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValueView {
    /// Namespace of the key.
    #[schema(value_type = String, example = "/teams/payments")]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String, example = "rate-limit")]
    pub key: ConfigKey,
    /// The value: any JSON; binary as a base64 string.
    #[schema(value_type = Value)]
    pub value: Box<RawValue>,
    /// Its type: `string`, `number`, `boolean`, `null`, `json` or `binary`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "number")]
    pub value_type: ValueType,
    /// 1, 2, 3 … per key.
    pub version: u64,
    /// Digest of the value; also the `ETag`.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// In whose name: the last approver, or the writer where approval was not required.
    #[schema(value_type = String, example = "user:bob")]
    pub published_by: Principal,
    /// Everyone whose approval counted, in order.
    #[schema(value_type = Vec<String>)]
    pub approvers: Vec<Principal>,
    /// The publish request it came from.
    #[schema(value_type = Option<String>)]
    pub request_id: Option<RequestId>,
    /// Where in the log it was written.
    #[schema(value_type = PositionView)]
    pub position: LogPosition,
}

/// Position in the Raft log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct PositionView {
    /// Raft term.
    pub term: u64,
    /// Raft index.
    pub index: u64,
}

/// Everything of [`ConfigValueView`] before `value`, in order.
#[derive(Serialize)]
struct Head<'a> {
    namespace: &'a NamespacePath,
    key: &'a ConfigKey,
}

/// Everything of [`ConfigValueView`] after `value`, in order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tail<'a> {
    #[serde(rename = "type")]
    value_type: ValueType,
    version: u64,
    digest: &'a Digest,
    published_at: Timestamp,
    published_by: &'a Principal,
    approvers: &'a [Principal],
    request_id: Option<&'a RequestId>,
    position: LogPosition,
}

/// Appends the JSON of [`ConfigValueView`] for `version` to `out`, without parsing the value again.
/// False (and nothing written) for a tombstone.
///
/// # Panics
/// Never: the metadata has text keys only and memory takes every byte.
pub fn render(version: &Version, out: &mut Vec<u8>) -> bool {
    let (Some(value), Some(digest)) = (&version.value, &version.digest) else {
        return false;
    };
    let head = Head {
        namespace: &version.namespace,
        key: &version.key,
    };
    let tail = Tail {
        value_type: value.value_type(),
        version: version.number,
        digest,
        published_at: version.published_at,
        published_by: &version.published_by,
        approvers: &version.approvers,
        request_id: version.request_id.as_ref(),
        position: version.position,
    };
    out.reserve(value.canonical_bytes().len() + 512);
    serde_json::to_writer(&mut *out, &head).expect("paths serialise to memory");
    // The closing brace of the head and the opening one of the tail make room for the value.
    out.pop();
    out.extend_from_slice(b",\"value\":");
    write_value(value, out);
    let brace = out.len();
    serde_json::to_writer(&mut *out, &tail).expect("metadata serialises to memory");
    out[brace] = b',';
    true
}

/// The value as JSON text: canonical JSON is written as it is stored.
fn write_value(value: &ConfigValue, out: &mut Vec<u8>) {
    match value.value_type() {
        ValueType::Number | ValueType::Boolean | ValueType::Null | ValueType::Json => {
            out.extend_from_slice(value.canonical_bytes());
        }
        ValueType::String | ValueType::Binary | ValueType::SecretRef => {
            out.extend_from_slice(value.to_json_text().as_bytes());
        }
    }
}

/// What changes of what people say about a key; what is left out stays, and null clears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetaPatch {
    /// What it is for.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// All tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeSet<String>>,
    /// True: no namespace below may have this key.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    /// All pinned versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<BTreeSet<u64>>,
}

/// A member that is there, be it null.
#[expect(
    clippy::option_option,
    reason = "no member, null and a text are three things (RFC 7396)"
)]
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl MetaPatch {
    /// `meta` with what is given.
    pub fn over(self, meta: EntryMeta) -> EntryMeta {
        EntryMeta {
            description: self.description.unwrap_or(meta.description),
            tags: self.tags.unwrap_or(meta.tags),
            is_final: self.is_final.unwrap_or(meta.is_final),
            pins: self.pins.unwrap_or(meta.pins),
        }
    }
}

/// One key in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// Type of the live value.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub value_type: ValueType,
    /// Number of the live version.
    pub version: u64,
    /// Digest of the live value.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
}

impl KeyView {
    /// What a listing shows of `version`; none for a tombstone.
    pub fn of(version: &Version) -> Option<Self> {
        Some(Self {
            namespace: version.namespace.clone(),
            key: version.key.clone(),
            value_type: version.value.as_ref()?.value_type(),
            version: version.number,
            digest: version.digest?,
            published_at: version.published_at,
        })
    }
}

/// What a direct write made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WrittenView {
    /// Namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// Number of the live version.
    pub version: u64,
    /// Digest of the live value; also the `ETag`. None of a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Where in the log the live version was written; an equal value makes no new one.
    #[schema(value_type = PositionView)]
    pub position: LogPosition,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: ConfigValue) -> Version {
        Version {
            namespace: NamespacePath::parse("/teams/payments").expect("a valid path"),
            key: ConfigKey::parse("rate-limit").expect("a valid key"),
            number: 3,
            digest: Some(value.digest()),
            value: Some(value),
            published_at: Timestamp::from_millis(1_700_000_000_000),
            published_by: Principal::user("bob \"the\" builder"),
            request_id: None,
            approvers: vec![Principal::user("bob")],
            position: LogPosition { term: 2, index: 40 },
            is_sensitive: false,
            schema_revision: None,
        }
    }

    #[test]
    fn rendered_bytes_are_the_json_of_the_view() {
        let values = ["1000", "\"a \\\"quoted\\\" text\"", "{\"a\":[1,2]}", "null", "true"];
        let values = values.map(|text| ConfigValue::from_json_text(text).expect("valid JSON"));
        let binary = ConfigValue::from_bytes(vec![0, 159, 146]).expect("small enough");
        for value in values.into_iter().chain([binary]) {
            let mut bytes = Vec::new();
            assert!(render(&version(value.clone()), &mut bytes));
            let view: ConfigValueView = serde_json::from_slice(&bytes).expect("the body parses as the view");
            assert_eq!(view.value.get(), value.to_json_text());
            assert_eq!(serde_json::to_vec(&view).expect("the view serialises"), bytes);
        }
    }

    #[test]
    fn a_tombstone_renders_nothing() {
        let mut bytes = Vec::new();
        let tombstone = Version {
            value: None,
            digest: None,
            ..version(ConfigValue::from_text("x").expect("small enough"))
        };
        assert!(!render(&tombstone, &mut bytes));
        assert!(bytes.is_empty());
    }
}
