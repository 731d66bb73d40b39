//! Server side of the peers' service: decodes, hands to openraft, encodes. Headers are checked before (see
//! [`super::wire::CheckHeaders`]), certificates in the handshake (see [`crate::tls`]).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use confman_store::codec::CodecError;
use confman_store::codec::wire;
use confman_store::types::{AppendRequest, Vote};
use confman_store::{SnapshotInbox, SnapshotManifest, SnapshotReceiver, StateReader};
use futures::{Stream, StreamExt as _};
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::SnapshotResponse;
use openraft::{ReadPolicy, Snapshot};
use parking_lot::Mutex;
use tonic::{Request, Response, Status, Streaming};

use super::Raft;
use super::forward;
use super::freshness::Freshness;
use super::membership::Membership;
use super::report::Reporter;
use super::service::peer_server::Peer;
use super::wire::{Frame, MembershipRequest, MembershipResponse, sender};
use crate::auth::authenticator::Authenticator;
use crate::propose::Proposer;

/// What the peers' service needs of the node.
#[derive(Clone)]
pub struct PeerService {
    /// The Raft.
    pub raft: Raft,
    /// The state, for how far it is applied.
    pub reader: StateReader,
    /// Where received snapshots are written.
    pub inbox: SnapshotInbox,
    /// The write path.
    pub proposer: Proposer,
    /// Whom this node lets in, also in forwarded writes.
    pub authenticator: Arc<Authenticator>,
    /// What readers know about the leader's last message.
    pub freshness: Freshness,
    /// What this node says of itself.
    pub reporter: Reporter,
    /// Who is a member.
    pub membership: Membership,
}

type Frames = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

#[tonic::async_trait]
impl Peer for PeerService {
    type AppendStream = Frames;
    type ForwardStream = Frames;

