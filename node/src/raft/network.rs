//! Client side of the peers' service: what openraft calls to reach another member.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use confman_store::codec::wire;
use confman_store::types::{
    AppendRequest, AppendResponse, AppendResult, NodeId, Snapshot, TransferRequest, Vote, VoteRequest, VoteResponse,
};
use confman_store::{Member, SnapshotDir, TypeConfig};
use futures::{Stream, StreamExt as _};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{SnapshotResponse, StreamAppendError, TransferLeaderResponse};
use tonic::{Status, Streaming};

use super::call_error::CallError;
use super::peers::{Health, MemberClients, Peers};
use super::wire::Frame;

/// A stream that owes an answer for two of these is given up.
const IDLE_WINDOW: Duration = Duration::from_secs(3);
/// Opening a stream includes connecting and a TLS handshake.
const SETUP_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of one snapshot frame.
const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;

type RpcError = RPCError<TypeConfig>;

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Peer {
        Peer {
            clients: self.member(target, node),
        }
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Peer {
        let clients = self.member(target, node).map(|clients| MemberClients {
            append: clients.control.clone(),
            ..clients
        });
        Peer { clients }
    }
}

/// One peer as openraft sees it.
pub struct Peer {
    /// None when the member's address is unusable.
    clients: Option<MemberClients>,
}

impl Peer {
    fn clients(&mut self) -> Result<&mut MemberClients, CallError> {
        let unusable = || CallError::NotConnected("the member's address is not usable".to_owned());
        self.clients.as_mut().ok_or_else(unusable)
    }

    /// One vote or pre-vote. Unreachable is an error: to grant for a peer that was never asked would elect an island.
    async fn ask_for_vote(
        &mut self,
        request: VoteRequest,
        pre_vote: bool,
        option: RPCOption,
    ) -> Result<VoteResponse, RpcError> {
        let client = &mut self.clients()?.control;
        let frame = Frame::new(wire::encode_vote_request(&request));
        let call = async {
            if pre_vote {
                client.pre_vote(frame).await
            } else {
                client.vote(frame).await
            }
        };
        let response = within(option.soft_ttl(), call).await?;
        Ok(wire::decode_vote_response(response.into_inner().body).map_err(CallError::from)?)
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotDir;

    async fn append_entries(&mut self, request: AppendRequest, option: RPCOption) -> Result<AppendResponse, RpcError> {
        // Appends outside a stream are a stream of one.
        let single = futures::stream::once(std::future::ready(request));
        let mut answers = self.stream_append(single, option).await?;
        match answers.next().await {
            Some(Ok(Ok(_))) => Ok(AppendResponse::Success),
            Some(Ok(Err(StreamAppendError::Conflict(_)))) => Ok(AppendResponse::Conflict),
            Some(Ok(Err(StreamAppendError::HigherVote(vote)))) => Ok(AppendResponse::HigherVote(vote)),
            Some(Err(error)) => Err(error),
            None => Err(CallError::Broken("the stream ended without an answer".to_owned()).into()),
        }
    }

    fn stream_append<S>(
        &mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'_, Result<BoxStream<'_, Result<AppendResult, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let MemberClients { append, health, .. } = self.clients()?;
            let owed = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&owed);
            let outgoing = input.map(move |request| {
                counter.fetch_add(1, Ordering::Relaxed);
                Frame::new(wire::encode_append_request(&request))
            });
            let incoming = within(SETUP_TIMEOUT, append.append(outgoing)).await;
            let incoming = incoming.inspect_err(|error| health.failed(error))?.into_inner();
            Ok(answers(incoming, owed, Arc::clone(health)))
        })
    }

    async fn vote(&mut self, request: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        self.ask_for_vote(request, false, option).await
    }

    async fn pre_vote(&mut self, request: VoteRequest, option: RPCOption) -> Result<VoteResponse, RpcError> {
        self.ask_for_vote(request, true, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let client = &mut self.clients()?.snapshot;
        let (frames, reading) = snapshot_frames(vote, snapshot.snapshot);
        let sending = client.snapshot(tokio_stream::wrappers::ReceiverStream::new(frames));
        let answer = tokio::select! {
            answer = sending => answer,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        // A local read error shows itself to the receiver as a stream that ends early; ours is the better message.
        if let Ok(Err(error)) = reading.await {
            return Err(CallError::Broken(format!("the snapshot cannot be read: {error}")).into());
        }
        let response = answer.map_err(CallError::from)?;
        let vote = wire::decode_vote(response.into_inner().body).map_err(CallError::from)?;
        Ok(SnapshotResponse::new(vote))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferRequest,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let client = &mut self.clients()?.control;
        let frame = Frame::new(wire::encode_transfer_request(&request));
        within(option.soft_ttl(), client.transfer_leader(frame)).await?;
        Ok(Ok(()))
    }
}

/// The answers in order, until the first error. While answers are owed and none comes, the stream is given up.
fn answers<'s>(
    incoming: Streaming<Frame>,
    owed: Arc<AtomicUsize>,
    health: Arc<Health>,
) -> BoxStream<'s, Result<AppendResult, RpcError>> {
    let stream = futures::stream::unfold(Some(incoming), move |state| {
        let (owed, health) = (Arc::clone(&owed), Arc::clone(&health));
        async move {
            let mut incoming = state?;
            let answer = match next_frame(&mut incoming, &owed).await? {
                Ok(frame) => wire::decode_append_result(frame.body).map_err(CallError::from),
                Err(error) => Err(error),
            };
            owed.fetch_sub(1, Ordering::Relaxed);
            match &answer {
                Ok(_) => health.answered(),
                Err(error) => health.failed(error),
            }
            let go_on = matches!(answer, Ok(Ok(_)));
            Some((answer.map_err(RpcError::from), go_on.then_some(incoming)))
        }
    });
    Box::pin(stream)
}

async fn next_frame(incoming: &mut Streaming<Frame>, owed: &AtomicUsize) -> Option<Result<Frame, CallError>> {
    let mut silent_windows = 0;
    loop {
        match tokio::time::timeout(IDLE_WINDOW, incoming.next()).await {
            Ok(next) => return next.map(|frame| frame.map_err(CallError::from)),
            Err(_) if owed.load(Ordering::Relaxed) == 0 => silent_windows = 0,
            // What is owed may have been sent at the end of the first window.
            Err(_) if silent_windows == 0 => silent_windows = 1,
            Err(_) => return Some(Err(CallError::Broken("appends are not answered".to_owned()))),
        }
    }
}

type SnapshotFrames = tokio::sync::mpsc::Receiver<Frame>;

/// Vote, manifest and chunks as frames, read from disk on a blocking thread while they are sent.
fn snapshot_frames(
    vote: Vote,
    files: SnapshotDir,
) -> (SnapshotFrames, tokio::task::JoinHandle<Result<(), std::io::Error>>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let reading = tokio::task::spawn_blocking(move || {
        let head = [
            wire::encode_vote(&vote),
            wire::encode_snapshot_manifest(files.manifest()),
        ];
        for body in head {
            if sender.blocking_send(Frame::new(body)).is_err() {
                return Ok(());
            }
        }
        for chunk in files.chunks(SNAPSHOT_CHUNK_BYTES) {
            let frame = Frame::new(wire::encode_snapshot_chunk(&chunk?));
            // The receiver is gone when the peer has refused, or the sending was cancelled.
            if sender.blocking_send(frame).is_err() {
                return Ok(());
            }
        }
        Ok(())
    });
    (receiver, reading)
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(CallError::from),
        Err(_) => Err(CallError::Broken(format!("no answer within {} ms", limit.as_millis()))),
    }
}
