//! Who is a member: what admins ask of the leader, and what the leader does by itself (see [`View::next`]).
//!
//! A member joins as a learner, and votes once it has caught up. Nobody joins with a log of their own: a node that was a
//! member comes back with an empty volume and so under another id, and takes its own place in one change. A change whose
//! new voters have no majority that answers is refused, since it would never end.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use confman_api::limits;
use confman_store::Member;
use confman_store::TypeConfig;
use confman_store::types::NodeId;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, Instant as _, Precondition, RaftMetrics};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use self::plan::{Seen, Step, View};
use super::Raft;
use super::bootstrap::ask_who;
use super::handover;
use super::peers::Peers;
use super::wire::{Frame, HelloResponse, MembershipAsk, MembershipRequest, MembershipResponse};

/// How often the leader looks at the membership.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long one change may take; it needs two rounds of the log.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one node waits for another that changes the membership.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two looks for a leader.
const LEADER_POLL: Duration = Duration::from_millis(50);

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The asked node does not lead (any more), and nobody else in time.
    #[error("the cluster has no leader; nothing was changed")]
    NoLeader,
    /// The state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// No such member.
    #[error("no member has the id {0}")]
    NotFound(NodeId),
    /// It may or may not have been made.
    #[error("it is not known whether the change was made: {0}; look at the status of the cluster")]
    Unknown(String),
}

/// What came of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is a member, and votes once it has caught up.
    Learner(NodeId),
    /// It votes.
    Voter(NodeId),
    /// It is no member any more.
    Removed(NodeId),
    /// It leads.
    Leads(NodeId),
}

/// Changes the membership. Cheap to clone.
#[derive(Clone)]
pub struct Membership {
    inner: Arc<Inner>,
}

struct Inner {
    raft: Raft,
    peers: Peers,
    /// Two changes at once must not both look and change.
    one_at_a_time: Mutex<()>,
}

impl Membership {
    /// Of the cluster that `raft` takes part in.
    pub fn new(raft: Raft, peers: Peers) -> Self {
        Self {
            inner: Arc::new(Inner {
                raft,
                peers,
                one_at_a_time: Mutex::new(()),
            }),
        }
    }

    /// Does what is asked, on whichever node leads. May be asked again: what is done already is answered as done.
    pub async fn change(&self, ask: &MembershipAsk) -> Result<Changed, MembershipError> {
        let give_up = Instant::now() + Duration::from_millis(limits::LEADER_WAIT.value as u64);
        loop {
            let tried = match self.leader() {
                Some((id, _)) if id == *self.inner.raft.node_id() => self.change_here(ask).await,
                Some((id, member)) => self.change_there(id, &member, ask).await,
                None => Err(MembershipError::NoLeader),
            };
            match tried {
                Err(MembershipError::NoLeader) if Instant::now() < give_up => tokio::time::sleep(LEADER_POLL).await,
                tried => return tried,
            }
        }
    }

