//! Says in the object's status what came of it.

use confman_api::digest::Digest;
use confman_api::internal::ConfigNamespace as Declared;
use confman_api::stamp::stamp_digest;
use confman_crds::{ConfigNamespace, ConfigNamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource as _, ResourceExt as _};

use super::execute::Done;
use super::observe::{Known, Observed};
use super::plan::Plan;
use crate::conditions;
use crate::context::{Context, Error};
use crate::reach::CLUSTER_UNAVAILABLE;
use crate::report;

/// The status that follows; none where there is nothing to say.
pub(super) fn status(observed: &Observed, plan: &Plan, done: &Done, now: &Time) -> Option<ConfigNamespaceStatus> {
    let old = observed.object.status.clone().unwrap_or_default();
    let path = &observed.object.spec.path;
    let declared =
        |revision: u64| conditions::ready("Declared", format!("{path} is as declared since revision {revision}"));
    let mut next = ConfigNamespaceStatus {
        observed_generation: observed.object.meta().generation,
        ..old.clone()
    };
    if let Known::Namespaces(namespaces, id) = &observed.known {
        next.cluster_id = Some(id.clone());
        // Also where the next stamp is refused: admission builds another one on what is in force, which a status that
        // was never written does not know.
        next.governance_stamp = in_force(observed, namespaces).map(|digest| digest.to_string());
    }
    let wanted = match (plan, done) {
        (Plan::Nothing, _) | (Plan::Declare(..), Done::Nothing) => return None,
        // A cluster that does not answer has not forgotten the namespace.
        (Plan::Wait(CLUSTER_UNAVAILABLE, _), _) if super::is_settled(&observed.object) => return None,
        (Plan::Wait(reason, message), _) => conditions::reconciling(reason, message),
        (Plan::Stall(reason, message), _) => conditions::stalled(reason, message),
        (Plan::UpToDate(known), _) => {
            next.revision = i64::try_from(known.revision).ok();
            declared(known.revision)
        }
        (Plan::Declare(_, command), Done::Declared(revision)) => {
            next.revision = i64::try_from(*revision).ok();
            next.governance_stamp = Some(stamp_digest(&command.governance).to_string());
            declared(*revision)
        }
        (Plan::Declare(..), Done::Pending(request)) => {
            let message = format!(
                "{path} would be governed less strictly, so other admins of it and of its parent must agree to publish \
                 request {request}; until then the old settings hold"
            );
            conditions::reconciling("GovernancePending", message)
        }
        (Plan::Declare(..), Done::Refused(reason, message)) => {
            conditions::stalled(reason, advised(&observed.object, reason, message))
        }
    };
    next.conditions = conditions::merge(&old.conditions, &wanted, next.observed_generation, now);
    Some(next)
}

/// The stamp that the cluster goes by for the object's path, where the path is not another object's.
fn in_force(observed: &Observed, namespaces: &[Declared]) -> Option<Digest> {
    let object = &observed.object;
    let known = namespaces
        .iter()
        .find(|known| known.path.as_str() == object.spec.path)?;
    let is_anothers = known
        .claim
        .as_ref()
        .is_some_and(|claim| claim.uid != object.uid().unwrap_or_default());
    known.governance_stamp.filter(|_| !is_anothers)
}

/// The message, with what to do where only a fresh stamp helps.
fn advised(object: &ConfigNamespace, reason: &str, message: &str) -> String {
    match reason {
        "InvalidStamp" | "StaleGovernanceStamp" | "UnknownStampKey" | "StampKeyExpired" => {
            format!("{message}. {}", super::how_to_stamp_again(object))
        }
        _ => message.to_owned(),
    }
}

/// Writes it, if it is not there already.
pub(super) async fn write(observed: &Observed, status: &ConfigNamespaceStatus, context: &Context) -> Result<(), Error> {
    let namespace = observed.object.namespace().unwrap_or_default();
    let api = Api::<ConfigNamespace>::namespaced(context.client.clone(), &namespace);
    let old = observed.object.status.as_ref();
    report::status(&api, &observed.object, old, status).await
}
