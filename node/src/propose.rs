//! The one write path: the leader stamps the time, encodes once and appends; a follower forwards over the peer
//! connection. Callers are authorised before, the rules decide after, and nobody is ever redirected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_api::limits;
use confman_core::idempotency::Idempotency;
use confman_core::ids::{LogPosition, Timestamp};
use confman_core::outcome::Rejection;
use confman_core::proposal::{Command, Proposal};
use confman_store::types::NodeId;
use confman_store::{Answer, EncodedProposal, Member, TypeConfig, Verdict};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, Fatal, RaftError};
use openraft::raft::WriteResult;
use opentelemetry::trace::SpanKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::applies::Applies;
use crate::auth::credential::Credential;
use crate::http::trace::{Trace, traceparent};
use crate::judge::{Judge, JudgeError};
use crate::metrics::Metrics;
use crate::raft::Raft;
use crate::raft::forward::{Forwarded, Forwarder};
use crate::room::Room;
use crate::spans::Span;

/// How often a write looks for a leader while there is none; a change of leadership is seen at once.
const LEADER_POLL: Duration = Duration::from_millis(50);
/// How often a change is judged again because what it was judged by has moved.
const MOST_JUDGEMENTS: u32 = 16;

/// On whose behalf a command is offered.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What the caller was authenticated by.
    pub credential: Credential,
    /// Trace id of the call.
    pub trace_id: Option<String>,
    /// What tells a repeat of the call from another one.
    pub idempotency: Option<Idempotency>,
}

/// Why a write has no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was written: no leader within [`limits::LEADER_WAIT`].
    #[error("the cluster has no leader; nothing was written")]
    NoLeader,
    /// Nothing was written: [`limits::WRITES`] writes wait already.
    #[error("{} writes wait for their commit already; nothing was written", limits::WRITES.value)]
    Overloaded,
    /// Nothing was written: the volume of the leader, or of so many others that no majority has room, is almost full.
    #[error("the volumes of the nodes are almost full; nothing was written")]
    StorageFull,
    /// Nothing was written: the leader does not accept the caller's credential.
    #[error("the leader does not accept the credential: {0}; nothing was written")]
    Unauthorized(String),
    /// It may or may not have been written.
    #[error("it is not known whether the write happened: {0}")]
    OutcomeUnknown(String),
}

/// What came of one try to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Committed and applied.
    Answered(Answer),
    /// Certainly not written; another try is safe.
    NotLeader,
    /// Certainly not written; the leader is busy.
    Overloaded,
    /// Certainly not written; the volume is almost full.
    StorageFull,
    /// Certainly not written; the leader does not accept the credential.
    Unauthorized(String),
    /// May be written; another try is not safe.
    Unknown(String),
}

/// A committed command: where it stands, and what the rules said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Position of its entry.
    pub position: LogPosition,
    /// Accepted or refused.
    pub verdict: Verdict,
}

/// Offers commands to the log. Cheap to clone.
#[derive(Clone)]
pub struct Proposer {
    inner: Arc<Inner>,
}

struct Inner {
    raft: Raft,
    forwarder: Forwarder,
    judge: Judge,
    places: Arc<Semaphore>,
    room: Room,
    metrics: Metrics,
    applies: Applies,
}

/// Where the leader is.
enum Leader {
    Here,
    There(NodeId, Member),
    Unknown,
}

