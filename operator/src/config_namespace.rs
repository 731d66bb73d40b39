//! `ConfigNamespace`: declared in the cluster with the stamp of whoever wrote it.

mod execute;
mod observe;
mod plan;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_crds::{ConfigNamespace, ConfmanCluster};
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
/// What needs somebody's hand is looked at again after this, in case that hand was elsewhere.
const WHILE_STALLED: Duration = Duration::from_mins(5);

/// Reconciles namespaces until `stop`.
pub async fn control(watches: &Client, context: Arc<Context>, stop: CancellationToken) {
    let controller = Controller::new(context.watched::<ConfigNamespace>(watches), watcher::Config::default());
    let known = controller.store();
    // A cluster that comes into being, or that serves again, wakes its namespaces.
    let of_cluster = move |cluster: ConfmanCluster| {
        let (namespace, name) = (cluster.namespace(), cluster.name_any());
        let refers = move |object: &ConfigNamespace| {
            object.namespace() == namespace && object.spec.cluster_ref.name == name && !is_settled(object)
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
        .run(reconcile, failed, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(error = with_causes(&error), "the controller of namespaces");
            }
        })
        .await;
}

/// Ready, about the present spec.
fn is_settled(object: &ConfigNamespace) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let ready = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
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
    let is_waiting = matches!((&plan, &done), (Plan::Wait(..), _) | (_, Done::Refused(..)));
    let action = match plan {
        Plan::Stall(..) => Action::requeue(WHILE_STALLED),
        Plan::Nothing | Plan::Wait(..) | Plan::UpToDate(_) | Plan::Declare(..) => Action::await_change(),
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
