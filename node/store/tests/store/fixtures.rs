//! Stores and log entries with valid defaults.

use std::path::Path;

use confman_store::types::{CommittedLeaderId, Entry, LogId, Payload};
use confman_store::{Options, Store};

/// Opens the store in `folder` with the defaults.
pub(crate) fn open(folder: &Path) -> Store {
    confman_store::open(folder, &Options::default()).expect("the folder opens")
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
