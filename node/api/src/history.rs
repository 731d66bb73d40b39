//! The versions of a key, and what changed between two of them.

use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_core::value::{ConfigValue, ValueType};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::config::PositionView;
use crate::diff::DiffView;

/// One version of a key.
#[expect(clippy::struct_excessive_bools, reason = "each says something else of a version")]
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// 1, 2, 3 … per key.
    pub version: u64,
    /// True if this is the live one.
    pub live: bool,
    /// True if the key was deleted by it: it has no value.
    pub deleted: bool,
    /// True if the retention never drops it.
    pub pinned: bool,
    /// The value, where values are asked for: any JSON, binary as a base64 string. Never that of a sensitive version.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::diff::present"
    )]
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
    /// Type of the value.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub value_type: Option<ValueType>,
    /// Digest of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// True if the schema called the key sensitive or encrypted: a history does not show its value.
    pub sensitive: bool,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// In whose name: the last approver, or the writer where approval was not required.
    #[schema(value_type = String, example = "user:bob")]
    pub published_by: Principal,
    /// Everyone whose approval counted, in order.
    #[schema(value_type = Vec<String>)]
    pub approvers: Vec<Principal>,
    /// The publish request it came from; absent for a direct write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub request_id: Option<RequestId>,
    /// Where in the log it was written.
    #[schema(value_type = PositionView)]
    pub position: LogPosition,
}

impl VersionView {
    /// The view of `version`, with its value if `values` says so and it is not sensitive.
    pub fn of(version: Version, values: bool) -> Self {
        let hidden = is_hidden(&version);
        let value = version.value.as_ref().filter(|_| values && !hidden);
        Self {
            version: version.number,
            live: false,
            deleted: version.value.is_none(),
            pinned: false,
            value: value.and_then(|value| RawValue::from_string(value.to_json_text()).ok()),
            value_type: version.value.as_ref().map(ConfigValue::value_type),
            digest: version.digest,
            sensitive: hidden,
            published_at: version.published_at,
            published_by: version.published_by,
            approvers: version.approvers,
            request_id: version.request_id,
            position: version.position,
        }
    }
}

/// True if histories and diffs do not show the value of `version`.
pub fn is_hidden(version: &Version) -> bool {
    let is_protected = version.value.as_ref().is_some_and(|value| value.protection().is_some());
    version.is_sensitive || is_protected
}

/// What changed between two versions of a key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionDiffView {
    /// Namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// The earlier side; 0 for no value at all.
    pub from: u64,
    /// The later side; 0 for no value at all.
    pub to: u64,
    /// What makes the second of the first.
    pub diff: DiffView,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(value: Option<ConfigValue>) -> Version {
        Version {
            namespace: NamespacePath::root(),
            key: ConfigKey::parse("k").expect("a key"),
            number: 2,
            digest: value.as_ref().map(ConfigValue::digest),
            value,
            published_at: Timestamp::default(),
            published_by: Principal::user("bob"),
            request_id: None,
            approvers: Vec::new(),
            position: LogPosition { term: 1, index: 9 },
            is_sensitive: false,
            schema_revision: None,
        }
    }

    #[test]
    fn a_tombstone_is_deleted_and_null_is_not() {
        let tombstone = VersionView::of(version(None), true);
        assert!(tombstone.deleted && tombstone.value.is_none() && tombstone.digest.is_none());
        let null = ConfigValue::from_json_text("null").expect("JSON");
        let text = serde_json::to_string(&VersionView::of(version(Some(null)), true)).expect("a view serialises");
        let back: VersionView = serde_json::from_str(&text).expect("and parses");
        assert!(!back.deleted);
        assert_eq!(back.value.as_ref().map(|value| value.get()), Some("null"));
    }

    #[test]
    fn a_sensitive_value_is_never_shown() {
        let secret = ConfigValue::from_text("hunter2").expect("small");
        let sensitive = Version {
            is_sensitive: true,
            ..version(Some(secret.clone()))
        };
        let keyed = secret.keyed("k1", Digest::of(b"keyed")).expect("not protected yet");
        for hidden in [sensitive, version(Some(keyed))] {
            let view = VersionView::of(hidden, true);
            let text = serde_json::to_string(&view).expect("a view serialises");
            assert!(view.sensitive && !text.contains("hunter2"), "{text}");
            assert_eq!(view.value_type, Some(ValueType::String));
        }
    }

    #[test]
    fn values_are_shown_where_they_are_asked_for() {
        let value = || Some(ConfigValue::from_json_text("[1]").expect("JSON"));
        assert!(VersionView::of(version(value()), false).value.is_none());
        let shown = VersionView::of(version(value()), true).value;
        assert_eq!(shown.as_ref().map(|value| value.get()), Some("[1]"));
    }
}
