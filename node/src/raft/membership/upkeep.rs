//! What the leader does for the membership by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use confman_store::types::NodeId;
use openraft::ChangeMembers;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::plan::{Step, View};
use super::{Membership, MembershipError};
use crate::raft::wire::HelloResponse;

/// How often the leader looks at the membership.
const INTERVAL: Duration = Duration::from_secs(1);

impl Membership {
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
        let Some(view) = self.view() else {
            return Ok(());
        };
        match view.next() {
            Step::Rest => Ok(()),
            Step::FinishJoint { voters } => {
                tracing::info!(?voters, "finishing a change of the membership that was left half done");
                self.submit(&view, ChangeMembers::ReplaceAllVoters(voters)).await
            }
            Step::Promote { learner, voters } => {
                self.check_quorum(&voters).await?;
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
            if found.node_id == id || view.members.contains_key(&found.node_id) {
                continue;
            }
            if !found.empty {
                self.cannot_take_over(&found, &address);
                continue;
            }
            tracing::warn!(
                lost = id,
                found = found.node_id,
                address,
                "a member has lost its volume"
            );
            return if view.voters().contains(&id) {
                self.add_learner(view, found.node_id, &address).await.map(drop)
            } else {
                self.submit(view, ChangeMembers::RemoveNodes([id].into())).await
            };
        }
        Ok(())
    }

    /// Says once that whoever is there cannot take the place of the lost member.
    fn cannot_take_over(&self, found: &HelloResponse, address: &str) {
        if self.inner.refused.lock().insert(found.node_id) {
            tracing::error!(
                found = found.node_id,
                address,
                "a node that is no member is at the address of a silent member, and its volume is not empty: empty its data \
                 folder so that it can take the place"
            );
        }
    }
}
