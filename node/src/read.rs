//! The one read path: how fresh a read must be, and how fresh it was. Values then come from the local state.

use std::time::Duration;

use confman_api::limits;
use confman_api::reading::Consistency;
use confman_store::StateReader;
use openraft::async_runtime::WatchReceiver as _;
use openraft::{Instant as _, ReadPolicy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::raft::Raft;
use crate::raft::freshness::Freshness;
use crate::raft::leadership::leader;
use crate::raft::peers::Peers;
use crate::raft::wire::Frame;

/// How long one question for the read index may take.
const READ_INDEX_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a read looks for a leader while there is none.
const LEADER_POLL: Duration = Duration::from_millis(50);

/// Why a read cannot be served as fresh as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader could vouch for the read in time.
    #[error("no leader confirmed the read within {} ms", limits::LEADER_WAIT.value)]
    NoLeader,
    /// The node lags.
    #[error("index {index} was not applied here within {} ms", limits::INDEX_WAIT.value)]
    Lagging {
        /// The index that was waited for.
        index: u64,
    },
    /// The entry was lost when the cluster was recovered.
    #[error("log index {index} was lost when this cluster was recovered from an older one: read what there is now")]
    Lost {
        /// The index that was asked for.
        index: u64,
    },
    /// What is applied here is older than the read allows.
    #[error("{}", too_stale(.age.as_ref(), .max_age))]
    TooStale {
        /// How old it is; none when no leader was heard since the start.
        age: Option<Duration>,
        /// How old it may be.
        max_age: Duration,
    },
}

fn too_stale(age: Option<&Duration>, max_age: &Duration) -> String {
    let allowed = max_age.as_millis();
    match age.map(Duration::as_millis) {
        Some(age) => format!("the state of this node is {age} ms old, maxAge allows {allowed} ms"),
        None => format!("this node has not heard a leader yet: its state may be older than the {allowed} ms of maxAge"),
    }
}

/// What a read saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// At least everything up to this log index.
    pub index: u64,
    /// Time since the state here was last known to be all that was committed; none when no leader was heard yet.
    pub age: Option<Duration>,
}

impl Seen {
    /// Refuses what is older than `max_age`.
    pub fn at_most(self, max_age: Option<Duration>) -> Result<Self, ReadError> {
        match max_age {
            Some(max_age) if self.age.is_none_or(|age| age > max_age) => {
                Err(ReadError::TooStale { age: self.age, max_age })
            }
            Some(_) | None => Ok(self),
        }
    }
}

/// The read path. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    raft: Raft,
    state: StateReader,
    freshness: Freshness,
    questions: mpsc::Sender<oneshot::Sender<Option<u64>>>,
}

impl Reader {
    /// A read path, and the task that asks the leader for read indexes until `stop`.
    pub fn new(
        raft: Raft,
        state: StateReader,
        freshness: Freshness,
        peers: Peers,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (questions, asked) = mpsc::channel(limits::REQUESTS.value);
        let task = answer_questions(raft.clone(), peers, asked, stop);
        let reader = Self {
            raft,
            state,
            freshness,
            questions,
        };
        (reader, task)
    }

    /// The local state. Call [`Self::prepare`] first.
    pub fn state(&self) -> &StateReader {
        &self.state
    }

    /// Waits until the local state is as fresh as asked; what is read from it afterwards is.
    pub async fn prepare(&self, consistency: Consistency) -> Result<Seen, ReadError> {
        match consistency {
            Consistency::Stale => Ok(self.seen()),
            Consistency::AtLeast(index) => {
                self.applied(index).await?;
                if self.state.cluster().is_some_and(|cluster| cluster.has_lost(index)) {
                    return Err(ReadError::Lost { index });
                }
                Ok(self.seen())
            }
            Consistency::Linearizable => {
                // Stale reads carry no room for this.
                let index = Box::pin(self.read_index()).await?;
                self.applied(index).await?;
                let age = Some(Duration::ZERO);
                Ok(Seen { age, ..self.seen() })
            }
        }
    }

    /// Time since the local state was last known to be all that was committed; none when no leader was heard yet.
    pub fn state_age(&self) -> Option<Duration> {
        self.seen().age
    }

