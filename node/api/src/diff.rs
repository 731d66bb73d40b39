//! What changed between two values, as clients see it.

use confman_core::diff::{Diff, DiffContent, DiffEntry};
use confman_core::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The difference of two values: with `op`, `pointer` and `after` of each entry, in order, a JSON Patch (RFC 6902).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffView {
    /// What changed; empty if nothing did.
    pub entries: Vec<DiffEntryView>,
    /// Whether there are more entries than are listed.
    pub truncated: bool,
    /// Whether the content is sensitive, so that only the fact of a change is told.
    pub masked: bool,
}

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffEntryView {
    /// `add`, `remove` or `replace`.
    #[schema(example = "replace")]
    pub op: String,
    /// Where (RFC 6901); empty for the value as a whole.
    #[schema(example = "/limits/0/perMinute")]
    pub pointer: String,
    /// What was there: any JSON. Absent for an addition, for bytes and where the content is masked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub before: Option<Box<RawValue>>,
    /// What is there now: any JSON. Absent for a removal, for bytes and where the content is masked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub after: Option<Box<RawValue>>,
    /// The bytes that were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_binary: Option<BinaryView>,
    /// The bytes that are there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_binary: Option<BinaryView>,
}

/// Bytes, without the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BinaryView {
    /// How many there are.
    pub size: usize,
    /// Digest of the value.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// A member that is there, `null` included.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl DiffView {
    /// The view of `diff`.
    pub fn of(diff: Diff, masked: bool) -> Self {
        Self {
            entries: diff.entries.into_iter().map(DiffEntryView::of).collect(),
            truncated: diff.truncated,
            masked,
        }
    }
}

impl DiffEntryView {
    fn of(entry: DiffEntry) -> Self {
        let (before, before_binary) = sides(entry.before);
        let (after, after_binary) = sides(entry.after);
        Self {
            op: entry.op.name().to_owned(),
            pointer: entry.pointer,
            before,
            after,
            before_binary,
            after_binary,
        }
    }
}

fn sides(content: Option<DiffContent>) -> (Option<Box<RawValue>>, Option<BinaryView>) {
    match content {
        None => (None, None),
        Some(DiffContent::Json(text)) => (RawValue::from_string(text).ok(), None),
        Some(DiffContent::Binary { size, digest }) => (None, Some(BinaryView { size, digest })),
    }
}

#[cfg(test)]
mod tests {
    use confman_core::diff::diff;
    use confman_core::value::ConfigValue;

    use super::*;

    #[test]
    fn null_is_told_from_nothing_on_the_wire() {
        let value = |text| ConfigValue::from_json_text(text).expect("JSON");
        let (before, after) = (value("{\"a\":null,\"b\":1}"), value("{\"a\":1e21}"));
        let view = DiffView::of(diff(Some(&before), Some(&after), false), false);
        let text = serde_json::to_string(&view).expect("a view serialises");
        let expected = "{\"entries\":[{\"op\":\"replace\",\"pointer\":\"/a\",\"before\":null,\"after\":1e+21},\
                        {\"op\":\"remove\",\"pointer\":\"/b\",\"before\":1}],\"truncated\":false,\"masked\":false}";
        assert_eq!(text, expected);
        let back: DiffView = serde_json::from_str(&text).expect("and parses");
        assert_eq!(back.entries[0].before.as_ref().map(|raw| raw.get()), Some("null"));
        assert!(back.entries[1].after.is_none());
    }

    #[test]
    fn bytes_are_told_by_size_and_digest() {
        let bytes = ConfigValue::from_bytes(vec![1, 2, 3]).expect("small");
        let view = DiffView::of(diff(None, Some(&bytes), false), false);
        let digest = bytes.digest();
        assert_eq!(view.entries[0].after_binary, Some(BinaryView { size: 3, digest }));
        assert!(view.entries[0].after.is_none());
    }
}
