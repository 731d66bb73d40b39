//! For tests inside of this crate: a store whose state is written without the rules.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use confman_core::state::Change;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;

use crate::codec::AppliedRow;
use crate::keys::Family;
use crate::state_machine::ReplicaHash;
use crate::types::{CommittedLeaderId, Entry, LogId, StoredMembership, TypeConfig};
use crate::view::rows::View;
use crate::{IdentityError, OpenError, Options, Store};

/// Opens the store in `folder` with the defaults.
///
/// A test that starts a process hands it every open file for the moment between fork and exec, locks included; so a
/// lock that was just given back may still be held for a moment.
pub(crate) fn open(folder: &Path) -> Store {
    for _ in 0..1000 {
        match crate::open(folder, &Options::default()) {
            Err(OpenError::Identity(IdentityError::Locked { .. })) => std::thread::sleep(Duration::from_millis(5)),
            opened => return opened.expect("the folder opens"),
        }
    }
    unreachable!("{} stays locked", folder.display())
}

/// Id of entry `index` written by the leader of term 3, node 1.
pub(crate) fn log_id(index: u64) -> LogId {
    LogId {
        leader_id: CommittedLeaderId { term: 3, node_id: 1 },
        index,
    }
}

/// Appends blank entries until the log of `store` ends at `index`, durably.
pub(crate) async fn append_up_to(store: &mut Store, index: u64) {
    let last = store
        .log
        .get_log_state()
        .await
        .expect("the log can be read")
        .last_log_id;
    let first = last.map_or(0, |last| last.index + 1);
    let blanks = (first..=index).map(|index| Entry {
        log_id: log_id(index),
        payload: EntryPayload::Blank,
    });
    let (flushed, done) = TypeConfig::oneshot();
    let appended = store.log.append(blanks.collect::<Vec<_>>(), IOFlushed::signal(flushed));
    appended.await.expect("the log takes entries");
    done.await.expect("an answer").expect("the log is durable");
}

/// Writes `changes` as if entry `index` had caused them.
pub(crate) fn write(store: &Store, index: u64, changes: Vec<Change>) {
    let shared = &store.stats.state;
    let mut view = View::over(shared.published());
    view.write(changes).expect("the state can be read");
    let applied = AppliedRow {
        last_applied: Some(log_id(index)),
        membership: StoredMembership::default(),
        replica_hash: ReplicaHash::default(),
    };
    shared.publish(view.commit(applied).expect("the state can be written"));
}

/// Every row of the state.
pub(crate) fn dump(store: &Store) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let state = store.stats.state.published();
    let mut found = Vec::new();
    for family in Family::ALL {
        let mut rows = state
            .generation
            .database()
            .raw_iterator_cf(state.generation.family(family));
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            found.push((family, key.to_vec(), value.to_vec()));
            rows.next();
        }
        rows.status().expect("the state can be read");
    }
    found
}

/// Runs the test `name` of this crate in a process of its own that dies at `step`, with `folder` to work in.
pub(crate) fn crash_in(name: &str, step: &str, folder: &Path) -> ExitStatus {
    let program = std::env::current_exe().expect("the test knows its own program");
    Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env("CONFMAN_STORE_CRASH_AT", step)
        .env("CONFMAN_STORE_CHILD", folder)
        .output()
        .expect("the test starts itself")
        .status
}

/// The folder to work in, if this is such a process.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os("CONFMAN_STORE_CHILD").map(PathBuf::from)
}
