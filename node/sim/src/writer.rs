//! Writes as a node does them: the leader stamps the time and proposes, the others forward.

use std::sync::Arc;
use std::time::Duration;

use confman_core::ids::Timestamp;
use confman_core::proposal::Proposal;
use openraft::errors::{ClientWriteError, RaftError};

use crate::cluster::{Cluster, Process};
use crate::network::{Lost, Route};
use crate::runtime::{now, timeout};
use crate::types::{Answer, Proposed};

/// How long a proposal may take.
const WRITE_LIMIT: Duration = Duration::from_secs(3);
/// The wall clock at the beginning of a run.
const BEGINNING_MILLIS: i64 = 1_700_000_000_000;

/// What came of one try to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is in the log, and applied.
    Answered(Answer),
    /// It is not in the log.
    NotLeader,
    /// Nobody knows.
    Unknown,
}

/// Writes `proposal` by way of `process`.
pub async fn propose(cluster: &Cluster, process: &Process, proposal: Proposal) -> Attempt {
    match process.metrics().current_leader {
        Some(leader) if leader == process.id => write_here(process, proposal).await,
        Some(leader) => {
            let route = Route {
                from: process.id,
                to: leader,
                may_repeat: false,
            };
            let handle = move |process: Process| {
                let proposal = proposal.clone();
                async move { write_here(&process, proposal).await }
            };
            match cluster.call(route, WRITE_LIMIT, handle).await {
                Ok(attempt) => attempt,
                Err(Lost::NobodyThere | Lost::NoAnswer) => Attempt::Unknown,
            }
        }
        None => Attempt::NotLeader,
    }
}

async fn write_here(process: &Process, mut proposal: Proposal) -> Attempt {
    let elapsed = i64::try_from(now().since_start().as_millis()).unwrap_or(i64::MAX);
    let clock_error = *process.clock_error.lock();
    proposal.proposed_at = Timestamp::from_millis(BEGINNING_MILLIS + elapsed + clock_error);
    let write = process.raft.client_write(Proposed(Arc::new(proposal)));
    match timeout(WRITE_LIMIT, write).await {
        Ok(Ok(response)) => Attempt::Answered(response.data),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Attempt::NotLeader,
        Ok(Err(RaftError::APIError(_) | RaftError::Fatal(_))) | Err(_) => Attempt::Unknown,
    }
}
