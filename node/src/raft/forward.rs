//! Writes on their way from a follower to the leader: one stream a leader, many writes a frame, answers as they come.

mod lane;
mod serve;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use confman_api::limits;
use confman_store::Member;
use confman_store::types::NodeId;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::peers::Peers;
use crate::auth::credential::Credential;
use crate::propose::Attempt;

pub(crate) use serve::{Leader, serve};

/// The leader gives up a write by itself; this is for a leader that does not answer at all.
const MARGIN: Duration = Duration::from_secs(2);

/// A write for the leader.
pub(crate) struct Forwarded {
    /// The encoded proposal.
    pub(crate) proposal: Bytes,
    /// What its caller was authenticated by.
    pub(crate) credential: Credential,
    /// Trace context of the span that it is a part of; none while spans are off.
    pub(crate) traceparent: Option<String>,
}

/// One write that waits to be sent.
struct Job {
    write: Forwarded,
    answer: oneshot::Sender<Attempt>,
}

/// The stream to each leader there was, by its id and address.
type Lanes = HashMap<(NodeId, String), mpsc::Sender<Job>>;

/// Sends writes to whoever leads. Cheap to clone.
#[derive(Clone)]
pub struct Forwarder {
    peers: Peers,
    lanes: Arc<Mutex<Lanes>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Forwarder {
    /// No stream yet; each is opened with the first write for its leader and runs until `stop`.
    pub fn new(peers: Peers, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            peers,
            lanes: Arc::default(),
            tasks,
            stop,
        }
    }

    /// Asks the leader `id` to write.
    pub(crate) async fn send(&self, id: NodeId, member: &Member, write: Forwarded) -> Attempt {
        let Some(lane) = self.lane(id, member) else {
            return Attempt::NotLeader;
        };
        let (answer, wait) = oneshot::channel();
        if lane.send(Job { write, answer }).await.is_err() {
            return Attempt::NotLeader;
        }
        let limit = Duration::from_millis(limits::WRITE_TIME.value as u64) + MARGIN;
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) => Attempt::Unknown("the node is stopping".to_owned()),
            Err(_) => Attempt::Unknown(format!("the leader did not answer within {} ms", limit.as_millis())),
        }
    }

    fn lane(&self, id: NodeId, member: &Member) -> Option<mpsc::Sender<Job>> {
        let mut lanes = self.lanes.lock();
        let key = (id, member.address.clone());
        if let Some(lane) = lanes.get(&key) {
            return Some(lane.clone());
        }
        let client = self.peers.member(id, member)?.forward;
        let (jobs, queue) = mpsc::channel(limits::WRITES.value);
        self.tasks.spawn(lane::run(client, queue, self.stop.clone()));
        lanes.insert(key, jobs.clone());
        Some(jobs)
    }
}