    fn leader(&self) -> Option<(NodeId, Member)> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let id = metrics.current_leader?;
        Some((id, metrics.membership_config.get_node(&id)?.clone()))
    }

    async fn change_there(&self, id: NodeId, member: &Member, ask: &MembershipAsk) -> Result<Changed, MembershipError> {
        let clients = self.inner.peers.member(id, member).ok_or(MembershipError::NoLeader)?;
        let mut control = clients.control;
        let request = MembershipRequest { ask: Some(ask.clone()) };
        let answer = tokio::time::timeout(CALL_TIMEOUT, control.membership(Frame::of(&request))).await;
        let answer = answer.map_err(|_| MembershipError::Unknown("the leader does not answer".to_owned()))?;
        let response: Result<MembershipResponse, Status> = answer.and_then(|frame| frame.into_inner().read());
        response.map_err(|status| from_status(&status))?.read()
    }

    /// Does what is asked if this node leads.
    pub async fn change_here(&self, ask: &MembershipAsk) -> Result<Changed, MembershipError> {
        let _turn = self.inner.one_at_a_time.lock().await;
        let Some((view, _)) = self.view() else {
            return Err(MembershipError::NoLeader);
        };
        match ask {
            MembershipAsk::Add(address) => self.add(&view, address).await,
            MembershipAsk::Remove(id) => self.remove(&view, *id).await,
            MembershipAsk::Transfer(to) => self.transfer(&view, *to).await,
        }
    }

    async fn add(&self, view: &View, address: &str) -> Result<Changed, MembershipError> {
        let found = self.who_is_at(address).await;
        let found = found.map_err(|reason| MembershipError::Refused(format!("{address} cannot join: {reason}")))?;
        let id = found.node_id;
        if view.voters().contains(&id) {
            return Ok(Changed::Voter(id));
        }
        if view.members.contains_key(&id) {
            return Ok(Changed::Learner(id));
        }
        if !found.empty {
            let detail = format!(
                "{address} cannot join: its volume holds the log of a node that is no member; empty its data folder"
            );
            return Err(MembershipError::Refused(detail));
        }
        let has_place = view.members.values().any(|seen| seen.address == address);
        if !has_place && view.members.len() >= limits::MEMBERS.value {
            let detail = format!("a cluster has at most {} members", limits::MEMBERS.value);
            return Err(MembershipError::Refused(detail));
        }
        if let Some((joins, _)) = view.learners().next() {
            let detail = format!("node {joins} is joining; one joins at a time, so ask again when it votes");
            return Err(MembershipError::Refused(detail));
        }
        self.add_learner(id, address).await
    }

    async fn add_learner(&self, id: NodeId, address: &str) -> Result<Changed, MembershipError> {
        tracing::info!(node = id, address, "a member joins as a learner");
        let member = Member {
            address: address.to_owned(),
        };
        let adding = self.inner.raft.add_learner(id, member, false);
        timed(adding).await.map(|()| Changed::Learner(id))
    }

    async fn remove(&self, view: &View, id: NodeId) -> Result<Changed, MembershipError> {
        if !view.members.contains_key(&id) {
            return Err(MembershipError::NotFound(id));
        }
        let mut voters = view.voters();
        if !voters.remove(&id) {
            self.submit(view, ChangeMembers::RemoveNodes([id].into())).await?;
            return Ok(Changed::Removed(id));
        }
        if !view.has_quorum(&voters) {
            let detail = format!("without node {id} no majority of the voters would answer");
            return Err(MembershipError::Refused(detail));
        }
        if id == view.own {
            // It goes by the hand of its successor, so that writers wait for a message and not for an election.
            return match handover::hand_over(&self.inner.raft).await {
                Some(_) => Err(MembershipError::NoLeader),
                None => Err(MembershipError::Refused(format!(
                    "node {id} leads, and no other voter takes the leadership"
                ))),
            };
        }
        self.submit(view, ChangeMembers::ReplaceAllVoters(voters)).await?;
        Ok(Changed::Removed(id))
    }

    async fn transfer(&self, view: &View, to: NodeId) -> Result<Changed, MembershipError> {
        if to == view.own {
            return Ok(Changed::Leads(to));
        }
        let led = if to == 0 {
            handover::hand_over(&self.inner.raft).await
        } else if view.voters().contains(&to) {
            handover::hand_over_to(&self.inner.raft, to).await
        } else {
            return Err(MembershipError::NotFound(to));
        };
        led.map(Changed::Leads)
            .ok_or_else(|| MembershipError::Refused("no other voter takes the leadership".to_owned()))
    }

    /// Looks after the membership while this node leads, until `stop`.
    pub async fn tend(self, leading: watch::Receiver<bool>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            if !*leading.borrow() {
                continue;
            }
            // Whoever changes it now looks after it as well.
            if let Ok(_turn) = self.inner.one_at_a_time.try_lock()
                && let Err(error) = self.step().await
            {
                tracing::warn!(%error, "the membership cannot be looked after");
            }
        }
    }

    async fn step(&self) -> Result<(), MembershipError> {
        let Some((view, _)) = self.view() else {
            return Ok(());
        };
        match view.next() {
            Step::Rest => Ok(()),
            Step::FinishJoint { voters } => {
                tracing::info!(?voters, "finishing a change of the membership that was left half done");
                self.submit(&view, ChangeMembers::ReplaceAllVoters(voters)).await
            }
            Step::Promote { learner, voters } => {
                tracing::info!(node = learner, ?voters, "a member has caught up and votes");
                self.submit(&view, ChangeMembers::ReplaceAllVoters(voters)).await
            }
            Step::AskSilent { members } => self.replace_lost(&view, members).await,
        }
    }

    /// Lets whoever is found empty at the address of a silent member join; a learner that is gone ends first.
    async fn replace_lost(&self, view: &View, silent: BTreeMap<NodeId, String>) -> Result<(), MembershipError> {
        for (id, address) in silent {
            let Ok(found) = self.who_is_at(&address).await else {
                continue;
            };
            if found.node_id == id || !found.empty || view.members.contains_key(&found.node_id) {
                continue;
            }
            tracing::warn!(
                lost = id,
                found = found.node_id,
                address,
                "a member has lost its volume"
            );
            return if view.voters().contains(&id) {
                self.add_learner(found.node_id, &address).await.map(drop)
            } else {
                self.submit(view, ChangeMembers::RemoveNodes([id].into())).await
            };
        }
        Ok(())
    }

    async fn who_is_at(&self, address: &str) -> Result<HelloResponse, String> {
        ask_who(&self.inner.peers, address, Bytes::new()).await
    }

    /// The membership, and what it is based on; none if this node does not lead.
    fn view(&self) -> Option<(View, RaftMetrics<TypeConfig>)> {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let replication = metrics.replication.as_ref()?;
        let heartbeat = metrics.heartbeat.as_ref()?;
        let seen = |(id, member): (&NodeId, &Member)| {
            let seen = Seen {
                address: member.address.clone(),
                matched: replication.get(id).copied().flatten().map(|log_id| log_id.index),
                heard: heartbeat.get(id).copied().flatten().map(|at| at.elapsed()),
            };
            (*id, seen)
        };
        let membership = metrics.membership_config.membership();
        let view = View {
            own: metrics.id,
            configs: membership.get_joint_config().clone(),
            members: membership.nodes().map(seen).collect(),
            last_log_index: metrics.last_log_index.unwrap_or(0),
        };
        Some((view, metrics))
    }

    /// Changes the membership, if it still is the one that was looked at.
    async fn submit(&self, view: &View, change: ChangeMembers<NodeId, Member>) -> Result<(), MembershipError> {
        let Some((now, metrics)) = self.view() else {
            return Err(MembershipError::NoLeader);
        };
        if now.configs != view.configs || !now.members.keys().eq(view.members.keys()) {
            return Err(MembershipError::Refused(
                "the membership has just changed; ask again".to_owned(),
            ));
        }
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: *metrics.membership_config.log_id(),
        };
        timed(self.inner.raft.change_membership_if(change, false, [unchanged])).await
    }
}

