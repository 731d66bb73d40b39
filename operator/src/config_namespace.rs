//! `ConfigNamespace`: declared in the cluster with the stamp of whoever wrote it.

mod execute;
mod observe;
mod plan;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_crds::{ConfigNamespace, ConfmanCluster, GOVERNANCE_STAMP, STAMP_AGAIN};
use futures::StreamExt as _;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Error, Happened, with_causes};
use crate::metrics::Kind;

use self::execute::Done;
use self::plan::Plan;

const CONCURRENCY: u16 = 8;
/// Everything is looked at again after this, in case something changed elsewhere.
const AGAIN: Duration = Duration::from_mins(5);

/// The watch of namespaces.
pub fn controller(watches: &Client, context: &Context) -> Controller<ConfigNamespace> {
    Controller::new(context.watched::<ConfigNamespace>(watches), watcher::Config::default())
}

/// Reconciles namespaces until `stop`.
pub async fn control(
    controller: Controller<ConfigNamespace>,
    watches: &Client,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let known = controller.store();
    // A cluster that comes into being, that serves again, or that is another under its old name wakes its namespaces.
    let of_cluster = move |cluster: ConfmanCluster| {
        let (namespace, name) = (cluster.namespace(), cluster.name_any());
        let id = cluster.status.and_then(|status| status.cluster_id);
        let refers = move |object: &ConfigNamespace| {
            object.namespace() == namespace
                && object.spec.cluster_ref.name == name
                && !(is_settled(object) && declared_in(object) == id.as_deref())
        };
        let waiting = known.state_filter(refers);
        waiting
            .iter()
            .map(|object| ObjectRef::from_obj(object.as_ref()))
            .collect::<Vec<_>>()
    };
    controller
        .watches(
            context.watched::<ConfmanCluster>(watches),
            watcher::Config::default(),
            of_cluster,
        )
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(async |result| {
            if let Err(error) = result {
                context.forget_gone(&error);
                tracing::debug!(error = with_causes(&error), "the controller of namespaces");
            }
        })
        .await;
}

/// What somebody with the right to govern does to have an object stamped anew.
fn how_to_stamp_again(object: &ConfigNamespace) -> String {
    format!(
        "To have it stamped in your name: kubectl -n {} annotate confignamespace {} {GOVERNANCE_STAMP}={STAMP_AGAIN} --overwrite",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

/// Identity of the cluster that the namespace is declared in.
fn declared_in(object: &ConfigNamespace) -> Option<&str> {
    object.status.as_ref()?.cluster_id.as_deref()
}

/// Ready, about the present spec.
fn is_settled(object: &ConfigNamespace) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let ready = crate::conditions::is_true(&status.conditions, "Ready");
    ready && status.observed_generation == object.metadata.generation
}

async fn reconcile(object: Arc<ConfigNamespace>, context: Arc<Context>) -> Result<Action, Error> {
    let (began, uid) = (Instant::now(), object.uid().unwrap_or_default());
    let result = reconcile_one(&object, &context).await;
    context
        .metrics
        .reconciled(Kind::ConfigNamespace, result.is_ok(), began.elapsed());
    if let Ok((action, is_waiting)) = &result {
        if *is_waiting {
            return Ok(Action::requeue(context.backoffs.failed(&uid)));
        }
        context.backoffs.succeeded(&uid);
        return Ok(action.clone());
    }
    result.map(|(action, _)| action)
}

async fn reconcile_one(object: &ConfigNamespace, context: &Context) -> Result<(Action, bool), Error> {
    let (observed, courier) = observe::observe(object, context).await?;
    let plan = plan::plan(&observed);
    let done = execute::execute(&plan, courier.as_ref()).await?;
    if let Some(status) = status::status(&observed, &plan, &done, &crate::conditions::now()) {
        status::write(&observed, &status, context).await?;
    }
    if let Some(happened) = happened(object, &done) {
        context.tell(object, happened).await;
    }
    // A path may be free, or a right granted, without any change that is watched.
    let is_waiting = matches!(
        (&plan, &done),
        (Plan::Wait(..), _) | (_, Done::Refused(..) | Done::Pending(_))
    );
    let action = match plan {
        Plan::Nothing => Action::await_change(),
        Plan::Stall(..) | Plan::Wait(..) | Plan::UpToDate(_) | Plan::Declare(..) => Action::requeue(AGAIN),
    };
    Ok((action, is_waiting))
}

fn happened(object: &ConfigNamespace, done: &Done) -> Option<Happened> {
    let path = &object.spec.path;
    match done {
        Done::Nothing => None,
        Done::Declared(revision) => Some(Happened {
            is_warning: false,
            reason: "Declared".to_owned(),
            action: format!("Declare at {revision}"),
            note: format!("{path} is declared, revision {revision}"),
        }),
        Done::Pending(request) => Some(Happened {
            is_warning: false,
            reason: "GovernancePending".to_owned(),
            action: "Declare".to_owned(),
            note: format!("{path} stays as it was until others agree to publish request {request}"),
        }),
        Done::Refused(reason, message) => Some(Happened {
            is_warning: true,
            reason: reason.clone(),
            action: "Declare".to_owned(),
            note: format!("the cluster refuses {path}: {message}"),
        }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the controller hands over")]
fn failed(object: Arc<ConfigNamespace>, error: &Error, context: Arc<Context>) -> Action {
    let delay = context.backoffs.failed(&object.uid().unwrap_or_default());
    tracing::warn!(
        namespace = object.name_any(),
        error = with_causes(error),
        ?delay,
        "a namespace is tried again"
    );
    Action::requeue(delay)
}
