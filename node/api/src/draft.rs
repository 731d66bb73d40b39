//! Drafts as editors see them.

use std::collections::BTreeSet;

use confman_core::digest::Digest;
use confman_core::entry::Draft;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::principal::Principal;
use confman_core::value::ValueType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The draft of a key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DraftView {
    /// Namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// The value, any JSON; binary as a base64 string. Absent for secrets.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::diff::present"
    )]
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub value_type: ValueType,
    /// Digest of the value: its entity tag, and what a request names.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Who began it.
    #[schema(value_type = String)]
    pub author: Principal,
    /// Everyone who ever wrote to it: none of them may approve it.
    #[schema(value_type = Vec<String>)]
    pub contributors: BTreeSet<Principal>,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Who changed it last.
    #[schema(value_type = String)]
    pub updated_by: Principal,
    /// True if the value is a secret and so is not shown.
    #[serde(default)]
    pub sensitive: bool,
}

impl DraftView {
    /// The view of `draft`; of a secret without its value.
    pub fn of(draft: Draft, sensitive: bool) -> Self {
        let shown = Some(&draft.value).filter(|value| !sensitive && !value.is_sealed());
        Self {
            value: shown.and_then(|value| RawValue::from_string(value.to_json_text()).ok()),
            value_type: draft.value.value_type(),
            digest: draft.value.digest(),
            namespace: draft.namespace,
            key: draft.key,
            author: draft.author,
            contributors: draft.contributors,
            updated_at: draft.updated_at,
            updated_by: draft.updated_by,
            sensitive,
        }
    }
}

/// A draft that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DraftWrittenView {
    /// Namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// Digest of the value.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Log index of the change.
    pub revision: u64,
}
