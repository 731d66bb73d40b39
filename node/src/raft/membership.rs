//! Who is a member: what admins ask of the leader, and what the leader does by itself.
//!
//! A member joins as a learner, and votes once it has caught up. Nobody joins with a log of their own: a node that was a
//! member comes back with an empty volume and so under another id, and takes its own place in one change. A change whose
//! new voters have no majority that answers is refused, since it would never end.

mod error;
mod plan;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use confman_api::limits;
use confman_core::principal::Principal;
use confman_store::types::{LogId, NodeId};
use confman_store::{Member, TypeConfig};
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{Fatal, RaftError};
use openraft::{ChangeMembers, Precondition, RaftMetrics};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Status;

pub use self::error::{Changed, MembershipError};
use self::error::{from_status, refused};
use self::plan::{Seen, Step, View};
use super::Raft;
use super::bootstrap::ask_who;
use super::handover;
use super::leadership::leader;
use super::peers::Peers;
use super::status::{heard_ago, matched_index};
use super::wire::{Frame, HelloResponse, MembershipAsk, MembershipRequest, MembershipResponse};

/// How long the voters of a change have to answer before it is begun.
const QUORUM_WAIT: Duration = Duration::from_secs(2);
/// How long one change may take; it needs two rounds of the log.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one node waits for another that changes the membership.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two looks for a leader.
const LEADER_POLL: Duration = Duration::from_millis(50);

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
    /// Nodes that were found where a member is silent and that cannot take its place.
    refused: parking_lot::Mutex<BTreeSet<NodeId>>,
}

impl Membership {
    /// Of the cluster that `raft` takes part in.
    pub fn new(raft: Raft, peers: Peers) -> Self {
        Self {
            inner: Arc::new(Inner {
                raft,
                peers,
                one_at_a_time: Mutex::new(()),
                refused: parking_lot::Mutex::default(),
            }),
        }
    }

    /// Does what `by` asks, on whichever node leads. May be asked again: a member that is there is answered as there, one
    /// that is gone is not found.
    pub async fn change(&self, ask: &MembershipAsk, by: &Principal) -> Result<Changed, MembershipError> {
        let by = by.to_string();
        let give_up = Instant::now() + Duration::from_millis(limits::LEADER_WAIT.value as u64);
        loop {
            let tried = match leader(&self.inner.raft) {
                Some((id, _)) if id == *self.inner.raft.node_id() => self.change_here(ask, &by).await,
                Some((id, member)) => self.change_there((id, &member), ask, &by).await,
                None => Err(MembershipError::NoLeader),
            };
            match tried {
                Err(MembershipError::NoLeader) if Instant::now() < give_up => tokio::time::sleep(LEADER_POLL).await,
                tried => return tried,
            }
        }
    }

    async fn change_there(
        &self,
        (id, member): (NodeId, &Member),
        ask: &MembershipAsk,
        by: &str,
    ) -> Result<Changed, MembershipError> {
        let clients = self.inner.peers.member(id, member).ok_or(MembershipError::NoLeader)?;
        let mut control = clients.control;
        let request = MembershipRequest {
            ask: Some(ask.clone()),
            by: by.to_owned(),
        };
        let answer = tokio::time::timeout(CALL_TIMEOUT, control.membership(Frame::of(&request))).await;
        let answer = answer.map_err(|_| MembershipError::Unknown("the leader does not answer".to_owned()))?;
        let response: Result<MembershipResponse, Status> = answer.and_then(|frame| frame.into_inner().read());
        response.map_err(|status| from_status(&status))?.read()
    }

    /// Does what `by` asks if this node leads.
    pub async fn change_here(&self, ask: &MembershipAsk, by: &str) -> Result<Changed, MembershipError> {
        let _turn = self.inner.one_at_a_time.lock().await;
        let mut view = self.view().ok_or(MembershipError::NoLeader)?;
        if let Step::FinishJoint { voters } = view.next() {
            // What an earlier leader has begun is decided; only then is it clear who is a member.
            self.submit(&view, ChangeMembers::ReplaceAllVoters(voters)).await?;
            view = self.view().ok_or(MembershipError::NoLeader)?;
        }
        tracing::info!(by, ?ask, "a change of the cluster is asked for");
        match ask {
            MembershipAsk::Add(address) => self.add(&view, address).await,
            MembershipAsk::Remove(id) => self.remove(&view, *id).await,
            MembershipAsk::Transfer(to) => self.transfer(&view, *to).await,
        }
    }

    /// True if this node is a member: the others do not change the cluster, whatever certificates they still have.
    pub fn knows(&self, id: NodeId) -> bool {
        let metrics = self.inner.raft.server_metrics();
        metrics.borrow_watched().membership_config.get_node(&id).is_some()
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
        let holder = view.members.iter().find(|(_, seen)| seen.address == address);
        if let Some((holder, _)) = holder.filter(|(holder, _)| view.answers(**holder)) {
            let detail = format!("{address} cannot join: node {holder} has this address, and it answers");
            return Err(MembershipError::Refused(detail));
        }
        if holder.is_none() && view.members.len() >= limits::MEMBERS.value {
            let detail = format!("a cluster has at most {} members", limits::MEMBERS.value);
            return Err(MembershipError::Refused(detail));
        }
        if let Some((joins, _)) = view.learners().next() {
            let detail = if view.answers(joins) {
                format!("node {joins} is joining; one joins at a time, so ask again when it votes")
            } else {
                format!("node {joins} is joining and does not answer; start it again, or remove it, and then ask again")
            };
            return Err(MembershipError::Refused(detail));
        }
        self.add_learner(view, id, address).await
    }

