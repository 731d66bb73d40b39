//! How Raft is doing: leader state, positions in the log, and the health of the quorum.

use std::time::Duration;

use confman_store::TypeConfig;
use confman_store::types::LogId;
use openraft::async_runtime::WatchReceiver as _;
use openraft::{Instant as _, RaftMetrics as Snapshot, ServerState};
use prometheus_client::metrics::counter::Counter;
use tokio_util::sync::CancellationToken;

use super::register::{Age, Level, Levels, Register, set, set_age};
use crate::http::App;
use crate::raft::Raft;

/// A voter that has acknowledged nothing for this long is not heard: longer than the longest election timeout.
const HEARD_WITHIN: Duration = Duration::from_secs(3);
const STATES: [ServerState; 5] = [
    ServerState::Leader,
    ServerState::Follower,
    ServerState::Candidate,
    ServerState::Learner,
    ServerState::Shutdown,
];

pub(super) struct RaftMetrics {
    state: Levels<1>,
    is_leader: Level,
    has_leader: Level,
    leader_changes: Counter,
    term: Level,
    last_log_index: Level,
    committed_index: Level,
    applied_index: Level,
    snapshot_index: Level,
    purged_index: Level,
    voters: Level,
    learners: Level,
    voters_heard: Level,
    quorum_margin: Level,
    quorum_acknowledged: Age,
    replication_lag: Level,
    state_age: Age,
}

impl RaftMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            state: register.levels("raft_state", ["state"], "1 for the state that this node is in."),
            is_leader: register.level("raft_is_leader", "1 on the leader."),
            has_leader: register.level("raft_has_leader", "1 if this node knows a leader."),
            leader_changes: register.counter("raft_leader_changes", "How often another leader became known here."),
            term: register.level("raft_term", "Current term."),
            last_log_index: register.level("raft_last_log_index", "Last entry in the log."),
            committed_index: register.level("raft_committed_index", "Last entry known to be committed."),
            applied_index: register.level("raft_applied_index", "Last applied entry."),
            snapshot_index: register.level("raft_snapshot_index", "Last entry in the snapshot."),
            purged_index: register.level("raft_purged_index", "Last entry purged from the log."),
            voters: register.level("raft_voters", "Members that vote."),
            learners: register.level("raft_learners", "Members that do not vote."),
            voters_heard: register.level(
                "raft_voters_heard",
                "On the leader: voters, itself included, that answered within 3 s. 0 elsewhere.",
            ),
            quorum_margin: register.level(
                "raft_quorum_margin",
                "On the leader: voters that may still fail before writes stop; negative without a quorum. 0 elsewhere.",
            ),
            quorum_acknowledged: register.age(
                "raft_quorum_acknowledged_age",
                "On the leader: time since a quorum last confirmed it. Not a number elsewhere.",
            ),
            replication_lag: register.level(
                "raft_replication_lag_entries",
                "On the leader: entries that the slowest member is behind. 0 elsewhere.",
            ),
            state_age: register.age(
                "state_age",
                "Time since the state here was known to be all that was committed. Not a number before a leader was heard.",
            ),
        }
    }

    pub(super) fn sample(&self, app: &App) {
        // Before the borrow: the age is looked up in the same place, which must not be borrowed twice at once.
        set_age(&self.state_age, app.reader.state_age());
        let metrics = app.raft.metrics();
        let metrics = metrics.borrow_watched();
        let index = |log_id: Option<LogId>| log_id.map_or(0, |log_id| log_id.index);
        for state in STATES {
            self.state.set([state_name(state)], u64::from(metrics.state == state));
        }
        set(&self.is_leader, u64::from(metrics.state.is_leader()));
        set(&self.has_leader, u64::from(metrics.current_leader.is_some()));
        set(&self.term, metrics.current_term);
        set(&self.last_log_index, metrics.last_log_index.unwrap_or(0));
        set(&self.committed_index, index(metrics.local_committed));
        set(&self.applied_index, index(metrics.last_applied));
        set(&self.snapshot_index, index(metrics.snapshot));
        set(&self.purged_index, index(metrics.purged));
        let voters = metrics.membership_config.voter_ids().count();
        let members = metrics.membership_config.membership().nodes().count();
        set(&self.voters, voters as u64);
        set(&self.learners, members.saturating_sub(voters) as u64);
        self.sample_quorum(&metrics, voters);
    }

    fn sample_quorum(&self, metrics: &Snapshot<TypeConfig>, voters: usize) {
        let heard = voters_heard(metrics);
        set(&self.voters_heard, heard as u64);
        let needed = voters / 2 + 1;
        let margin = i64::try_from(heard).unwrap_or(0) - i64::try_from(needed).unwrap_or(0);
        self.quorum_margin
            .set(if metrics.state.is_leader() { margin } else { 0 });
        let acknowledged = metrics.last_quorum_acked.as_ref().map(|at| at.elapsed());
        set_age(&self.quorum_acknowledged, acknowledged);
        set(&self.replication_lag, replication_lag(metrics));
    }
}

fn voters_heard(metrics: &Snapshot<TypeConfig>) -> usize {
    if !metrics.state.is_leader() {
        return 0;
    }
    let heard = |id: &u64| {
        let acknowledged = metrics
            .heartbeat
            .as_ref()
            .and_then(|heartbeat| heartbeat.get(id)?.as_ref());
        *id == metrics.id || acknowledged.is_some_and(|at| at.elapsed() <= HEARD_WITHIN)
    };
    metrics.membership_config.voter_ids().filter(heard).count()
}

fn replication_lag(metrics: &Snapshot<TypeConfig>) -> u64 {
    let last = metrics.last_log_index.unwrap_or(0);
    let matched = metrics.replication.iter().flatten();
    matched
        .filter(|(id, _)| **id != metrics.id)
        .map(|(_, matched)| last.saturating_sub(matched.as_ref().map_or(0, |log_id| log_id.index)))
        .max()
        .unwrap_or(0)
}

fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Leader => "leader",
        ServerState::Follower => "follower",
        ServerState::Candidate => "candidate",
        ServerState::Learner => "learner",
        ServerState::Shutdown => "shutdown",
    }
}

impl super::Metrics {
    /// Counts changes of the leader until `stop`.
    pub(crate) async fn watch_leader(self, raft: Raft, stop: CancellationToken) {
        let mut metrics = raft.server_metrics();
        let mut known = None;
        loop {
            let leader = metrics.borrow_watched().current_leader;
            if let Some(leader) = leader
                && known.replace(leader) != Some(leader)
            {
                self.inner.raft.leader_changes.inc();
            }
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    }
}