    fn seen(&self) -> Seen {
        let index = self.state.applied().map_or(0, |position| position.index);
        Seen {
            index,
            age: self.age(index),
        }
    }

    fn age(&self, applied: u64) -> Option<Duration> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state.is_leader() {
            // Who votes alone waits for nobody's word.
            let is_alone = metrics.membership_config.voter_ids().count() == 1;
            let acked = metrics.last_quorum_acked.map(|acked| acked.elapsed());
            if is_alone { Some(Duration::ZERO) } else { acked }
        } else {
            self.freshness.age(applied)
        }
    }

    /// An index that everything acknowledged before this call is at or below. Never reused for another read.
    async fn read_index(&self) -> Result<u64, ReadError> {
        let give_up = Instant::now() + Duration::from_millis(limits::LEADER_WAIT.value as u64);
        loop {
            let answer = if self.raft.is_leader() {
                own_read_index(&self.raft).await
            } else {
                self.ask_leader().await
            };
            match answer {
                Some(index) => return Ok(index),
                None if Instant::now() >= give_up => return Err(ReadError::NoLeader),
                None => {
                    let mut metrics = self.raft.server_metrics();
                    let _ = timeout(LEADER_POLL, metrics.changed()).await;
                }
            }
        }
    }

    async fn ask_leader(&self) -> Option<u64> {
        let (answer, wait) = oneshot::channel();
        self.questions.send(answer).await.ok()?;
        wait.await.ok()?
    }

    /// Waits until `index` is applied here.
    async fn applied(&self, index: u64) -> Result<(), ReadError> {
        let reached = |position: &Option<confman_core::ids::LogPosition>| {
            position.is_some_and(|position| position.index >= index) || index == 0
        };
        if reached(&self.state.applied()) {
            return Ok(());
        }
        let mut applied = self.state.watch_applied();
        let limit = Duration::from_millis(limits::INDEX_WAIT.value as u64);
        match timeout(limit, applied.wait_for(reached)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReadError::Lagging { index }),
        }
    }
}

/// The leader's own read index: openraft lets reads share rounds of heartbeats.
async fn own_read_index(raft: &Raft) -> Option<u64> {
    let linearizer = timeout(READ_INDEX_TIMEOUT, raft.get_read_linearizer(ReadPolicy::ReadIndex));
    let linearizer = linearizer.await.ok()?.ok()?;
    Some(linearizer.read_log_id().index())
}

/// Asks the leader once for everybody who waits; whoever comes while the question is out waits for the next one, since
/// an index from before their read began would not cover writes acknowledged in between.
async fn answer_questions(
    raft: Raft,
    peers: Peers,
    mut asked: mpsc::Receiver<oneshot::Sender<Option<u64>>>,
    stop: CancellationToken,
) {
    let mut waiting = Vec::new();
    loop {
        let count = tokio::select! {
            count = asked.recv_many(&mut waiting, limits::REQUESTS.value) => count,
            () = stop.cancelled() => return,
        };
        if count == 0 {
            return;
        }
        let index = leaders_read_index(&raft, &peers).await;
        for answer in waiting.drain(..) {
            // Whoever is gone needs no answer.
            let _ = answer.send(index);
        }
    }
}

async fn leaders_read_index(raft: &Raft, peers: &Peers) -> Option<u64> {
    let (id, member) = leader(raft)?;
    if id == peers.speaker().node_id {
        return own_read_index(raft).await;
    }
    let mut clients = peers.member(id, &member)?;
    let answer = timeout(READ_INDEX_TIMEOUT, clients.control.read_index(Frame::default()));
    let frame = answer.await.ok()?.ok()?.into_inner();
    let log_id = confman_store::codec::wire::decode_log_id(frame.body).ok()?;
    Some(log_id.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_unknown_age_is_too_old_for_any_bound() {
        let seen = |age: Option<u64>| Seen {
            index: 1,
            age: age.map(Duration::from_millis),
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(seen(None).at_most(None), Ok(seen(None)));
        assert_eq!(seen(Some(1_000)).at_most(second), Ok(seen(Some(1_000))));
        for age in [None, Some(1_001)] {
            let refused = seen(age).at_most(second).expect_err("too old");
            assert!(refused.to_string().contains("1000 ms"), "{refused}");
        }
    }
}
