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