impl Proposer {
    /// A write path over `raft`, and over `forwarder` where another node leads.
    pub fn new(
        raft: Raft,
        forwarder: Forwarder,
        (judge, room): (Judge, Room),
        (metrics, applies): (Metrics, Applies),
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits::WRITES.value));
        Self {
            inner: Arc::new(Inner {
                raft,
                forwarder,
                judge,
                places,
                room,
                metrics,
                applies,
            }),
        }
    }

    /// Writes that wait for their commit now.
    pub(crate) fn in_flight(&self) -> u64 {
        crate::metrics::taken(&self.inner.places, limits::WRITES.value)
    }

    /// Writes `command` and waits until it is committed and applied on the leader.
    pub async fn propose(&self, command: Command, origin: Origin) -> Result<Answered, ProposeError> {
        let name = command_name(&command);
        let span = Trace::current_span().child("propose", SpanKind::Internal);
        span.set("confman.command", name);
        let started = Instant::now();
        let result = self.route(command, origin, &span).await;
        let word = self.inner.metrics.proposed(name, &result, started.elapsed());
        span.set("confman.result", word);
        result
    }

    async fn route(&self, command: Command, origin: Origin, span: &Span) -> Result<Answered, ProposeError> {
        let Origin {
            credential,
            trace_id,
            idempotency,
        } = origin;
        let _place = self.inner.places.try_acquire().map_err(|_| ProposeError::Overloaded)?;
        let proposal = Proposal {
            proposed_at: now(),
            trace_id,
            idempotency,
            command,
        };
        let give_up = Instant::now() + Duration::from_millis(limits::LEADER_WAIT.value as u64);
        let mut judged = 0;
        loop {
            let attempt = match self.leader() {
                Leader::Here => self.append(proposal.clone(), span).await,
                Leader::There(id, member) => {
                    let forwarded = Forwarded {
                        proposal: EncodedProposal::encode(&proposal).as_bytes().clone(),
                        credential: credential.clone(),
                        traceparent: None,
                    };
                    self.forward((id, &member), forwarded, span).await
                }
                Leader::Unknown => Attempt::NotLeader,
            };
            match attempt {
                // What the schemas looked at has moved since: another look.
                Attempt::Answered(answer) if is_outdated(&answer) && judged < MOST_JUDGEMENTS => judged += 1,
                Attempt::Answered(answer) => return answered(answer),
                Attempt::Overloaded => return Err(ProposeError::Overloaded),
                Attempt::StorageFull => return Err(ProposeError::StorageFull),
                Attempt::Unauthorized(detail) => return Err(ProposeError::Unauthorized(detail)),
                Attempt::Unknown(detail) => return Err(ProposeError::OutcomeUnknown(detail)),
                Attempt::NotLeader if Instant::now() >= give_up => return Err(ProposeError::NoLeader),
                Attempt::NotLeader => self.leadership_change(LEADER_POLL).await,
            }
        }
    }

    /// Writes `command` of this node itself, once and only while it leads; never forwards it.
    pub async fn propose_here(&self, command: Command) -> Result<Answered, ProposeError> {
        let name = command_name(&command);
        let started = Instant::now();
        let result = self.append_own(command).await;
        self.inner.metrics.proposed(name, &result, started.elapsed());
        result
    }

    async fn append_own(&self, command: Command) -> Result<Answered, ProposeError> {
        let _place = self.inner.places.try_acquire().map_err(|_| ProposeError::Overloaded)?;
        let proposal = Proposal {
            proposed_at: now(),
            trace_id: None,
            idempotency: None,
            command,
        };
        match self.append(proposal, &Span::default()).await {
            Attempt::Answered(answer) => answered(answer),
            Attempt::NotLeader => Err(ProposeError::NoLeader),
            Attempt::Overloaded => Err(ProposeError::Overloaded),
            Attempt::StorageFull => Err(ProposeError::StorageFull),
            Attempt::Unauthorized(detail) => Err(ProposeError::Unauthorized(detail)),
            Attempt::Unknown(detail) => Err(ProposeError::OutcomeUnknown(detail)),
        }
    }

    /// Writes what a follower forwarded and its credentials allow, in one piece; never forwards it again. One attempt a
    /// proposal, in order. Each span lasts until its attempt.
    pub(crate) async fn append_forwarded(&self, writes: Vec<(Proposal, Span)>) -> BoxStream<'static, Attempt> {
        let count = writes.len();
        let every = |attempt: Attempt| futures::stream::iter(vec![attempt; count]).boxed();
        if self.inner.room.is_short() {
            return every(Attempt::StorageFull);
        }
        let wanted = u32::try_from(count).unwrap_or(u32::MAX);
        let Ok(places) = Arc::clone(&self.inner.places).try_acquire_many_owned(wanted) else {
            return every(Attempt::Overloaded);
        };
        let judged: Vec<_> = writes
            .into_iter()
            .map(|(proposal, span)| (self.judged(proposal), span))
            .collect();
        if judged.iter().any(|(judged, _)| judged.is_err()) {
            return self.append_one_by_one(judged, places);
        }
        let (judged, spans): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
        let entries: Vec<_> = judged.into_iter().flatten().map(stamped).collect();
        let applies = self.inner.applies.clone();
        let offered = Instant::now();
        match self.inner.raft.client_write_many(entries).await {
            Ok(results) => results
                .zip(futures::stream::iter(spans))
                .map(move |(result, span)| {
                    // The places are taken until the last answer.
                    let _ = &places;
                    let attempt = attempt(result);
                    if let Attempt::Answered(answer) = &attempt {
                        applies.answered(answer.position.index, offered, &span);
                    }
                    attempt
                })
                .boxed(),
            Err(fatal) => every(Attempt::Unknown(fatal.to_string())),
        }
    }

    /// Where some are refused before they are written: each on its own, in order.
    fn append_one_by_one(
        &self,
        judged: Vec<(Result<Proposal, Attempt>, Span)>,
        places: OwnedSemaphorePermit,
    ) -> BoxStream<'static, Attempt> {
        let proposer = self.clone();
        let places = Arc::new(places);
        futures::stream::iter(judged)
            .then(move |(judged, span)| {
                let (proposer, places) = (proposer.clone(), Arc::clone(&places));
                async move {
                    // The places are taken until the last answer.
                    let _places = places;
                    match judged {
                        Ok(proposal) => proposer.write(proposal, &span).await,
                        Err(attempt) => attempt,
                    }
                }
            })
            .boxed()
    }

    /// `proposal` with what the leader adds; or its answer, where it is refused before it is written.
    fn judged(&self, proposal: Proposal) -> Result<Proposal, Attempt> {
        let refused = |rejection| {
            let position = self.inner.judge.applied();
            Attempt::Answered(Answer {
                position,
                verdict: Some(Err(rejection)),
            })
        };
        match self.inner.judge.prepare(proposal.command) {
            Ok(command) => Ok(Proposal { command, ..proposal }),
            Err(JudgeError::Refused(rejection)) => Err(refused(rejection)),
            Err(error @ (JudgeError::State(_) | JudgeError::Secret(_))) => {
                tracing::error!(%error, "a command cannot be judged");
                Err(Attempt::Unknown(error.to_string()))
            }
        }
    }

    async fn forward(&self, (id, member): (NodeId, &Member), write: Forwarded, span: &Span) -> Attempt {
        let span = span.child("forward to the leader", SpanKind::Client);
        let traceparent = span.ids().map(traceparent);
        let started = Instant::now();
        let write = Forwarded { traceparent, ..write };
        let attempt = self.inner.forwarder.send(id, member, write).await;
        self.inner.metrics.forwarded(started.elapsed());
        attempt
    }

    async fn append(&self, proposal: Proposal, span: &Span) -> Attempt {
        if self.inner.room.is_short() {
            return Attempt::StorageFull;
        }
        match self.judged(proposal) {
            Ok(proposal) => self.write(proposal, span).await,
            Err(attempt) => attempt,
        }
    }

    async fn write(&self, proposal: Proposal, span: &Span) -> Attempt {
        let offered = Instant::now();
        let write = self.inner.raft.client_write(stamped(proposal));
        let limit = Duration::from_millis(limits::WRITE_TIME.value as u64);
        match timeout(limit, write).await {
            Ok(Ok(response)) => {
                let index = response.data.position.index;
                self.inner.applies.answered(index, offered, span);
                Attempt::Answered(response.data)
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Attempt::NotLeader,
            Ok(Err(error)) => Attempt::Unknown(error.to_string()),
            Err(_) => Attempt::Unknown(format!("no commit within {} ms", limit.as_millis())),
        }
    }

    fn leader(&self) -> Leader {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            Some(id) if id == metrics.id => Leader::Here,
            Some(id) => match metrics.membership_config.membership().get_node(&id) {
                Some(member) => Leader::There(id, member.clone()),
                None => Leader::Unknown,
            },
            None => Leader::Unknown,
        }
    }

    /// Returns when leadership changes, or after `limit`.
    async fn leadership_change(&self, limit: Duration) {
        let mut metrics = self.inner.raft.server_metrics();
        // Either way the caller looks again.
        let _ = timeout(limit, metrics.changed()).await;
    }
}

