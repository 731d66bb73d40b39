//! Stores and log entries with valid defaults.

use std::path::Path;
use std::time::Duration;

use confman_store::types::{CommittedLeaderId, Entry, LogId, Payload};
use confman_store::{IdentityError, OpenError, Options, Store};

/// Opens the store in `folder` with the defaults.
pub(crate) fn open(folder: &Path) -> Store {
    try_open(folder).expect("the folder opens")
}

/// The same, or why it was refused.
///
/// A test that starts a process hands it every open file for the moment between fork and exec, locks included; so a
/// lock that was just given back may still be held for a moment.
pub(crate) fn try_open(folder: &Path) -> Result<Store, OpenError> {
    for _ in 0..1000 {
        match confman_store::open(folder, &Options::default()) {
            Err(OpenError::Identity(IdentityError::Locked { .. })) => std::thread::sleep(Duration::from_millis(5)),
            opened => return opened,
        }
    }
    unreachable!("{} stays locked", folder.display())
}

/// Id of entry `index` written by the leader of `term`, node 1.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId {
        leader_id: CommittedLeaderId { term, node_id: 1 },
        index,
    }
}

/// One entry.
pub(crate) fn entry(term: u64, index: u64, payload: Payload) -> Entry {
    Entry {
        log_id: log_id(term, index),
        payload,
    }
}
