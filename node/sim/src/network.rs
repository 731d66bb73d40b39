//! Messages between members: they take time, get lost, overtake each other, and come twice.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::cluster::{Cluster, Process};
use crate::runtime::{self, WORLD, sleep, spawn_for, timeout};
use crate::state::StoredState;
use crate::types::{Member, NodeId, Snapshot, TypeConfig, Vote};

/// How long a snapshot may take.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);

/// A call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Nobody is there.
    #[error("nobody is there")]
    NobodyThere,
    /// There was no answer in time.
    #[error("no answer in time")]
    NoAnswer,
}

impl From<Lost> for RPCError<TypeConfig> {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::NobodyThere => Self::Unreachable(Unreachable::new(&lost)),
            Lost::NoAnswer => Self::Network(NetworkError::new(&lost)),
        }
    }
}

/// A way for messages.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// From this member.
    pub from: NodeId,
    /// To this one.
    pub to: NodeId,
    /// Whether a message may come twice.
    pub may_repeat: bool,
}

/// The state of the network.
#[derive(Clone, Debug, Default)]
pub struct Links {
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Messages take up to so many milliseconds more.
    pub delay: u64,
    /// Of a hundred messages so many are lost.
    pub loss: u32,
    /// Of a hundred messages so many come twice.
    pub repeats: u32,
}

impl Links {
    /// Lets nothing through from `from` to `to`.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
    }

    /// True if nothing comes through.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains(&(from, to))
    }

    /// How long a message takes; none if it is lost.
    pub fn passage(&self, from: NodeId, to: NodeId, random: &mut SmallRng) -> Option<Duration> {
        if self.is_cut(from, to) || random.random_range(0..100) < self.loss {
            return None;
        }
        let micros = random.random_range(100..1_000) + random.random_range(0..=self.delay * 1_000);
        Some(Duration::from_micros(micros))
    }
}

impl Cluster {
    /// Lets the member at the end of `route` do `handle`, and waits for what comes of it.
    pub async fn call<R, F, W>(&self, route: Route, limit: Duration, handle: F) -> Result<R, Lost>
    where
        R: Send + 'static,
        F: Fn(Process) -> W + Clone + Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        if route.may_repeat && self.repeats() {
            let (nobody, _) = oneshot::channel();
            self.clone().send(route, handle.clone(), nobody);
        }
        let (sender, answer) = oneshot::channel();
        self.clone().send(route, handle, sender);
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Lost::NobodyThere),
            Err(_) => Err(Lost::NoAnswer),
        }
    }

    /// Sends one message; what is under way does not care what becomes of its sender.
    fn send<R, F, W>(self, route: Route, handle: F, answer: oneshot::Sender<R>)
    where
        R: Send + 'static,
        F: Fn(Process) -> W + Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let there = self.passage(route.from, route.to);
        drop(spawn_for(WORLD, async move {
            let Some(there) = there else {
                return hold(answer).await;
            };
            sleep(there).await;
            let Some(process) = self.process(route.to) else {
                // Refused: the sender hears that nobody is there.
                return;
            };
            let owner = process.owner;
            drop(spawn_for(owner, async move {
                let done = handle(process).await;
                let back = self.passage(route.to, route.from);
                drop(spawn_for(WORLD, async move {
                    let Some(back) = back else {
                        return hold(answer).await;
                    };
                    sleep(back).await;
                    // Nobody may wait for it any more.
                    drop(answer.send(done));
                }));
            }));
        }));
    }
}

/// Keeps the way of an answer open for as long as anybody waits, so that its silence is no answer.
async fn hold<R>(mut answer: oneshot::Sender<R>) {
    answer.cancellation().await;
}

/// Makes the ways of one member to the others.
pub struct Network {
    /// The cluster.
    pub cluster: Cluster,
    /// The member.
    pub from: NodeId,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, _node: &Member) -> Peer {
        let route = Route {
            from: self.from,
            to: target,
            may_repeat: true,
        };
        Peer {
            cluster: self.cluster.clone(),
            route,
        }
    }
}

/// The way from one member to another.
pub struct Peer {
    cluster: Cluster,
    route: Route,
}

type RpcError = RPCError<TypeConfig>;

fn stopped<E: std::error::Error + 'static>(error: E) -> RpcError {
    RPCError::Unreachable(Unreachable::new(&error))
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = std::sync::Arc<StoredState>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let handle = move |process: Process| {
            let request = request.clone();
            async move { process.raft.append_entries(request).await }
        };
        let answer = self.cluster.call(self.route, option.soft_ttl(), handle).await?;
        answer.map_err(stopped)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let handle = move |process: Process| {
            let request = request.clone();
            async move { process.raft.vote(request).await }
        };
        let answer = self.cluster.call(self.route, option.soft_ttl(), handle).await?;
        answer.map_err(stopped)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let handle = move |process: Process| {
            let request = request.clone();
            async move { process.raft.pre_vote(request).await }
        };
        let answer = self.cluster.call(self.route, option.soft_ttl(), handle).await?;
        answer.map_err(stopped)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + openraft::OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let handle = move |process: Process| {
            let snapshot = snapshot.clone();
            async move {
                let millis = runtime::random().random_range(10..300);
                sleep(Duration::from_millis(millis)).await;
                process.raft.install_full_snapshot(vote, snapshot).await
            }
        };
        let once = Route {
            may_repeat: false,
            ..self.route
        };
        let sending = Box::pin(self.cluster.call(once, SNAPSHOT_LIMIT, handle));
        match select(sending, Box::pin(cancel)).await {
            Either::Left((Ok(Ok(response)), _)) => Ok(response),
            Either::Left((Ok(Err(fatal)), _)) => Err(StreamingError::Unreachable(Unreachable::new(&fatal))),
            Either::Left((Err(lost), _)) => Err(StreamingError::Unreachable(Unreachable::new(&lost))),
            Either::Right((closed, _)) => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let handle = move |process: Process| {
            let request = request.clone();
            async move { process.raft.handle_transfer_leader(request).await }
        };
        let answer = self.cluster.call(self.route, option.soft_ttl(), handle).await?;
        answer.map_err(stopped)
    }
}