type WriteResult =
    Result<openraft::raft::ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

async fn timed(change: impl Future<Output = WriteResult>) -> Result<(), MembershipError> {
    match tokio::time::timeout(CHANGE_TIMEOUT, change).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::APIError(error))) => Err(refused(error)),
        Ok(Err(RaftError::Fatal(fatal))) => Err(MembershipError::Unknown(fatal.to_string())),
        Err(_) => Err(MembershipError::Unknown("no majority agreed in time".to_owned())),
    }
}

fn refused(error: ClientWriteError<TypeConfig>) -> MembershipError {
    match error {
        ClientWriteError::ForwardToLeader(_)
        // The new leader writes an entry of its own first; moments.
        | ClientWriteError::ChangeMembershipError(ChangeMembershipError::UncommittedLeaderLog(_)) => {
            MembershipError::NoLeader
        }
        ClientWriteError::LogEntryDiscarded(_) => MembershipError::Unknown(error.to_string()),
        ClientWriteError::ChangeMembershipError(error) => MembershipError::Refused(error.to_string()),
        ClientWriteError::PreconditionFailed(_) => {
            MembershipError::Refused("the membership has just changed; ask again".to_owned())
        }
    }
}

impl From<MembershipError> for Status {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::NoLeader => Self::aborted(error.to_string()),
            MembershipError::Refused(detail) => Self::failed_precondition(detail),
            MembershipError::NotFound(id) => Self::not_found(id.to_string()),
            MembershipError::Unknown(detail) => Self::unknown(detail),
        }
    }
}

fn from_status(status: &Status) -> MembershipError {
    let detail = status.message().to_owned();
    match (status.code(), detail.parse()) {
        (Code::Aborted, _) => MembershipError::NoLeader,
        (Code::FailedPrecondition, _) => MembershipError::Refused(detail),
        (Code::NotFound, Ok(id)) => MembershipError::NotFound(id),
        (code, _) => MembershipError::Unknown(format!("{code:?}: {detail}")),
    }
}
