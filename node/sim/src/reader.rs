//! Reads as a node serves them: linearizable ones by a read index of the leader, stale ones from the local state.

use std::sync::Arc;
use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::state::StateView as _;
use openraft::ReadPolicy;

use crate::cluster::{Cluster, Process};
use crate::network::Route;
use crate::planted::{Mistake, is_planted};
use crate::runtime::timeout;
use crate::state::StoredState;
use crate::types::NodeId;

/// How long one question for the read index may take.
const READ_INDEX_LIMIT: Duration = Duration::from_secs(2);
/// How long a read waits for its index.
const INDEX_WAIT: Duration = Duration::from_secs(2);

/// A key and its namespace.
pub type Place = (NamespacePath, ConfigKey);

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As the member is.
    Stale,
    /// All that was acknowledged before.
    Linearizable,
}

/// What a read saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Everything up to this log index.
    pub index: u64,
    /// The last version of the key, 0 before the first.
    pub version: u64,
    /// Digest of the live value.
    pub digest: Option<Digest>,
}

impl Read {
    /// What `state` says about `place`.
    pub fn of(state: &StoredState, place: &Place) -> Self {
        let Ok(entry) = state.memory.entry(&place.0, &place.1);
        let live = entry.as_ref().and_then(|entry| entry.live);
        let digest = live.and_then(|number| {
            let Ok(version) = state.memory.version(&place.0, &place.1, number);
            version.and_then(|version| version.digest)
        });
        Self {
            index: state.index(),
            version: entry.map_or(0, |entry| entry.last_version),
            digest,
        }
    }
}

/// Reads `place` on `process`; none if it cannot be read as fresh as asked.
pub async fn read(cluster: &Cluster, process: &Process, place: &Place, freshness: Freshness) -> Option<Read> {
    match freshness {
        Freshness::Stale => {}
        Freshness::Linearizable => {
            let index = read_index(cluster, process).await?;
            let wait = process.raft.wait(Some(INDEX_WAIT));
            wait.applied_index_at_least(Some(index), "a read").await.ok()?;
        }
    }
    let state = Arc::clone(&process.state);
    let read = Read::of(&state.lock(), place);
    Some(read)
}

async fn read_index(cluster: &Cluster, process: &Process) -> Option<u64> {
    if is_planted(Mistake::ReadIndexUsedAgain)
        && let Some(index) = *process.last_read_index.lock()
    {
        return Some(index);
    }
    let leader = process.metrics().current_leader?;
    let index = if leader == process.id {
        own_read_index(process).await
    } else {
        ask_leader(cluster, process.id, leader).await
    };
    *process.last_read_index.lock() = index;
    index
}

async fn ask_leader(cluster: &Cluster, from: NodeId, leader: NodeId) -> Option<u64> {
    let route = Route {
        from,
        to: leader,
        may_repeat: false,
    };
    let handle = |process: Process| async move { own_read_index(&process).await };
    cluster.call(route, READ_INDEX_LIMIT, handle).await.ok()?
}

/// The read index of a leader.
async fn own_read_index(process: &Process) -> Option<u64> {
    if is_planted(Mistake::LeaderReadsAlone) && process.raft.is_leader() {
        return Some(0);
    }
    let linearizer = process.raft.get_read_linearizer(ReadPolicy::ReadIndex);
    let linearizer = timeout(READ_INDEX_LIMIT, linearizer);
    let linearizer = linearizer.await.ok()?.ok()?;
    Some(linearizer.read_log_id().index())
}
