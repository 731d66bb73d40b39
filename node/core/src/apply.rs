//! Runs one committed proposal on the state: dispatch without logic, one file a command.

mod approve_request;
mod context;
mod declare_namespace;
mod governance;
mod initialise_cluster;
mod journal;
mod publish;
mod put_entry;
mod register_stamp_key;
mod reject_request;
mod release_namespace;
mod review;
mod submit_request;
mod withdraw_request;

use context::{Context, Stop};

use crate::ids::LogPosition;
use crate::outcome::{Applied, Outcome};
use crate::proposal::{Command, Proposal};
use crate::state::{Change, StateView};

/// What a command comes to when nothing speaks against it.
struct Accepted {
    outcome: Outcome,
    changes: Vec<Change>,
}

impl Accepted {
    /// The state is already as asked for; repeating a command changes nothing.
    fn unchanged(outcome: Outcome) -> Self {
        Self {
            outcome,
            changes: Vec::new(),
        }
    }
}

/// Applies `proposal`, committed at `at`, to the state that `view` shows.
///
/// Pure: the same view, position and proposal give the same answer on every replica.
///
/// # Errors
/// Only when the view could not be read; the node must stop then.
pub fn apply<V: StateView>(view: &V, at: LogPosition, proposal: &Proposal) -> Result<Applied, V::Error> {
    let context = Context::new(view, at, proposal)?;
    let decided = match &proposal.command {
        Command::InitialiseCluster(command) => initialise_cluster::apply(&context, command),
        Command::RegisterStampKey(command) => register_stamp_key::apply(&context, command),
        Command::DeclareNamespace(command) => declare_namespace::apply(&context, command),
        Command::ReleaseNamespace(command) => release_namespace::apply(&context, command),
        Command::SubmitRequest(command) => submit_request::apply(&context, command),
        Command::ApproveRequest(command) => approve_request::apply(&context, command),
        Command::RejectRequest(command) => reject_request::apply(&context, command),
        Command::WithdrawRequest(command) => withdraw_request::apply(&context, command),
        Command::PutEntry(command) => put_entry::apply(&context, command),
    };
    match decided {
        Ok(Accepted { outcome, changes }) => Ok(Applied {
            result: Ok(outcome),
            changes,
        }),
        Err(Stop::Rejected(rejection)) => Ok(Applied {
            result: Err(rejection),
            changes: Vec::new(),
        }),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}
