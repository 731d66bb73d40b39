//! Bootstrap, exactly once: the courier asks ordinal 0 with the one-use token; it begins only when every other member
//! has answered that it is empty and was given the same token, and there is no time after which it begins without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use confman_api::internal::Initialise;
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_core::cluster::ClusterRecord;
use confman_core::ids::ClusterId;
use confman_core::outcome::Rejection;
use confman_core::proposal::{Command, InitialiseCluster};
use confman_store::types::NodeId;
use confman_store::{IdentityFile, Member, StateReader};
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{InitializeError, RaftError};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::Raft;
use super::peers::Peers;
use super::service::bootstrap_client::BootstrapClient;
use super::status::matched_index;
use super::wire::{CallHeaders, Frame, HelloRequest, HelloResponse};
use crate::propose::{Answered, Origin, ProposeError, Proposer};

/// One question to one peer; it is asked again with the next call of the courier.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The first election of a new cluster, on a busy machine.
const FIRST_LEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Bootstraps this node's cluster, and answers peers that bootstrap theirs. Cheap to clone.
#[derive(Clone)]
pub struct Bootstrap {
    inner: Arc<Inner>,
}

struct Inner {
    options: BootstrapOptions,
    raft: Raft,
    peers: Peers,
    proposer: Proposer,
    state: StateReader,
    identity: IdentityFile,
    was_used: bool,
    /// Two calls at once must not both ask and initialise.
    one_at_a_time: Mutex<()>,
}

/// What this node knows about its own bootstrap.
#[derive(Clone, Debug)]
pub struct BootstrapOptions {
    /// The cluster this node was made for.
    pub cluster_id: ClusterId,
    /// Where its peers reach this node, `host:port`.
    pub advertised: String,
    /// File with the one-use token; none (or no such file) once the cluster exists.
    pub token_file: Option<PathBuf>,
}

/// The parts of the node that bootstrap needs.
pub struct BootstrapParts {
    /// The Raft.
    pub raft: Raft,
    /// Connections to peers.
    pub peers: Peers,
    /// The write path.
    pub proposer: Proposer,
    /// The state.
    pub state: StateReader,
    /// Identity on the volume.
    pub identity: IdentityFile,
    /// True if the volume had a log, a vote or members when the node was started.
    pub was_used: bool,
}

impl Bootstrap {
    /// Bootstrap over the parts of a node.
    pub fn new(options: BootstrapOptions, parts: BootstrapParts) -> Self {
        let BootstrapParts {
            raft,
            peers,
            proposer,
            state,
            identity,
            was_used,
        } = parts;
        Self {
            inner: Arc::new(Inner {
                options,
                raft,
                peers,
                proposer,
                state,
                identity,
                was_used,
                one_at_a_time: Mutex::new(()),
            }),
        }
    }

