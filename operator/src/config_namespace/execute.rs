//! Sends the commands of a plan.

use confman_api::client::CourierClient;
use confman_api::internal::Outcome;

use super::plan::Plan;
use crate::context::Error;
use crate::reach::{Verdict, verdict};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing was sent.
    Nothing,
    /// It is declared, with this revision.
    Declared(u64),
    /// It loosens governance, and the publish request with this id waits for others to agree.
    Pending(String),
    /// The rules say no: reason and message.
    Refused(String, String),
}

/// Does it.
pub(super) async fn execute(plan: &Plan, courier: Option<&CourierClient>) -> Result<Done, Error> {
    let (Plan::Declare(releases, command), Some(courier)) = (plan, courier) else {
        return Ok(Done::Nothing);
    };
    for release in releases {
        let answer = courier.release_namespace(release).await;
        if let Verdict::Refused(reason, message) = verdict(answer, "release a path")? {
            return Ok(Done::Refused(reason, message));
        }
    }
    let declared = courier.declare_namespace(command).await;
    Ok(match verdict(declared, "declare the namespace")? {
        Verdict::Refused(reason, message) => Done::Refused(reason, message),
        Verdict::Accepted(recorded) => match recorded.outcome {
            Outcome::NamespaceDeclared { path: _, revision } => Done::Declared(revision),
            Outcome::GovernancePending { path: _, request_id } => Done::Pending(request_id.to_string()),
            // A declaration comes to nothing else.
            Outcome::ClusterInitialised { .. }
            | Outcome::StampKeyRegistered { .. }
            | Outcome::NamespaceReleased { .. }
            | Outcome::NamespaceDeleted { .. }
            | Outcome::Request(_)
            | Outcome::EntryWritten { .. }
            | Outcome::DraftWritten { .. }
            | Outcome::DraftDeleted
            | Outcome::EntryDescribed
            | Outcome::SchemaStored { .. }
            | Outcome::IdentitySet
            | Outcome::ApiKeyIssued { .. }
            | Outcome::ApiKeyRevoked { .. }
            | Outcome::DeliveryRecorded
            | Outcome::ClusterRecovered { .. }
            | Outcome::ReplicasCompared
            | Outcome::RotationNoted => Done::Declared(recorded.position.index),
        },
    })
}
