//! Client side of the peers' service: what openraft calls to reach another member.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use confman_store::codec::CodecError;
use confman_store::codec::wire;
use confman_store::types::{
    AppendRequest, AppendResponse, AppendResult, NodeId, Snapshot, TransferRequest, Vote, VoteRequest, VoteResponse,
};
use confman_store::{Member, SnapshotDir, TypeConfig};
use futures::{Stream, StreamExt as _};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{SnapshotResponse, TransferLeaderResponse};
use openraft::{AnyError, OptionalSend};
use parking_lot::Mutex;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::channel::{Connector, PeerChannels};
use super::service::peer_client::PeerClient;
use super::wire::{CallHeaders, Frame, MAX_FRAME_BYTES, Speaker};

/// A client for one connection to one peer.
pub type Client = PeerClient<InterceptedService<Channel, CallHeaders>>;

/// A stream that owes an answer for two of these is given up.
const IDLE_WINDOW: Duration = Duration::from_secs(3);
/// Opening a stream includes connecting and a TLS handshake.
const SETUP_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of one snapshot frame.
const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;

/// Every connection of this node to its peers, kept as long as the node runs.
#[derive(Clone)]
pub struct Peers {
    speaker: Speaker,
    connector: Connector,
    channels: Arc<Mutex<HashMap<(NodeId, String), PeerChannels>>>,
}

impl Peers {
    /// No connection yet.
    pub fn new(speaker: Speaker, connector: Connector) -> Self {
        Self {
            speaker,
            connector,
            channels: Arc::default(),
        }
    }

    /// Who this node is.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// How connections are made.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Clients for forwarded writes and for control calls to `member`; none for an address that is no address.
    pub fn member(&self, id: NodeId, member: &Member) -> Option<MemberClients> {
        let channels = self.channels(id, member)?;
        let headers = CallHeaders::new(&self.speaker, id);
        Some(MemberClients {
            forward: client(channels.forward, headers.clone()),
            control: client(channels.control, headers),
        })
    }

    fn channels(&self, id: NodeId, member: &Member) -> Option<PeerChannels> {
        let mut known = self.channels.lock();
        let key = (id, member.address.clone());
        if let Some(found) = known.get(&key) {
            return Some(found.clone());
        }
        match self.connector.channels(&member.address) {
            Ok(made) => {
                known.insert(key, made.clone());
                Some(made)
            }
            Err(error) => {
                tracing::error!(node = id, address = member.address, %error, "address of a member is not usable");
                None
            }
        }
    }

    fn peer(&self, id: NodeId, member: &Member, lane: Lane) -> Peer {
        let clients = self.channels(id, member).map(|channels| {
            let headers = CallHeaders::new(&self.speaker, id);
            let append = match lane {
                Lane::Append => channels.append,
                Lane::Control => channels.control.clone(),
            };
            PeerClients {
                append: client(append, headers.clone()),
                control: client(channels.control, headers.clone()),
                snapshot: client(channels.snapshot, headers),
            }
        });
        Peer { clients }
    }
}

/// Which connection carries the appends of a [`Peer`].
#[derive(Clone, Copy)]
enum Lane {
    Append,
    Control,
}

/// Clients that the write and read paths use.
#[derive(Clone)]
pub struct MemberClients {
    /// Forwarded writes.
    pub forward: Client,
    /// Read indexes.
    pub control: Client,
}