    /// Writes the cluster id beside the node id as soon as the state has one, so that the volume never serves another.
    pub async fn remember_cluster(self, stop: CancellationToken) {
        let Inner { state, identity, .. } = &*self.inner;
        let mut applied = state.watch_applied();
        loop {
            if let Some(cluster) = state.cluster() {
                if let Err(error) = identity.set_cluster_id(&cluster.cluster_id) {
                    tracing::error!(%error, "the cluster id cannot be written beside the node id");
                }
                return;
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Bootstraps the cluster, or answers what came of it when it exists.
    pub async fn initialise(&self, body: Initialise, origin: Origin) -> Result<Answered, Problem> {
        let _turn = self.inner.one_at_a_time.lock().await;
        let known = self.inner.state.cluster();
        self.check_cluster(&body, known.as_deref())?;
        // The cluster's record ends bootstrap, not Raft's first entry: what this body says enters with the record.
        if known.is_none() {
            self.check_token(&body.token).await?;
            self.check_members(&body.members)?;
            if self.is_initialised().await? {
                self.check_membership(&body.members)?;
            } else {
                let members = self.ask_everybody(&body).await?;
                self.initialise_raft(members).await?;
            }
        }
        self.propose(body, origin).await
    }

    fn check_cluster(&self, body: &Initialise, known: Option<&ClusterRecord>) -> Result<(), Problem> {
        if let Some(cluster) = known
            && cluster.cluster_id != body.cluster_id
        {
            let cluster_id = cluster.cluster_id.clone();
            return Err(Problem::from_rejection(Rejection::ClusterAlreadyInitialised {
                cluster_id,
            }));
        }
        let own = &self.inner.options.cluster_id;
        if body.cluster_id != *own {
            let detail = format!("this node was made for cluster {own}");
            return Err(Problem::new(ProblemType::Conflict, detail).field("clusterId"));
        }
        Ok(())
    }

    async fn check_token(&self, given: &str) -> Result<(), Problem> {
        let own = self.token_digest().await?.ok_or_else(|| {
            Problem::new(
                ProblemType::Forbidden,
                "this node was started without a bootstrap token",
            )
            .field("token")
        })?;
        if bool::from(own.ct_eq(&sha256(given.trim().as_bytes()))) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemType::Forbidden,
            "the token is not the one this node was started with",
        )
        .field("token"))
    }

    /// Digest of the token file, read each time: the operator may write it after the pod has started.
    async fn token_digest(&self) -> Result<Option<[u8; 32]>, Problem> {
        let Some(path) = &self.inner.options.token_file else {
            return Ok(None);
        };
        match tokio::fs::read_to_string(path).await {
            Ok(text) if !text.trim().is_empty() => Ok(Some(sha256(text.trim().as_bytes()))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(internal(&error)),
        }
    }

    fn check_members(&self, members: &[String]) -> Result<(), Problem> {
        let invalid = |detail: String| Problem::new(ProblemType::InvalidBody, detail).field("members");
        if members.is_empty() || members.len() > limits::MEMBERS.value {
            let problem = invalid(format!("{} members", members.len()));
            return Err(problem.limit(format!("1 to {}", limits::MEMBERS.text())));
        }
        if members.iter().collect::<BTreeSet<_>>().len() != members.len() {
            return Err(invalid("an address is named twice".to_owned()));
        }
        match members.first() {
            Some(first) if *first == self.inner.options.advertised => Ok(()),
            Some(first) => Err(invalid(format!(
                "only the first member bootstraps: that is {first}, this is {}",
                self.inner.options.advertised
            ))),
            None => Err(invalid("no member".to_owned())),
        }
    }

    /// An earlier call began Raft and wrote no record: only the same members can go on.
    fn check_membership(&self, members: &[String]) -> Result<(), Problem> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        let begun: BTreeSet<&String> = nodes.map(|(_, member)| &member.address).collect();
        if begun == members.iter().collect() {
            return Ok(());
        }
        let begun = Vec::from_iter(begun);
        let detail = format!("this cluster has begun with other members: {begun:?}");
        Err(Problem::new(ProblemType::Conflict, detail).field("members"))
    }

    /// The ids of all members, this one's included, once every one of them agrees.
    async fn ask_everybody(&self, body: &Initialise) -> Result<BTreeMap<NodeId, Member>, Problem> {
        let token_sha256 = Bytes::copy_from_slice(&sha256(body.token.trim().as_bytes()));
        let others = body.members.iter().skip(1);
        let answers =
            futures::future::join_all(others.map(|address| ask_who(&self.inner.peers, address, token_sha256.clone())))
                .await;
        let own = Member {
            address: self.inner.options.advertised.clone(),
        };
        let mut members = BTreeMap::from([(self.inner.identity.get().node_id, own)]);
        for (address, answer) in body.members.iter().skip(1).zip(answers) {
            let id = agreed(address, answer)?;
            let member = Member {
                address: address.clone(),
            };
            if members.insert(id, member).is_some() {
                let detail = format!("{address} is a member that another address names too");
                return Err(Problem::new(ProblemType::InvalidBody, detail).field("members"));
            }
        }
        Ok(members)
    }

    async fn initialise_raft(&self, members: BTreeMap<NodeId, Member>) -> Result<(), Problem> {
        tracing::info!(
            members = members.len(),
            "every member is empty and has the token; initialising Raft"
        );
        match self.inner.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(internal(&error)),
        }
    }

