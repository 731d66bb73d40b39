//! Says in the object's status what came of it.

use confman_api::stamp::stamp_digest;
use confman_crds::{ConfigNamespace, ConfigNamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource as _, ResourceExt as _};

use super::execute::Done;
use super::observe::Observed;
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
    let wanted = match (plan, done) {
        (Plan::Nothing, _) | (Plan::Declare(..), Done::Nothing) => return None,
        // A cluster that does not answer has not forgotten the namespace.
        (Plan::Wait(CLUSTER_UNAVAILABLE, _), _) if super::is_settled(&observed.object) => return None,
        (Plan::Wait(reason, message), _) => conditions::reconciling(reason, message),
        (Plan::Stall(reason, message), _) => conditions::stalled(reason, message),
        (Plan::UpToDate(known), _) => {
            next.revision = i64::try_from(known.revision).ok();
            next.governance_stamp = known.governance_stamp.map(|digest| digest.to_string());
            declared(known.revision)
        }
        (Plan::Declare(_, command), Done::Declared(revision)) => {
            next.revision = i64::try_from(*revision).ok();
            next.governance_stamp = Some(stamp_digest(&command.governance).to_string());
            declared(*revision)
        }
        (Plan::Declare(..), Done::Refused(reason, message)) => conditions::stalled(reason, message),
    };
    next.conditions = conditions::merge(&old.conditions, &wanted, next.observed_generation, now);
    Some(next)
}

/// Writes it, if it is not there already.
pub(super) async fn write(observed: &Observed, status: &ConfigNamespaceStatus, context: &Context) -> Result<(), Error> {
    let namespace = observed.object.namespace().unwrap_or_default();
    let api = Api::<ConfigNamespace>::namespaced(context.client.clone(), &namespace);
    let old = observed.object.status.as_ref();
    report::status(&api, &observed.object, old, status).await
}