fn client(channel: Channel, headers: CallHeaders) -> Client {
    PeerClient::with_interceptor(channel, headers)
        .max_decoding_message_size(MAX_FRAME_BYTES)
        .max_encoding_message_size(MAX_FRAME_BYTES)
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Peer {
        self.peer(target, node, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Peer {
        self.peer(target, node, Lane::Control)
    }
}

/// One peer as openraft sees it.
pub struct Peer {
    /// None when the member's address is unusable.
    clients: Option<PeerClients>,
}

struct PeerClients {
    append: Client,
    control: Client,
    snapshot: Client,
}

type RpcError = RPCError<TypeConfig>;

impl Peer {
    fn clients(&mut self) -> Result<&mut PeerClients, Unreachable<TypeConfig>> {
        self.clients
            .as_mut()
            .ok_or_else(|| unreachable_peer("the member's address is not usable"))
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
        wire::decode_vote_response(response.into_inner().body).map_err(undecodable)
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
            Some(Ok(Err(openraft::raft::StreamAppendError::Conflict(_)))) => Ok(AppendResponse::Conflict),
            Some(Ok(Err(openraft::raft::StreamAppendError::HigherVote(vote)))) => Ok(AppendResponse::HigherVote(vote)),
            Some(Err(error)) => Err(error),
            None => Err(network_error("the stream ended without an answer").into()),
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
            let client = &mut self.clients()?.append;
            let owed = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&owed);
            let outgoing = input.map(move |request| {
                counter.fetch_add(1, Ordering::Relaxed);
                Frame::new(wire::encode_append_request(&request))
            });
            let incoming = within(SETUP_TIMEOUT, client.append(outgoing)).await?.into_inner();
            Ok(answers(incoming, owed))
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
            return Err(StreamingError::Network(NetworkError::new(&error)));
        }
        let response = answer.map_err(|status| streaming_error(&status))?;
        let vote = wire::decode_vote(response.into_inner().body)
            .map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
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
fn answers<'s>(incoming: Streaming<Frame>, owed: Arc<AtomicUsize>) -> BoxStream<'s, Result<AppendResult, RpcError>> {
    let stream = futures::stream::unfold(Some(incoming), move |state| {
        let owed = Arc::clone(&owed);
        async move {
            let mut incoming = state?;
            let answer = match next_frame(&mut incoming, &owed).await? {
                Ok(frame) => wire::decode_append_result(frame.body).map_err(undecodable),
                Err(error) => Err(error),
            };
            owed.fetch_sub(1, Ordering::Relaxed);
            let go_on = matches!(answer, Ok(Ok(_)));
            Some((answer, go_on.then_some(incoming)))
        }
    });
    Box::pin(stream)
}

async fn next_frame(incoming: &mut Streaming<Frame>, owed: &AtomicUsize) -> Option<Result<Frame, RpcError>> {
    let mut silent_windows = 0;
    loop {
        match tokio::time::timeout(IDLE_WINDOW, incoming.next()).await {
            Ok(next) => return next.map(|frame| frame.map_err(|status| rpc_error(&status))),
            Err(_) if owed.load(Ordering::Relaxed) == 0 => silent_windows = 0,
            // What is owed may have been sent at the end of the first window.
            Err(_) if silent_windows == 0 => silent_windows = 1,
            Err(_) => return Some(Err(network_error("the peer does not answer appends").into())),
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

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, RpcError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(rpc_error(&status)),
        Err(_) => Err(network_error(&format!("no answer within {} ms", limit.as_millis())).into()),
    }
}

/// True if the request never left this node.
pub fn was_not_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Only what will not be better at once makes openraft back off: no connection, or a peer that is somebody else.
fn rpc_error(status: &Status) -> RpcError {
    if was_not_sent(status) || status.code() == Code::FailedPrecondition {
        RPCError::Unreachable(unreachable_peer(status.message()))
    } else {
        RPCError::Network(network_error(&format!("{:?}: {}", status.code(), status.message())))
    }
}

fn streaming_error(status: &Status) -> StreamingError<TypeConfig> {
    match rpc_error(status) {
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::RemoteError(error) => StreamingError::Network(NetworkError::new(&error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn undecodable(error: CodecError) -> RpcError {
    RPCError::Network(NetworkError::new(&error))
}

fn network_error(text: &str) -> NetworkError<TypeConfig> {
    NetworkError::new(&AnyError::error(text))
}

fn unreachable_peer(text: &str) -> Unreachable<TypeConfig> {
    Unreachable::new(&AnyError::error(text))
}
