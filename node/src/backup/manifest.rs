//! `backup.json`: what a backup is of, and the digest of each of its files. It is written last and removed first.

use confman_api::cluster::BackupView;
use confman_core::ids::{ClusterId, Timestamp};
use serde::{Deserialize, Serialize};

use super::destination::{Destination, DestinationError};

/// Name of the file.
pub(super) const FILE: &str = "backup.json";

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupManifest {
    /// Format of the backup; a newer one is refused.
    pub format: u32,
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Name of the backup, unique in its cluster.
    pub name: String,
    /// When it was begun.
    pub taken_at: Timestamp,
    /// Which node took it.
    pub node_id: String,
    /// Version of its program.
    pub version: String,
    /// Log index of the snapshot: the first that can be restored.
    pub snapshot_index: u64,
    /// Log index of the last entry: the last that can be restored.
    pub last_index: u64,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Name below the backup, with `/`.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

impl BackupManifest {
    /// The format that this program writes.
    pub const FORMAT: u32 = 1;

    /// Where the file `name` of this backup is.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.cluster_id, self.name)
    }

    /// True if it is the backup `name` of `cluster`, and all of its files are in it. What a stranger wrote there could name
    /// files elsewhere.
    fn is_at(&self, cluster: &str, name: &str) -> bool {
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
        let is_inside = |file: &FileRecord| file.name.split('/').all(is_plain);
        self.cluster_id.as_str() == cluster && self.name == name && is_plain(name) && self.files.iter().all(is_inside)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a record of texts and numbers is JSON")
    }

    /// As admins see it.
    pub(super) fn view(&self) -> BackupView {
        BackupView {
            name: self.name.clone(),
            cluster_id: self.cluster_id.clone(),
            taken_at: self.taken_at,
            snapshot_index: self.snapshot_index,
            last_index: self.last_index,
            bytes: self.files.iter().map(|file| file.bytes).sum(),
        }
    }
}

/// Name of a backup: sorts by time, and says how far it goes.
pub(super) fn name_of(taken_at: Timestamp, last_index: u64) -> String {
    let time: String = String::from(taken_at)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{time}-{last_index}")
}

/// Every complete backup at `destination`, of one cluster or of all, the oldest first: by how far it goes, since clocks may
/// be wrong. One that is not what its place says is left out, and said so in the log.
pub(super) async fn list(
    destination: &Destination,
    cluster: Option<&ClusterId>,
) -> Result<Vec<BackupManifest>, DestinationError> {
    let clusters = match cluster {
        Some(cluster) => vec![cluster.to_string()],
        None => destination.folders("").await?,
    };
    let mut found = Vec::new();
    for cluster in clusters {
        for name in destination.folders(&cluster).await? {
            let place = format!("{cluster}/{name}/{FILE}");
            let Some(bytes) = destination.get(&place).await? else {
                continue;
            };
            match serde_json::from_slice::<BackupManifest>(&bytes) {
                Ok(backup) if backup.is_at(&cluster, &name) => found.push(backup),
                Ok(_) => tracing::warn!(place, "a backup that is not what its place says is left out"),
                Err(error) => tracing::warn!(place, %error, "a damaged backup is left out"),
            }
        }
    }
    found.sort_by(|one, other| {
        (one.last_index, one.taken_at, &one.name).cmp(&(other.last_index, other.taken_at, &other.name))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_say_how_far_the_backup_goes() {
        let name = |millis, index| name_of(Timestamp::from_millis(millis), index);
        assert_eq!(name(0, 7), "19700101T000000000Z-7");
        assert!(name(1_000, 7) < name(2_000, 6));
    }

    #[test]
    fn a_backup_that_names_files_elsewhere_is_none() {
        let backup = |name: &str, file: &str| BackupManifest {
            format: 1,
            cluster_id: ClusterId::parse("cluster").expect("an id"),
            name: name.to_owned(),
            taken_at: Timestamp::from_millis(0),
            node_id: "1".to_owned(),
            version: "1".to_owned(),
            snapshot_index: 0,
            last_index: 1,
            files: vec![FileRecord {
                name: file.to_owned(),
                bytes: 1,
                sha256: String::new(),
            }],
        };
        assert!(backup("name", "snapshot/files/CURRENT").is_at("cluster", "name"));
        for (name, file) in [
            ("other", "log"),
            ("../name", "log"),
            ("name", "../log"),
            ("name", "/etc/passwd"),
            ("name", "snapshot/../../log"),
        ] {
            assert!(!backup(name, file).is_at("cluster", "name"), "{name} {file}");
        }
        assert!(!backup("name", "log").is_at("another", "name"));
    }
}
