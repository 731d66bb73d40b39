//! What must hold in every run, one file a property. Each looks at every event, and at the end.

mod acknowledged_writes_survive;
mod approvals_count_once;
mod audit_chain_is_whole;
mod cluster_recovers;
mod committed_log_never_forks;
mod members_run;
mod one_leader_a_leadership;
mod published_was_approved;
mod reads_are_fresh;
mod replay_is_the_state;
mod replicas_are_equal;
mod versions_have_no_gaps;
mod votes_are_kept;

use std::fmt;
use std::time::Duration;

use crate::record::Event;
use crate::state::StoredState;
use crate::types::{Entry, NodeId};

/// One property.
pub trait Invariant: Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Looks at the next event.
    ///
    /// # Errors
    /// What is wrong.
    fn see(&mut self, event: &Event) -> Result<(), String>;

    /// Looks at the end of the run.
    ///
    /// # Errors
    /// What is wrong.
    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let _ = ending;
        Ok(())
    }
}

/// A run that is over.
pub struct Ending {
    /// Every entry that was applied anywhere, in order.
    pub log: Vec<Entry>,
    /// The state after all of them.
    pub replay: StoredState,
    /// The members and their states.
    pub members: Vec<(NodeId, StoredState)>,
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// When that was seen.
    pub at: Duration,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_secs_f64();
        write!(
            formatter,
            "{} is violated at {at:.4} s: {}",
            self.invariant, self.detail
        )
    }
}

/// All of them.
pub fn every_invariant() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<acknowledged_writes_survive::AcknowledgedWritesSurvive>::default(),
        Box::<reads_are_fresh::ReadsAreFresh>::default(),
        Box::<one_leader_a_leadership::OneLeaderALeadership>::default(),
        Box::<votes_are_kept::VotesAreKept>::default(),
        Box::<committed_log_never_forks::CommittedLogNeverForks>::default(),
        Box::<replicas_are_equal::ReplicasAreEqual>::default(),
        Box::<versions_have_no_gaps::VersionsHaveNoGaps>::default(),
        Box::<published_was_approved::PublishedWasApproved>::default(),
        Box::<approvals_count_once::ApprovalsCountOnce>::default(),
        Box::<audit_chain_is_whole::AuditChainIsWhole>::default(),
        Box::<replay_is_the_state::ReplayIsTheState>::default(),
        Box::<members_run::MembersRun>::default(),
        Box::<cluster_recovers::ClusterRecovers>::default(),
    ]
}
