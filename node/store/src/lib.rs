//! The Raft log and the replicated state of a Confman node on RocksDB, and everything that its disk or wire holds.
//!
//! [`open()`] takes a data folder and gives the two halves that openraft drives, [`LogStore`] and [`StateMachine`], and a
//! [`StateReader`] for everybody else. The layout of the data is the doc of [`keys`], the format of a record that of
//! [`codec`].

mod apply_observer;
pub mod backup;
pub mod codec;
mod crash_point;
mod durable;
mod fault;
mod identity;
pub mod keys;
mod log_store;
mod open;
mod options;
mod rebuild;
mod recover;
#[cfg(test)]
#[path = "../tests/store/samples.rs"]
#[expect(dead_code, reason = "the integration tests use the rest of them")]
mod samples;
pub mod snapshot;
mod state_machine;
mod stats;
#[cfg(test)]
mod test_store;
pub mod types;
mod view;

pub use apply_observer::{ApplyObserver, ApplyStep};
pub use codec::CodecError;
pub use fault::{FaultHandle, StorageFault};
pub use identity::{Identity, IdentityError, IdentityFile};
pub use log_store::{LogError, LogStore, OpenLogError};
pub use open::{OpenError, Store, open};
pub use options::Options;
pub use rebuild::{NewCluster, RebuildError, Rebuilt, rebuild};
pub use recover::{Restore, end_of_log, recover};
pub use snapshot::{
    SnapshotChunk, SnapshotChunks, SnapshotDir, SnapshotError, SnapshotFile, SnapshotInbox, SnapshotManifest,
    SnapshotReceiver,
};
pub use state_machine::{GenerationError, ReadError, ReplayError, ReplicaHash, StateMachine};
pub use stats::StoreStats;
pub use types::{Answer, EncodedProposal, Member, TypeConfig, Verdict};
pub use view::rows::{NamespaceMap, View};
pub use view::{
    AuditPosition, AuditRange, LiveRange, Order, Page, RequestRange, Room, SnapshotRows, SnapshotView, StateReader,
    Take,
};
