//! Runs one committed proposal on the state: dispatch without logic, one file a command.

mod add_stamp_key;
mod approve_request;
mod caller;
mod compare_replicas;
mod context;
mod decide;
mod declare_namespace;
mod delete_draft;
mod delete_entry;
mod delete_namespace;
mod describe_entry;
mod enact;
mod go_live;
mod governance;
mod governance_base;
mod governing;
mod initialise_cluster;
mod issue_api_key;
mod journal;
mod judge;
mod note_rotation;
mod open_request;
mod opening;
mod publish;
mod publish_approved;
mod put_draft;
mod put_entry;
mod put_namespace;
mod put_schema;
mod record_delivery;
mod recover_cluster;
mod register_stamp_key;
mod reject_request;
mod release_namespace;
mod repeat;
mod review;
mod revoke_api_key;
mod roll_back_entry;
mod set_identity;
mod submit_request;
mod withdraw_request;

use context::{Context, Step, Stop};

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
    let decided = match repeat::known(&context, proposal) {
        Ok(Some(before)) => Ok(before),
        Ok(None) => run(&context, &proposal.command).map(|accepted| repeat::remember(&context, proposal, accepted)),
        Err(stop) => Err(stop),
    };
    match decided.and_then(|accepted| repeat::forget(&context, accepted)) {
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

fn run<V: StateView>(context: &Context<'_, V>, command: &Command) -> Step<Accepted, V> {
    match command {
        Command::InitialiseCluster(command) => initialise_cluster::apply(context, command),
        Command::RegisterStampKey(command) => register_stamp_key::apply(context, command),
        Command::DeclareNamespace(command) => declare_namespace::apply(context, command),
        Command::ReleaseNamespace(command) => release_namespace::apply(context, command),
        Command::SubmitRequest(command) => submit_request::apply(context, command),
        Command::ApproveRequest(command) => approve_request::apply(context, command),
        Command::RejectRequest(command) => reject_request::apply(context, command),
        Command::WithdrawRequest(command) => withdraw_request::apply(context, command),
        Command::PutEntry(command) => put_entry::apply(context, command),
        Command::DeleteEntry(command) => delete_entry::apply(context, command),
        Command::PutDraft(command) => put_draft::apply(context, command),
        Command::DeleteDraft(command) => delete_draft::apply(context, command),
        Command::OpenRequest(command) => open_request::apply(context, command),
        Command::PublishApproved(command) => publish_approved::apply(context, command),
        Command::RollBackEntry(command) => roll_back_entry::apply(context, command),
        Command::PutNamespace(command) => put_namespace::apply(context, command),
        Command::DeleteNamespace(command) => delete_namespace::apply(context, command),
        Command::DescribeEntry(command) => describe_entry::apply(context, command),
        Command::PutSchema(command) => put_schema::apply(context, command),
        Command::SetIdentity(command) => set_identity::apply(context, command),
        Command::AddStampKey(command) => add_stamp_key::apply(context, command),
        Command::IssueApiKey(command) => issue_api_key::apply(context, command),
        Command::RevokeApiKey(command) => revoke_api_key::apply(context, command),
        Command::RecordDelivery(command) => record_delivery::apply(context, command),
        Command::NoteRotation(command) => note_rotation::apply(context, command),
        Command::RecoverCluster(command) => recover_cluster::apply(context, command),
        Command::CompareReplicas(_) => compare_replicas::apply(context),
    }
}
