//! Who this node is: an id that lives and dies with its volume, and the lock that keeps a second process away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use confman_core::ids::ClusterId;
use parking_lot::Mutex;

use crate::codec::{self, CodecError};
use crate::durable;

const FILE: &str = "identity";
/// Name of the file that is locked.
pub(crate) const LOCK: &str = "LOCK";

/// Identity of a node. The pod's name is an address, never an identity: it survives a lost volume, this does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random, 1 to 2^53 − 1, so that JSON numbers carry it exactly.
    pub node_id: u64,
    /// How often the folder was opened.
    pub incarnation: u64,
    /// The cluster this node belongs to, once known.
    pub cluster_id: Option<ClusterId>,
}

/// Why the identity could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another process uses the folder.
    #[error("another process uses {}; two nodes on one data folder would destroy it", folder.display())]
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("failed to access {}", path.display())]
    Access {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is damaged or from another format.
    #[error("failed to read {}; restore this file, or empty the data folder so that the node joins as a new member", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// The node has data but no identity.
    #[error(
        "{} is missing although the data folder is not empty; restore the file, or empty the folder so that the node \
         joins as a new member",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// No random number.
    #[error("failed to draw a random node id: {0}")]
    Random(getrandom::Error),
    /// The node belongs to another cluster.
    #[error("this node belongs to cluster {own} and cannot join {other}; empty its data folder first")]
    OtherCluster {
        /// The cluster it belongs to.
        own: ClusterId,
        /// The cluster it was offered to.
        other: ClusterId,
    },
}

/// Keeps every other process out of the data folder while it lives.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock; the kernel frees it when the process ends, however it ends.
    pub(crate) fn take(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(LOCK);
        let access = |source| IdentityError::Access {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(access)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(IdentityError::Locked {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(access(source)),
        }
    }
}

/// The identity and its file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IdentityFile {
    folder: Arc<Path>,
    current: Arc<Mutex<Identity>>,
}

impl IdentityFile {
    /// True if the folder has an identity.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Refuses a folder that has been used, so not `is_new`, and has lost its identity.
    pub(crate) fn check_not_lost(folder: &Path, is_new: bool) -> Result<(), IdentityError> {
        if is_new || Self::exists(folder) {
            return Ok(());
        }
        Err(IdentityError::Missing {
            path: folder.join(FILE),
        })
    }

    /// The node's identity for this run: a new one where there is none, else the old one with the next incarnation.
    /// Durable before it returns.
    pub(crate) fn open(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(FILE);
        let access = |source| IdentityError::Access {
            path: path.clone(),
            source,
        };
        let identity = match durable::read_if_there(&path).map_err(access)? {
            Some(bytes) => {
                let stored: Identity = codec::decode_slice(&bytes).map_err(|source| IdentityError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                Identity {
                    incarnation: stored.incarnation + 1,
                    ..stored
                }
            }
            None => Identity {
                node_id: random_node_id().map_err(IdentityError::Random)?,
                incarnation: 1,
                cluster_id: None,
            },
        };
        durable::replace_file(folder, FILE, &codec::encode(&identity)).map_err(access)?;
        Ok(Self {
            folder: folder.into(),
            current: Arc::new(Mutex::new(identity)),
        })
    }

    /// The identity.
    pub fn get(&self) -> Identity {
        self.current.lock().clone()
    }

    /// Binds the node to a cluster, durably. Blocking.
    ///
    /// # Errors
    /// If it belongs to another one, or the file cannot be written.
    pub fn set_cluster_id(&self, id: &ClusterId) -> Result<(), IdentityError> {
        let mut current = self.current.lock();
        match &current.cluster_id {
            Some(own) if own == id => Ok(()),
            Some(own) => Err(IdentityError::OtherCluster {
                own: own.clone(),
                other: id.clone(),
            }),
            None => {
                let bound = Identity {
                    cluster_id: Some(id.clone()),
                    ..current.clone()
                };
                durable::replace_file(&self.folder, FILE, &codec::encode(&bound)).map_err(|source| {
                    IdentityError::Access {
                        path: self.folder.join(FILE),
                        source,
                    }
                })?;
                *current = bound;
                Ok(())
            }
        }
    }
}

fn random_node_id() -> Result<u64, getrandom::Error> {
    loop {
        let id = getrandom::u64()? >> 11;
        if id != 0 {
            return Ok(id);
        }
    }
}
