//! Makes the data folder of a new cluster's first member from what another cluster has left: a snapshot and the log entries
//! after it. Offline; the source is only read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use confman_core::cluster::{Recovery, RecoveryCause};
use confman_core::ids::{ClusterId, Timestamp};
use confman_core::proposal::{Command, Proposal, RecoverCluster};
use openraft::EntryPayload;
use openraft::storage::RaftLogStorage as _;

use crate::Options;
use crate::backup::BackupError;
use crate::identity::{IdentityError, LOCK};
use crate::open::{OpenError, Store, open};
use crate::snapshot::{SnapshotDir, SnapshotError, build, install};
use crate::state_machine::{Replay, ReplayError};
use crate::types::{CommittedLeaderId, EncodedProposal, Entry, LogId, Member, Membership, StoredMembership, Vote};

/// What is made of the rest.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// Its identity; another than the lost cluster's.
    pub cluster_id: ClusterId,
    /// Where its first member is reached by peers, `host:port`.
    pub address: String,
    /// What is left of the lost one.
    pub cause: RecoveryCause,
    /// When it is made.
    pub time: Timestamp,
    /// Last entry to keep; all of them where there is none.
    pub keep_until: Option<u64>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Id of the first member.
    pub node_id: u64,
    /// Last entry that was kept.
    pub kept_index: u64,
    /// Log index from which the new cluster goes on.
    pub at_index: u64,
    /// The lost cluster.
    pub lost: ClusterId,
}

/// Why no data folder was made.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The folder is in use.
    #[error("{} is not empty; what is rebuilt needs an empty folder", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be read or moved.
    #[error("failed to {step} {}: {source}", path.display())]
    File {
        /// What was attempted.
        step: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The identity cannot be written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The snapshot cannot be installed or made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log entries cannot be read.
    #[error(transparent)]
    Entries(#[from] BackupError),
    /// An entry cannot be applied.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The log of the new member cannot be written.
    #[error("failed to write the log: {0}")]
    Log(#[source] io::Error),
    /// The wanted entry is not there.
    #[error("log index {wanted} cannot be restored: what is left begins at {first} and ends at {last}")]
    OutOfReach {
        /// The wanted entry.
        wanted: u64,
        /// First entry that can be the last.
        first: u64,
        /// Last entry that is there.
        last: u64,
    },
    /// The rules refuse it.
    #[error("the cluster cannot be recovered: {0}")]
    Refused(String),
    /// An interrupted run made something else.
    #[error(
        "an interrupted run has made {made}; run it again with the same arguments, or remove {} to begin anew",
        folder.display()
    )]
    OtherRun {
        /// What it made.
        made: String,
        /// Where it is.
        folder: PathBuf,
    },
    /// The volume is of another cluster.
    #[error("the volume belongs to cluster {found}, not to {expected}")]
    OtherCluster {
        /// On the volume; none if it was never part of a cluster.
        found: String,
        /// As said.
        expected: ClusterId,
    },
}

impl RebuildError {
    pub(crate) fn file(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            step,
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes a data folder in `folder`, which is empty or not there, from `snapshot`, if there is one, and the `entries` after it.
///
/// # Errors
/// If the folder is in use, something cannot be read or written, or the wanted entry is out of reach. What was made of
/// the folder until then is of no use.
pub async fn rebuild(
    folder: &Path,
    options: &Options,
    (snapshot, entries): (Option<&SnapshotDir>, impl Iterator<Item = Result<Entry, BackupError>>),
    new: &NewCluster,
) -> Result<Rebuilt, RebuildError> {
    check_empty(folder)?;
    let mut store = open(folder, options)?;
    store.identity.set_cluster_id(&new.cluster_id)?;
    if let Some(snapshot) = snapshot {
        install(&store.stats.state, &snapshot.manifest().meta, snapshot)?;
    }
    let first = snapshot.map_or(0, |snapshot| index_of(snapshot.manifest().meta.last_log_id));
    let mut replay = Replay::over(&store.stats.state);
    for entry in entries {
        let entry = entry?;
        if new.keep_until.is_some_and(|last| entry.log_id.index > last) {
            break;
        }
        replay.add(entry)?;
    }
    let kept = replay.finish()?;
    let kept_index = index_of(kept);
    if let Some(wanted) = new.keep_until.filter(|wanted| *wanted != kept_index) {
        return Err(RebuildError::OutOfReach {
            wanted,
            first,
            last: kept_index,
        });
    }
    let lost = store.reader.cluster().map(|cluster| cluster.cluster_id.clone());
    let lost = lost.ok_or_else(|| RebuildError::Refused("it was never initialised".to_owned()))?;
    let at = begin(&store, kept, new)?;
    build(&store.stats.state)?;
    let node_id = store.identity.get().node_id;
    let voted = store.log.save_vote(&Vote::new(at.leader_id.term, node_id)).await;
    voted.map_err(RebuildError::Log)?;
    store.log.close().await.map_err(RebuildError::Log)?;
    Ok(Rebuilt {
        node_id,
        kept_index,
        at_index: at.index,
        lost,
    })
}

fn index_of(log_id: Option<LogId>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index)
}

pub(crate) fn check_empty(folder: &Path) -> Result<(), RebuildError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RebuildError::file("read", folder)(error)),
    };
    for entry in entries {
        let name = entry.map_err(RebuildError::file("read", folder))?.file_name();
        // Of a new file system, and of a program that has looked.
        if name != "lost+found" && name != LOCK {
            return Err(RebuildError::NotEmpty {
                folder: folder.to_owned(),
            });
        }
    }
    Ok(())
}

/// The entry with which the new cluster begins, and that makes its first member the only one.
fn begin(store: &Store, kept: Option<LogId>, new: &NewCluster) -> Result<LogId, RebuildError> {
    let node_id = store.identity.get().node_id;
    let kept_index = index_of(kept);
    let at = LogId {
        leader_id: CommittedLeaderId {
            term: kept.map_or(0, |kept| kept.leader_id.term) + 1,
            node_id,
        },
        index: Recovery::first_index(kept_index, new.time),
    };
    let proposal = Proposal {
        proposed_at: new.time,
        trace_id: None,
        idempotency: None,
        command: Command::RecoverCluster(RecoverCluster {
            cluster_id: new.cluster_id.clone(),
            kept_index,
            cause: new.cause,
        }),
    };
    let member = Member {
        address: new.address.clone(),
    };
    let membership = Membership::new(vec![[node_id].into()], BTreeMap::from([(node_id, member)]))
        .map_err(|error| RebuildError::Refused(error.to_string()))?;
    let entry = Entry {
        log_id: at,
        payload: EntryPayload::Normal(EncodedProposal::encode(&proposal)),
    };
    let membership = StoredMembership::new(Some(at), membership);
    match Replay::only(&store.stats.state, entry, membership)? {
        Ok(_) => Ok(at),
        Err(rejection) => Err(RebuildError::Refused(rejection.to_string())),
    }
}
