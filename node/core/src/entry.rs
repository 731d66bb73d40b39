//! A key and its immutable versions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::principal::Principal;
use crate::value::ConfigValue;

/// One key of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigEntry {
    /// Namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// Number of the live version; none when deleted.
    pub live: Option<u64>,
    /// Highest version number ever given; numbers are never reused.
    pub last_version: u64,
    /// Every version below this one was dropped by the retention, unless it is pinned.
    pub oldest_version: u64,
    /// What people say about the key.
    pub meta: EntryMeta,
    /// The last version that people were told is due for rotation; 0 before the first.
    #[serde(default)]
    pub rotation_noted: u64,
}

/// What people say about a key, beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryMeta {
    /// What it is for, at most 2 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// At most 32, of at most 63 bytes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// True: no namespace below may have this key.
    #[serde(default, rename = "final")]
    pub is_final: bool,
    /// Versions that the retention never drops, at most 64.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pins: BTreeSet<u64>,
}

impl EntryMeta {
    /// Longest description in bytes.
    pub const MAX_DESCRIPTION_BYTES: usize = 2048;
    /// Most tags.
    pub const MAX_TAGS: usize = 32;
    /// Longest tag in bytes.
    pub const MAX_TAG_BYTES: usize = 63;
    /// Most pins.
    pub const MAX_PINS: usize = 64;
}

/// A change in the making: one per key, seen by editors. It may break the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// Namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// The value as it is now.
    pub value: ConfigValue,
    /// Who began it.
    pub author: Principal,
    /// Everyone who ever wrote to it; none of them may approve it.
    pub contributors: BTreeSet<Principal>,
    /// Proposal time of the last change.
    pub updated_at: Timestamp,
    /// Who changed it last.
    pub updated_by: Principal,
    /// Log index of the last change.
    pub revision: u64,
}

impl Draft {
    /// Most people who may write to one draft.
    pub const MAX_CONTRIBUTORS: usize = 64;
}

/// One published value, immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// Namespace of the key.
    pub namespace: NamespacePath,
    /// The key.
    pub key: ConfigKey,
    /// 1, 2, 3 … per key.
    pub number: u64,
    /// The value; none for a tombstone.
    pub value: Option<ConfigValue>,
    /// Digest of the value; none for a tombstone.
    pub digest: Option<Digest>,
    /// Proposal time of the publish.
    pub published_at: Timestamp,
    /// In whose name it was published: the last approver, or the writer where approval was not required.
    pub published_by: Principal,
    /// The request it came from; none for a direct write.
    pub request_id: Option<RequestId>,
    /// Everyone whose approval was counted, in order.
    pub approvers: Vec<Principal>,
    /// Where it was written.
    pub position: LogPosition,
    /// True if the schema calls the key sensitive or encrypted: diffs, audit and webhooks do not show the value.
    #[serde(default)]
    pub is_sensitive: bool,
    /// Revision of the nearest namespace whose schema judged it.
    #[serde(default)]
    pub schema_revision: Option<u64>,
}