    /// Writes the cluster's record; the state machine answers a repeat of the same like the first.
    async fn propose(&self, body: Initialise, origin: Origin) -> Result<Answered, Problem> {
        let leader = self.inner.raft.wait(Some(FIRST_LEADER_TIMEOUT));
        // Without a leader by then, proposing says so.
        let _ = leader
            .metrics(|metrics| metrics.current_leader.is_some(), "a first leader")
            .await;
        let Initialise {
            token: _,
            cluster_id,
            kubernetes_namespace,
            name,
            members: _,
            root_admins,
            workflow,
            stamp_key,
            identity,
        } = body;
        let command = Command::InitialiseCluster(InitialiseCluster {
            cluster_id,
            kubernetes_namespace,
            name,
            root_admins,
            workflow,
            stamp_key: Some(stamp_key),
            identity,
        });
        self.inner
            .proposer
            .propose(command, origin)
            .await
            .map_err(|error| propose_problem(&error))
    }

    async fn is_initialised(&self) -> Result<bool, Problem> {
        self.inner.raft.is_initialized().await.map_err(|error| internal(&error))
    }
}

#[tonic::async_trait]
impl super::service::bootstrap_server::Bootstrap for Bootstrap {
    async fn hello(&self, request: Request<Frame>) -> Result<Response<Frame>, Status> {
        let request: HelloRequest = request.into_inner().read()?;
        let unavailable = |problem: Problem| Status::unavailable(problem.detail);
        let own = self.token_digest().await.map_err(unavailable)?;
        let same_token = own.is_some_and(|own| bool::from(own.as_slice().ct_eq(&request.token_sha256)));
        // Raft answers nothing before it runs, and nodes that start together ask each other before.
        let is_used = self.inner.was_used || self.is_initialised().await.map_err(unavailable)?;
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let response = HelloResponse {
            node_id: self.inner.identity.get().node_id,
            empty: !is_used,
            same_token,
            matched_index: matched_index(&metrics, request.node_id).unwrap_or(0),
            term: metrics.current_term,
        };
        Ok(Response::new(Frame::of(&response)))
    }
}

/// Who is at `address`, and whether it is empty and was given the token with this digest.
pub(super) async fn ask_who(peers: &Peers, address: &str, token_sha256: Bytes) -> Result<HelloResponse, String> {
    let channel = peers.connector().channel(address).map_err(|error| error.to_string())?;
    let headers = CallHeaders::new(peers.speaker(), 0);
    let mut client = BootstrapClient::with_interceptor(channel, headers);
    let frame = Frame::of(&HelloRequest {
        token_sha256,
        node_id: peers.speaker().node_id,
    });
    match tokio::time::timeout(HELLO_TIMEOUT, client.hello(frame)).await {
        Ok(Ok(answer)) => answer.into_inner().read().map_err(|status| status.message().to_owned()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err(format!("no answer within {} ms", HELLO_TIMEOUT.as_millis())),
    }
}

/// The peer's id, if it may become a member.
fn agreed(address: &str, answer: Result<HelloResponse, String>) -> Result<NodeId, Problem> {
    match answer {
        Err(reason) => {
            let detail = format!("waiting for {address}: {reason}");
            Err(Problem::new(ProblemType::NotInitialised, detail))
        }
        Ok(HelloResponse { same_token: false, .. }) => {
            let detail = format!("waiting for {address}: it was not started with this token");
            Err(Problem::new(ProblemType::NotInitialised, detail).field("token"))
        }
        Ok(HelloResponse { empty: false, .. }) => {
            let detail = format!("{address} belongs to a cluster already; a new one needs empty volumes");
            Err(Problem::new(ProblemType::Conflict, detail).field("members"))
        }
        Ok(HelloResponse { node_id, .. }) => Ok(node_id),
    }
}

/// The problem that a write without a verdict is answered with.
pub fn propose_problem(error: &ProposeError) -> Problem {
    let kind = match error {
        ProposeError::NoLeader => ProblemType::NoLeader,
        ProposeError::Overloaded => ProblemType::Overloaded,
        ProposeError::StorageFull => ProblemType::StorageFull,
        ProposeError::Unauthorized(_) => ProblemType::Unauthorized,
        ProposeError::OutcomeUnknown(_) => ProblemType::OutcomeUnknown,
    };
    Problem::new(kind, error.to_string())
}

fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "bootstrap failed");
    Problem::new(ProblemType::Internal, "the node failed; its log says why")
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
