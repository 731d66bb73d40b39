//! What the leader does for the membership by itself: the node's own plan, compiled from the node's own file, carried out in
//! the simulation.

#[path = "../../src/raft/membership/plan.rs"]
mod plan;

use std::time::Duration;

use openraft::{ChangeMembers, Instant as _, Precondition};

use crate::cluster::{Cluster, Process};
use crate::runtime::{sleep, timeout};
use crate::types::{LogId, Member, NodeId};
use plan::{Seen, Step, View};

/// How often the leader looks at the membership.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a change may take.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// Looks after the membership while `process` leads.
pub(crate) async fn tend(cluster: Cluster, process: Process) {
    loop {
        sleep(INTERVAL).await;
        if let Some(view) = view(&process) {
            step(&cluster, &process, &view).await;
        }
    }
}

async fn step(cluster: &Cluster, process: &Process, view: &View) {
    match view.next() {
        Step::Rest => {}
        Step::FinishJoint { voters } => {
            if submit(process, view, ChangeMembers::ReplaceAllVoters(voters)).await {
                process.record.count("joint changes finished by another leader");
            }
        }
        Step::Promote { learner, voters } => {
            let answering = voters.iter().filter(|id| view.answers(**id)).count();
            if answering * 2 <= voters.len() {
                return;
            }
            let replaced = view.voters().iter().any(|id| !voters.contains(id));
            if submit(process, view, ChangeMembers::ReplaceAllVoters(voters)).await {
                process.record.count("learners promoted");
                process.record.count_many("lost volumes replaced", u64::from(replaced));
                debug_assert!(view.members.contains_key(&learner));
            }
        }
        Step::AskSilent { members } => {
            for (id, address) in members {
                let Some((found, true)) = cluster.who_is_at(&address) else {
                    continue;
                };
                if found == id || view.members.contains_key(&found) {
                    continue;
                }
                let change = if view.voters().contains(&id) {
                    ChangeMembers::AddNodes([(found, Member { address })].into())
                } else {
                    ChangeMembers::RemoveNodes([id].into())
                };
                submit(process, view, change).await;
                return;
            }
        }
    }
}

/// Lets `id` at `address` join as a learner, if `process` leads and nobody else joins.
pub(crate) async fn add(process: &Process, id: NodeId, address: &str) -> bool {
    let Some(view) = view(process).filter(|view| view.learners().next().is_none()) else {
        return false;
    };
    let address = address.to_owned();
    submit(
        process,
        &view,
        ChangeMembers::AddNodes([(id, Member { address })].into()),
    )
    .await
}

/// Ends the membership of `id`, if `process` leads and the others have a majority that answers.
pub(crate) async fn remove(process: &Process, id: NodeId) -> bool {
    let Some(view) = view(process).filter(|view| view.configs.len() == 1 && view.own != id) else {
        return false;
    };
    let mut voters = view.voters();
    voters.remove(&id);
    let answering = voters.iter().filter(|voter| view.answers(**voter)).count();
    answering * 2 > voters.len() && submit(process, &view, ChangeMembers::ReplaceAllVoters(voters)).await
}

/// The membership as the leader sees it; none if this process does not lead.
fn view(process: &Process) -> Option<View> {
    let metrics = process.metrics();
    if !metrics.state.is_leader() {
        return None;
    }
    let seen = |(id, member): (&NodeId, &Member)| {
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|matched| matched.get(id).copied());
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(id).copied());
        let seen = Seen {
            address: member.address.clone(),
            matched: matched.flatten().map(|log_id| log_id.index),
            heard: heard.flatten().map(|at| at.elapsed()),
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
async fn submit(process: &Process, view: &View, change: ChangeMembers<NodeId, Member>) -> bool {
    let unchanged = Precondition::LastMembershipLogId {
        last_membership_log_id: view.log_id,
    };
    let change = process.raft.change_membership_if(change, false, [unchanged]);
    matches!(timeout(CHANGE_LIMIT, change).await, Ok(Ok(_)))
}