    async fn add_learner(&self, view: &View, id: NodeId, address: &str) -> Result<Changed, MembershipError> {
        tracing::info!(node = id, address, "a member joins as a learner");
        let member = Member {
            address: address.to_owned(),
        };
        self.submit(view, ChangeMembers::AddNodes([(id, member)].into()))
            .await?;
        Ok(Changed::Learner(id))
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
        self.check_quorum(&voters).await?;
        if id == view.own {
            // It goes by the hand of its successor, so that writers wait for a message and not for an election.
            self.give_away().await?;
            return Err(MembershipError::NoLeader);
        }
        self.submit(view, ChangeMembers::ReplaceAllVoters(voters)).await?;
        Ok(Changed::Removed(id))
    }

    async fn transfer(&self, view: &View, to: NodeId) -> Result<Changed, MembershipError> {
        if to == view.own {
            return Ok(Changed::Leads(to));
        }
        if to == 0 {
            return self.give_away().await.map(Changed::Leads);
        }
        if !view.voters().contains(&to) {
            return Err(MembershipError::NotFound(to));
        }
        // Once offered, the leadership cannot be taken back: nothing is written until somebody has it.
        if !handover::can_lead(&self.inner.raft, to) {
            let detail = format!("node {to} does not answer, or lacks entries; the leadership stays");
            return Err(MembershipError::Refused(detail));
        }
        match handover::hand_over_to(&self.inner.raft, to).await {
            Some(led) if led == to => Ok(Changed::Leads(to)),
            Some(led) => Err(MembershipError::Refused(format!("node {led} leads instead"))),
            None => Err(not_taken()),
        }
    }

    async fn give_away(&self) -> Result<NodeId, MembershipError> {
        let Some(successor) = handover::best_voter(&self.inner.raft) else {
            let detail = "no other voter that answers could lead".to_owned();
            return Err(MembershipError::Refused(detail));
        };
        let led = handover::hand_over_to(&self.inner.raft, successor).await;
        led.ok_or_else(not_taken)
    }

    /// Refuses a change after which no majority of `voters` answers: it would never end. They are asked now, since what was
    /// heard of a node that has just died says nothing.
    async fn check_quorum(&self, voters: &BTreeSet<NodeId>) -> Result<(), MembershipError> {
        let (raft, own) = (&self.inner.raft, *self.inner.raft.node_id());
        let asked = Instant::now();
        let stopped = |error: Fatal<TypeConfig>| MembershipError::Unknown(error.to_string());
        raft.trigger().heartbeat().await.map_err(stopped)?;
        let has_answered = |metrics: &RaftMetrics<TypeConfig>, id: NodeId| {
            id == own || heard_ago(metrics, id).is_some_and(|ago| ago <= asked.elapsed())
        };
        let voters = voters.clone();
        let majority = move |metrics: &RaftMetrics<TypeConfig>| {
            let answered = voters.iter().filter(|id| has_answered(metrics, **id)).count();
            answered > voters.len() / 2
        };
        let answered = raft
            .wait(Some(QUORUM_WAIT))
            .metrics(majority, "a majority of the new voters")
            .await;
        answered.map(drop).map_err(|_| {
            let detail = "no majority of the voters would answer after it; start what is down, or remove that first";
            MembershipError::Refused(detail.to_owned())
        })
    }

    async fn who_is_at(&self, address: &str) -> Result<HelloResponse, String> {
        ask_who(&self.inner.peers, address, Bytes::new()).await
    }

    /// The membership; none if this node does not lead.
    fn view(&self) -> Option<View> {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        if !metrics.state.is_leader() {
            return None;
        }
        let seen = |(id, member): (&NodeId, &Member)| {
            let seen = Seen {
                address: member.address.clone(),
                matched: matched_index(&metrics, *id),
                heard: heard_ago(&metrics, *id),
            };
            (*id, seen)
        };
        let membership = metrics.membership_config.membership();
        Some(View {
            own: metrics.id,
            log_id: *metrics.membership_config.log_id(),
            configs: membership.get_joint_config().clone(),
            members: membership.nodes().map(seen).collect(),
            last_log_index: metrics.last_log_index.unwrap_or(0),
        })
    }

    /// Changes the membership, if it still is the one that was looked at.
    async fn submit(&self, view: &View, change: ChangeMembers<NodeId, Member>) -> Result<(), MembershipError> {
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: view.log_id,
        };
        let change = self.inner.raft.change_membership_if(change, false, [unchanged]);
        match tokio::time::timeout(CHANGE_TIMEOUT, change).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(error))) => Err(self.was_begun(view, refused(error))),
            Ok(Err(RaftError::Fatal(fatal))) => Err(MembershipError::Unknown(fatal.to_string())),
            Err(_) => Err(MembershipError::Unknown("no majority agreed in time".to_owned())),
        }
    }

    /// A change has two steps: whoever loses the leadership between them has changed something.
    fn was_begun(&self, view: &View, error: MembershipError) -> MembershipError {
        let now = *self
            .inner
            .raft
            .server_metrics()
            .borrow_watched()
            .membership_config
            .log_id();
        if error == MembershipError::NoLeader && now != view.log_id {
            return MembershipError::Unknown("another node leads since it was begun".to_owned());
        }
        error
    }
}

fn not_taken() -> MembershipError {
    MembershipError::Unknown("the leadership was offered and is not taken yet".to_owned())
}