    async fn append(&self, request: Request<Streaming<Frame>>) -> Result<Response<Frames>, Status> {
        let heard: Arc<Mutex<VecDeque<Heard>>> = Arc::default();
        let requests = decoded_appends(request.into_inner(), Arc::clone(&heard));
        let (reader, freshness) = (self.reader.clone(), self.freshness.clone());
        let answers = self.raft.stream_append(requests).map(move |answer| {
            let message = heard.lock().pop_front();
            let result = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
            if let (Ok(_), Some(message)) = (&result, message) {
                freshness.heard(message.commit, message.at, applied_index(&reader));
            }
            Ok(Frame::new(wire::encode_append_result(&result)))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn vote(&self, request: Request<Frame>) -> Result<Response<Frame>, Status> {
        let request = wire::decode_vote_request(request.into_inner().body).map_err(undecodable)?;
        let response = self.raft.vote(request).await.map_err(unavailable)?;
        Ok(Response::new(Frame::new(wire::encode_vote_response(&response))))
    }

    async fn pre_vote(&self, request: Request<Frame>) -> Result<Response<Frame>, Status> {
        let request = wire::decode_vote_request(request.into_inner().body).map_err(undecodable)?;
        let response = self.raft.pre_vote(request).await.map_err(unavailable)?;
        Ok(Response::new(Frame::new(wire::encode_vote_response(&response))))
    }

    async fn transfer_leader(&self, request: Request<Frame>) -> Result<Response<Frame>, Status> {
        let request = wire::decode_transfer_request(request.into_inner().body).map_err(undecodable)?;
        match self.raft.handle_transfer_leader(request).await.map_err(unavailable)? {
            Ok(()) => Ok(Response::new(Frame::default())),
            Err(refused) => Err(Status::aborted(refused.to_string())),
        }
    }

    async fn snapshot(&self, request: Request<Streaming<Frame>>) -> Result<Response<Frame>, Status> {
        let mut frames = request.into_inner();
        let vote = wire::decode_vote(next_body(&mut frames).await?).map_err(undecodable)?;
        if let Some(higher) = self.higher_vote(&vote) {
            return Ok(Response::new(Frame::new(wire::encode_vote(&higher))));
        }
        let manifest = wire::decode_snapshot_manifest(next_body(&mut frames).await?).map_err(undecodable)?;
        let meta = manifest.meta.clone();
        tracing::info!(snapshot = %meta, "receiving a snapshot");
        let files = receive(&self.inbox, manifest, frames).await?;
        let snapshot = Snapshot { meta, snapshot: files };
        let response: SnapshotResponse<_> = self
            .raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(unavailable)?;
        Ok(Response::new(Frame::new(wire::encode_vote(&response.vote))))
    }

    async fn forward(&self, request: Request<Streaming<Frame>>) -> Result<Response<Frames>, Status> {
        let leader = forward::Leader {
            proposer: self.proposer.clone(),
            authenticator: Arc::clone(&self.authenticator),
        };
        let answers = forward::serve(leader, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn read_index(&self, _request: Request<Frame>) -> Result<Response<Frame>, Status> {
        let linearizer = self
            .raft
            .get_read_linearizer(ReadPolicy::ReadIndex)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let body = wire::encode_log_id(linearizer.read_log_id().log_id());
        Ok(Response::new(Frame::new(body)))
    }

    async fn membership(&self, request: Request<Frame>) -> Result<Response<Frame>, Status> {
        // A member that was removed still has its certificate.
        if !sender(request.metadata()).is_some_and(|from| self.membership.knows(from)) {
            return Err(Status::permission_denied("only members change the cluster"));
        }
        let request: MembershipRequest = request.into_inner().read()?;
        let ask = request
            .ask
            .ok_or_else(|| Status::invalid_argument("nothing that this node knows is asked"))?;
        let changed = self.membership.change_here(&ask, &request.by).await?;
        Ok(Response::new(Frame::of(&MembershipResponse::of(changed))))
    }

    async fn report(&self, _request: Request<Frame>) -> Result<Response<Frame>, Status> {
        Ok(Response::new(Frame::of(&self.reporter.own())))
    }
}

impl PeerService {
    /// Our vote, if it is above the sender's: gigabytes of a deposed leader are not worth receiving.
    fn higher_vote(&self, vote: &Vote) -> Option<Vote> {
        let ours = self.raft.metrics().borrow_watched().vote;
        (ours > *vote).then_some(ours)
    }
}

/// A leader's message that waits for its acceptance.
struct Heard {
    commit: u64,
    at: Instant,
}

/// The requests, until the stream ends or one cannot be decoded: what follows a gap must not be appended.
fn decoded_appends(
    frames: Streaming<Frame>,
    heard: Arc<Mutex<VecDeque<Heard>>>,
) -> impl Stream<Item = AppendRequest> + Send + 'static {
    futures::stream::unfold(frames, move |mut frames| {
        let heard = Arc::clone(&heard);
        async move {
            let frame = frames.next().await?.ok()?;
            match wire::decode_append_request(frame.body) {
                Ok(request) => {
                    let commit = request.leader_commit.as_ref().map_or(0, |log_id| log_id.index);
                    let at = Instant::now();
                    heard.lock().push_back(Heard { commit, at });
                    Some((request, frames))
                }
                Err(error) => {
                    tracing::error!(%error, "a peer's append cannot be decoded; its stream is closed");
                    None
                }
            }
        }
    })
}

async fn receive(
    inbox: &SnapshotInbox,
    manifest: SnapshotManifest,
    mut frames: Streaming<Frame>,
) -> Result<confman_store::SnapshotDir, Status> {
    let inbox = inbox.clone();
    let mut receiver = blocking(move || inbox.begin(manifest)).await?;
    while let Some(frame) = frames.next().await {
        let chunk = wire::decode_snapshot_chunk(frame?.body).map_err(undecodable)?;
        receiver = blocking(move || write(receiver, &chunk)).await?;
    }
    blocking(move || receiver.finish()).await
}

fn write(
    mut receiver: SnapshotReceiver,
    chunk: &confman_store::SnapshotChunk,
) -> Result<SnapshotReceiver, confman_store::SnapshotError> {
    receiver.write(chunk)?;
    Ok(receiver)
}

/// Runs file work on a blocking thread.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "a snapshot cannot be received");
            Err(Status::aborted(error.to_string()))
        }
        Err(_) => Err(Status::aborted("the node is stopping")),
    }
}

async fn next_body(frames: &mut Streaming<Frame>) -> Result<bytes::Bytes, Status> {
    match frames.next().await {
        Some(frame) => Ok(frame?.body),
        None => Err(Status::invalid_argument("the snapshot stream ended early")),
    }
}

fn applied_index(reader: &StateReader) -> u64 {
    reader.applied().map_or(0, |position| position.index)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn undecodable(error: CodecError) -> Status {
    Status::invalid_argument(format!("cannot decode the message: {error}"))
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
