//! What a replica has come to: a hash of every row that was written since the last comparison, entry by entry. Replicas
//! that applied the same entries have the same hash; one that has another was damaged or is of another mind, and stops.
//!
//! Another version of the program may write the same content in another form. So a hash says which version made all of it,
//! only hashes of one version are compared, and each comparison begins a new one.

use confman_core::digest::Digest;
use confman_core::proposal::{Checkpoint, CompareReplicas};
use sha2::{Digest as _, Sha256};

use crate::keys::Family;

/// The version that writes here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The hash so far, and the one of the last comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaHash {
    /// Of what was written since the last comparison.
    pub rolling: Digest,
    /// Version of the program that wrote all of that; empty if several did, or nothing was written yet.
    pub version: String,
    /// What the last comparison noted.
    pub checkpoint: Option<Checkpoint>,
}

impl Default for ReplicaHash {
    fn default() -> Self {
        Self {
            rolling: Digest::ZERO,
            version: String::new(),
            checkpoint: None,
        }
    }
}

/// This replica has come to something else than a majority.
#[derive(Debug, thiserror::Error)]
#[error(
    "this node has come to another state than the majority of the members: its hash of the entries up to index {index} is \
     {own}, theirs {agreed}. Its state cannot be trusted. Empty the data folder, so that this node joins as a new member"
)]
pub(super) struct Diverged {
    index: u64,
    own: Digest,
    agreed: Digest,
}

impl ReplicaHash {
    /// Adds what the entry at `index` wrote.
    pub(super) fn add(&mut self, index: u64, rows: RowHash) {
        if self.rolling == Digest::ZERO {
            VERSION.clone_into(&mut self.version);
        } else if self.version != VERSION {
            self.version.clear();
        }
        let mut hash = rows.0;
        hash.update(self.rolling.as_bytes());
        hash.update(index.to_be_bytes());
        self.rolling = Digest::from_bytes(hash.finalize().into());
    }

    /// Compares what was noted before, and notes what this replica has come to at `index`.
    pub(super) fn compare(&mut self, index: u64, comparison: CompareReplicas) -> Result<(), Diverged> {
        // One that began with a snapshot of a later comparison has nothing to compare.
        if let (Some(own), Some(agreed)) = (&self.checkpoint, comparison.agreed)
            && own.index == agreed.index
            && own.version == agreed.version
            && own.hash != agreed.hash
        {
            return Err(Diverged {
                index: own.index,
                own: own.hash,
                agreed: agreed.hash,
            });
        }
        self.note(index);
        Ok(())
    }

    /// Notes what this replica has come to at `index`, without a look at others.
    pub(super) fn note(&mut self, index: u64) {
        self.checkpoint = Some(Checkpoint {
            index,
            hash: std::mem::replace(&mut self.rolling, Digest::ZERO),
            version: std::mem::take(&mut self.version),
        });
    }
}

/// Hash of the rows that one entry writes.
#[derive(Default)]
pub(crate) struct RowHash(Sha256);

impl RowHash {
    /// Adds a row; none is a deleted one. The checksum stands for the content, which may be large.
    pub(super) fn add(&mut self, family: Family, key: &[u8], bytes: Option<&[u8]>) {
        self.0.update([family as u8, u8::from(bytes.is_some())]);
        self.0.update((key.len() as u64).to_be_bytes());
        self.0.update(key);
        if let Some(bytes) = bytes {
            self.0.update((bytes.len() as u64).to_be_bytes());
            self.0.update(crc32c::crc32c(bytes).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(index: u64, rows: &[(&[u8], Option<&[u8]>)]) -> ReplicaHash {
        let mut replica = ReplicaHash::default();
        let mut hash = RowHash::default();
        for (key, bytes) in rows {
            hash.add(Family::State, key, *bytes);
        }
        replica.add(index, hash);
        replica
    }

    #[test]
    fn every_part_of_a_row_counts() {
        let one = after(1, &[(b"key", Some(b"value"))]);
        assert_eq!(one, after(1, &[(b"key", Some(b"value"))]));
        for other in [
            after(2, &[(b"key", Some(b"value"))]),
            after(1, &[(b"kez", Some(b"value"))]),
            after(1, &[(b"key", Some(b"valuf"))]),
            after(1, &[(b"key", None)]),
            after(1, &[(b"keyv", Some(b"alue"))]),
            after(1, &[]),
        ] {
            assert_ne!(one, other);
        }
    }

    fn noted(rows: &[(&[u8], Option<&[u8]>)]) -> ReplicaHash {
        let mut replica = after(4, rows);
        replica.note(5);
        replica
    }

    #[test]
    fn only_a_replica_that_noted_something_else_at_the_same_index_has_diverged() {
        let (one, other) = (noted(&[(b"key", Some(b"1"))]), noted(&[(b"key", Some(b"2"))]));
        let agreed = CompareReplicas {
            agreed: one.checkpoint.clone(),
        };
        assert!(one.clone().compare(9, agreed.clone()).is_ok());
        assert!(other.clone().compare(9, agreed.clone()).is_err());
        let elsewhere = Checkpoint {
            index: 6,
            hash: Digest::of(b"another"),
            version: VERSION.to_owned(),
        };
        let elsewhere = CompareReplicas {
            agreed: Some(elsewhere),
        };
        assert!(other.clone().compare(9, elsewhere).is_ok());
        assert!(ReplicaHash::default().compare(9, agreed.clone()).is_ok(), "a newcomer");
        let mut again = one;
        again.compare(9, agreed).expect("it agrees");
        assert_eq!(again.checkpoint.map(|noted| noted.index), Some(9));
        assert_eq!(again.rolling, Digest::ZERO);
    }

    #[test]
    fn what_another_version_wrote_is_not_compared() {
        let agreed = CompareReplicas {
            agreed: noted(&[(b"key", Some(b"1"))]).checkpoint,
        };
        let mut upgraded = after(3, &[(b"key", Some(b"2"))]);
        "0.0.1".clone_into(&mut upgraded.version);
        upgraded.add(4, RowHash::default());
        upgraded.note(5);
        assert_eq!(
            upgraded.checkpoint.as_ref().map(|noted| noted.version.as_str()),
            Some("")
        );
        assert!(upgraded.compare(9, agreed).is_ok());
    }
}
