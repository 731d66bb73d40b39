//! The durability floor: what this node has acknowledged at least, kept outside of the database that holds it.
//!
//! A RocksDB whose newest WAL file is gone, or was cut, opens without complaint and has simply forgotten. Raft may not:
//! a member that forgets acknowledged entries or a vote can elect a leader without them. So a second file says how far
//! the log had come, and a log that is behind it is refused at start.
//!
//! **When it is written.** A vote: before it is answered. Entries: at most [`crate::Options::floor_lag_ms`] after they
//! were acknowledged, by the flusher itself, and when the store is closed. The file is raised *after* the log is
//! durable and lowered (by a truncation) *before* it, so a crash in between never refuses a sound log.
//!
//! **What it does not catch.** Entries acknowledged in the last `floor_lag_ms` before a crash that also loses the end
//! of the WAL, and a volume that was rolled back as a whole, with this file: the leader remembers more and the node asks it
//! before it votes. A damaged middle of the WAL is caught by RocksDB's checksums.
//!
//! **Layout.** Two slots of 4096 bytes, written in turns in place and synced; a torn write leaves the other. Each holds
//! a length (u16, little-endian) and a record of kind `Floor`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::codec::{self, FloorRecord};
use crate::durable;
use crate::types::{LogId, Vote};

const FILE: &str = "floor";
const SLOT_BYTES: usize = 4096;
const SLOTS: u64 = 2;

/// Least that the log must contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) last: Option<LogId>,
    pub(crate) vote: Option<Vote>,
}

impl Floor {
    /// The sentence for the operator if a log that ends at `last` and holds `vote` is behind.
    pub(crate) fn complaint(&self, last: Option<&LogId>, vote: Option<&Vote>) -> Option<String> {
        if last < self.last.as_ref() {
            let shown = |log_id: Option<&LogId>| log_id.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Some(format!(
                "this node has acknowledged entries up to {}, but its log ends at {}",
                shown(self.last.as_ref()),
                shown(last)
            ));
        }
        let behind = match (&self.vote, vote) {
            (Some(promised), Some(vote)) => !matches!(
                vote.partial_cmp(promised),
                Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater)
            ),
            (Some(_), None) => true,
            (None, _) => false,
        };
        behind.then(|| "this node has given a vote that its log no longer knows".to_owned())
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct FloorFile {
    file: File,
    sequence: u64,
    floor: Floor,
}

impl FloorFile {
    /// Makes a new file with an empty floor, durably; an old one is overwritten.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(folder.join(FILE))?;
        file.write_all_at(&[0; SLOT_BYTES * 2], 0)?;
        file.sync_all()?;
        durable::sync_dir(folder)?;
        let mut created = Self {
            file,
            sequence: 0,
            floor: Floor::default(),
        };
        created.write(Floor::default())?;
        Ok(created)
    }

    /// Opens the file of a folder that has been used.
    ///
    /// # Errors
    /// If it is missing, or neither slot can be read: then nobody knows what was acknowledged.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(folder.join(FILE))?;
        let slots = (0..SLOTS).filter_map(|slot| read_slot(&file, slot));
        let newest = slots.max_by_key(|record| record.sequence);
        let FloorRecord { sequence, last, vote } =
            newest.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "neither of its two slots can be read"))?;
        Ok(Self {
            file,
            sequence,
            floor: Floor { last, vote },
        })
    }

    /// The floor as last written.
    pub(crate) fn get(&self) -> Floor {
        self.floor
    }

    /// Writes `floor` durably, if it differs.
    pub(crate) fn write(&mut self, floor: Floor) -> io::Result<()> {
        if self.sequence > 0 && floor == self.floor {
            return Ok(());
        }
        let sequence = self.sequence + 1;
        let record = codec::encode(&FloorRecord {
            sequence,
            last: floor.last,
            vote: floor.vote,
        });
        let length = u16::try_from(record.len()).expect("the record has a few numbers");
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&record);
        self.file.write_all_at(&bytes, (sequence % SLOTS) * SLOT_BYTES as u64)?;
        self.file.sync_data()?;
        self.sequence = sequence;
        self.floor = floor;
        Ok(())
    }
}

fn read_slot(file: &File, slot: u64) -> Option<FloorRecord> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64).ok()?;
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let record = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    codec::decode_slice(record).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::CommittedLeaderId;

    fn log_id(term: u64, index: u64) -> LogId {
        LogId {
            leader_id: CommittedLeaderId { term, node_id: 1 },
            index,
        }
    }

    fn floor(index: u64) -> Floor {
        Floor {
            last: Some(log_id(1, index)),
            vote: Some(Vote::new(1, 1)),
        }
    }

    #[test]
    fn newest_slot_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = FloorFile::create(folder.path()).expect("created");
        for index in 1..=5 {
            file.write(floor(index)).expect("written");
            assert_eq!(FloorFile::open(folder.path()).expect("opened").get(), floor(index));
        }
    }

    #[test]
    fn torn_slot_falls_back_to_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = FloorFile::create(folder.path()).expect("created");
        file.write(floor(1)).expect("written");
        file.write(floor(2)).expect("written");
        let newest = (file.sequence % SLOTS) * SLOT_BYTES as u64;
        file.file.write_all_at(&[0xff; 40], newest).expect("torn");
        assert_eq!(FloorFile::open(folder.path()).expect("opened").get(), floor(1));
    }

    #[test]
    fn two_damaged_slots_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = FloorFile::create(folder.path()).expect("created");
        file.file.write_all_at(&[0xff; SLOT_BYTES * 2], 0).expect("damaged");
        assert!(FloorFile::open(folder.path()).is_err());
    }

    #[test]
    fn log_behind_the_floor_is_complained_about() {
        let floor = floor(5);
        let vote = Vote::new(1, 1);
        assert_eq!(floor.complaint(Some(&log_id(1, 5)), Some(&vote)), None);
        assert_eq!(
            floor.complaint(Some(&log_id(2, 3)), Some(&vote)),
            None,
            "a later leader's log"
        );
        assert!(floor.complaint(Some(&log_id(1, 4)), Some(&vote)).is_some());
        assert!(floor.complaint(None, Some(&vote)).is_some());
        assert!(floor.complaint(Some(&log_id(1, 5)), None).is_some());
        assert!(floor.complaint(Some(&log_id(1, 5)), Some(&Vote::new(0, 1))).is_some());
        assert_eq!(floor.complaint(Some(&log_id(1, 5)), Some(&Vote::new(2, 0))), None);
    }
}
