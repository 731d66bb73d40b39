//! What came of a change of the membership, or why there was none; also on the way between nodes.

use confman_store::TypeConfig;
use confman_store::types::NodeId;
use openraft::errors::{ChangeMembershipError, ClientWriteError};
use tonic::{Code, Status};

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

/// What an error of openraft says.
pub(super) fn refused(error: ClientWriteError<TypeConfig>) -> MembershipError {
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

/// What another node has answered.
pub(super) fn from_status(status: &Status) -> MembershipError {
    let detail = status.message().to_owned();
    match (status.code(), detail.parse()) {
        (Code::Aborted, _) => MembershipError::NoLeader,
        (Code::FailedPrecondition, _) => MembershipError::Refused(detail),
        (Code::NotFound, Ok(id)) => MembershipError::NotFound(id),
        (code, _) => MembershipError::Unknown(format!("{code:?}: {detail}")),
    }
}