/// True if the leader looked at something that has moved since.
fn is_outdated(answer: &Answer) -> bool {
    matches!(answer.verdict, Some(Err(Rejection::VerdictOutdated)))
}

/// Stamps and encodes. Only the leader's clock counts, also for forwarded writes.
fn stamped(proposal: Proposal) -> EncodedProposal {
    EncodedProposal::encode(&Proposal {
        proposed_at: now(),
        ..proposal
    })
}

fn attempt(result: Result<WriteResult<TypeConfig>, Fatal<TypeConfig>>) -> Attempt {
    match result {
        Ok(Ok(response)) => Attempt::Answered(response.response),
        Ok(Err(ClientWriteError::ForwardToLeader(_))) => Attempt::NotLeader,
        Ok(Err(error)) => Attempt::Unknown(error.to_string()),
        Err(fatal) => Attempt::Unknown(fatal.to_string()),
    }
}

fn answered(answer: Answer) -> Result<Answered, ProposeError> {
    let Answer { position, verdict } = answer;
    match verdict {
        Some(verdict) => Ok(Answered { position, verdict }),
        // Entries without a proposal have no verdict, and this one had a proposal.
        None => Err(ProposeError::OutcomeUnknown("the entry has no verdict".to_owned())),
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Name of a command in metrics and logs.
pub fn command_name(command: &Command) -> &'static str {
    match command {
        Command::InitialiseCluster(_) => "initialise-cluster",
        Command::RegisterStampKey(_) => "register-stamp-key",
        Command::DeclareNamespace(_) => "declare-namespace",
        Command::ReleaseNamespace(_) => "release-namespace",
        Command::SubmitRequest(_) => "submit-request",
        Command::ApproveRequest(_) => "approve-request",
        Command::RejectRequest(_) => "reject-request",
        Command::WithdrawRequest(_) => "withdraw-request",
        Command::PutEntry(_) => "put-entry",
        Command::DeleteEntry(_) => "delete-entry",
        Command::PutDraft(_) => "put-draft",
        Command::DeleteDraft(_) => "delete-draft",
        Command::OpenRequest(_) => "open-request",
        Command::PublishApproved(_) => "publish-approved",
        Command::RollBackEntry(_) => "roll-back-entry",
        Command::PutNamespace(_) => "put-namespace",
        Command::DeleteNamespace(_) => "delete-namespace",
        Command::DescribeEntry(_) => "describe-entry",
        Command::PutSchema(_) => "put-schema",
        Command::SetIdentity(_) => "set-identity",
        Command::AddStampKey(_) => "add-stamp-key",
        Command::IssueApiKey(_) => "issue-api-key",
        Command::RevokeApiKey(_) => "revoke-api-key",
        Command::RecordDelivery(_) => "record-delivery",
        Command::RecoverCluster(_) => "recover-cluster",
        Command::CompareReplicas(_) => "compare-replicas",
        Command::NoteRotation(_) => "note-rotation",
    }
}
