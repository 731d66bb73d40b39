//! Stores, entries and proposals with valid defaults.

use std::path::Path;

use bytes::Bytes;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, Proposal, PutEntry};
use confman_core::value::ConfigValue;
use confman_store::types::{CommittedLeaderId, Entry, LogId};
use confman_store::{EncodedProposal, Options, Store};
use openraft::EntryPayload;

/// Opens the store in `folder` with the defaults.
pub fn open(folder: &Path) -> Store {
    confman_store::open(folder, &Options::default()).expect("the folder opens")
}
