//! The record of the cluster itself: who it is, where it was declared, and the keys whose stamps it trusts.

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::ids::{ClusterId, Timestamp};

/// Written once by `InitialiseCluster`; its presence means the cluster is bootstrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRecord {
    /// Identity of the cluster, part of every digest and stamp.
    pub cluster_id: ClusterId,
    /// Kubernetes namespace of the `ConfmanCluster`: the only one that may declare config namespaces without a delegation.
    pub kubernetes_namespace: String,
    /// Name of the `ConfmanCluster`.
    pub name: String,
    /// Proposal time of the bootstrap.
    pub initialised_at: Timestamp,
    /// What can authenticate a person, and who is one.
    #[serde(default)]
    pub identity: Identity,
    /// How often, and when, it was made from what another cluster had left, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovery>,
}

impl ClusterRecord {
    /// True if the log entry `index` was lost in a recovery: whoever has seen it has seen what never came to be here.
    pub fn has_lost(&self, index: u64) -> bool {
        self.recoveries
            .iter()
            .any(|recovery| recovery.kept_index < index && index < recovery.at_index)
    }
}

/// One time that the cluster was made from the volume or the backup of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recovery {
    /// The cluster that was lost.
    pub from: ClusterId,
    /// What it was made from.
    pub cause: RecoveryCause,
    /// Last log entry that was kept.
    pub kept_index: u64,
    /// Log index of the recovery itself, so far on that no index of the lost cluster is given again.
    pub at_index: u64,
    /// When.
    pub at: Timestamp,
}

impl Recovery {
    /// Log index at which a cluster goes on that is made at `time` of entries up to `kept_index`: 2^21 for each second since
    /// 1970. No cluster writes as fast, so it is further than the lost one, and every earlier try to recover it, can have
    /// come, and JSON numbers carry it exactly until the year 2106.
    pub fn first_index(kept_index: u64, time: Timestamp) -> u64 {
        let seconds = u64::try_from(time.as_millis() / 1000).unwrap_or(0);
        (seconds << 21).max(kept_index + (1 << 21))
    }
}

/// What a cluster was recovered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecoveryCause {
    /// The volume of a member that was left when the majority was lost.
    Volume,
    /// A backup.
    Backup,
}

impl RecoveryCause {
    /// As it stands in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Backup => "backup",
        }
    }
}

/// One public key of the admission service. Keys overlap on rotation and have an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StampKey {
    /// Stable name of the key, 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub key_id: String,
    /// Ed25519 public key (RFC 8032), 32 bytes, standard base64 in JSON.
    #[serde(with = "crate::stamp::base64_bytes")]
    pub public_key: Vec<u8>,
    /// Stamps whose proposal time is later are refused. At most 90 days after registration.
    pub not_after: Timestamp,
}

impl StampKey {
    /// Longest life of a key in milliseconds: 90 days.
    pub const LONGEST_LIFE_MS: i64 = 90 * 24 * 60 * 60 * 1000;
}
