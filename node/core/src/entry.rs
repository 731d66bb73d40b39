//! A key and its immutable versions.

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
}
