//! The small files beside the databases as messages: identity, snapshot manifest.

use super::field::{optional_id, required};
use super::raft::AppliedBody;
use super::{AppliedRow, CodecError, Kind, Record};
use crate::identity::Identity;
use crate::snapshot::{SnapshotFile, SnapshotManifest};
use crate::state_machine::ReplicaHash;
use crate::types::SnapshotMeta;

/// An [`Identity`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct IdentityBody {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(uint64, tag = "2")]
    incarnation: u64,
    #[prost(string, optional, tag = "3")]
    cluster_id: Option<String>,
}

impl Record for Identity {
    const KIND: Kind = Kind::Identity;
    type Body = IdentityBody;

    fn to_body(&self) -> IdentityBody {
        let Self {
            node_id,
            incarnation,
            cluster_id,
        } = self;
        IdentityBody {
            node_id: *node_id,
            incarnation: *incarnation,
            cluster_id: cluster_id.as_ref().map(ToString::to_string),
        }
    }

    fn from_body(body: IdentityBody) -> Result<Self, CodecError> {
        let IdentityBody {
            node_id,
            incarnation,
            cluster_id,
        } = body;
        Ok(Self {
            node_id,
            incarnation,
            cluster_id: optional_id(cluster_id.as_deref(), "identity.clusterId")?,
        })
    }
}

/// A [`SnapshotFile`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SnapshotFileBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    length: u64,
    #[prost(fixed32, tag = "3")]
    crc32c: u32,
}

/// A [`SnapshotManifest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotManifestBody {
    #[prost(message, optional, tag = "1")]
    applied: Option<AppliedBody>,
    #[prost(message, repeated, tag = "2")]
    files: Vec<SnapshotFileBody>,
}

impl Record for SnapshotManifest {
    const KIND: Kind = Kind::SnapshotManifest;
    type Body = SnapshotManifestBody;

    fn to_body(&self) -> SnapshotManifestBody {
        let Self { meta, files } = self;
        let SnapshotMeta {
            last_log_id,
            last_membership,
        } = meta;
        let applied = AppliedRow {
            last_applied: *last_log_id,
            membership: last_membership.clone(),
            replica_hash: ReplicaHash::default(),
        };
        let files = files
            .iter()
            .map(|SnapshotFile { name, length, crc32c }| SnapshotFileBody {
                name: name.clone(),
                length: *length,
                crc32c: *crc32c,
            });
        SnapshotManifestBody {
            applied: Some((&applied).into()),
            files: files.collect(),
        }
    }

    fn from_body(body: SnapshotManifestBody) -> Result<Self, CodecError> {
        let SnapshotManifestBody { applied, files } = body;
        let AppliedRow {
            last_applied,
            membership,
            replica_hash: _,
        } = required(applied, "snapshot.applied")?.try_into()?;
        let files = files
            .into_iter()
            .map(|SnapshotFileBody { name, length, crc32c }| SnapshotFile { name, length, crc32c });
        Ok(Self {
            meta: SnapshotMeta {
                last_log_id: last_applied,
                last_membership: membership,
            },
            files: files.collect(),
        })
    }
}
