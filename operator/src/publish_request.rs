//! `PublishRequest`: submitted, its reviews relayed, and the cluster's verdict mirrored into status.

mod events;
mod execute;
mod observe;
mod plan;
pub mod refusals;
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

use crate::conditions;
use crate::context::{Context, Error, with_causes};
use crate::metrics::Kind;
use crate::seen::SeenRequest;

use self::observe::Looked;
use self::plan::Plan;

const CONCURRENCY: u16 = 16;
/// What needs somebody's hand, or waits for people, is looked at again after this.
pub(crate) const AGAIN: Duration = Duration::from_mins(5);

/// Objects in one page of a list: each may hold its value twice, and the client holds a page twice.
const PAGE: u32 = 50;

/// The watch of requests. There is no predicate: a review moves no generation.
pub fn controller(watches: &Client, context: &Context) -> Controller<SeenRequest> {
    let config = watcher::Config::default().page_size(PAGE);
    Controller::new(context.watched::<SeenRequest>(watches), config)
}

/// Reconciles requests until `stop`.
pub async fn control(
    controller: Controller<SeenRequest>,
    watches: &Client,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let known = controller.store();
    // A namespace that is declared, or declared anew, wakes what waits for it.
    let of_namespace = move |config_namespace: ConfigNamespace| {
        let (namespace, name) = (config_namespace.namespace(), config_namespace.name_any());
        let waits = move |seen: &SeenRequest| {
            seen.namespace() == namespace && seen.spec.namespace_ref.name == name && !seen.is_final()
        };
        let waiting = known.state_filter(waits);
        waiting
            .iter()
            .map(|seen| ObjectRef::from_obj(seen.as_ref()))
            .collect::<Vec<_>>()
    };
    // So does a cluster that serves again, whatever waited for that.
    let (known, backoffs) = (controller.store(), context.backoffs.clone());
    let of_cluster = move |cluster: ConfmanCluster| {
        let (namespace, serves) = (cluster.namespace(), is_available(&cluster));
        let waits = |seen: &SeenRequest| {
            serves && seen.namespace() == namespace && backoffs.has_failed(&seen.uid().unwrap_or_default())
        };
        let waiting = known.state_filter(waits);
        waiting
            .iter()
            .map(|seen| ObjectRef::from_obj(seen.as_ref()))
            .collect::<Vec<_>>()
    };
    controller
        .watches(
            context.watched::<ConfmanCluster>(watches),
            watcher::Config::default(),
            of_cluster,
        )
        .watches(
            context.watched::<ConfigNamespace>(watches),
            watcher::Config::default(),
            of_namespace,
        )
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(async |result| {
            if let Err(error) = result {
                context.forget_gone(&error);
                tracing::debug!(error = with_causes(&error), "the controller of requests");
            }
        })
        .await;
}

fn is_available(cluster: &ConfmanCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| conditions::is_true(&status.conditions, "Available"))
}

async fn reconcile(seen: Arc<SeenRequest>, context: Arc<Context>) -> Result<Action, Error> {
    let (began, uid) = (Instant::now(), seen.uid().unwrap_or_default());
    let result = Box::pin(reconcile_one(&seen, &context)).await;
    context
        .metrics
        .reconciled(Kind::PublishRequest, result.is_ok(), began.elapsed());
    match result? {
        Next::Wait => Ok(Action::requeue(context.backoffs.failed(&uid))),
        Next::Later(action) => {
            context.backoffs.succeeded(&uid);
            Ok(action)
        }
    }
}

/// When the object is looked at again.
enum Next {
    /// After a delay that grows: another object must change first, and its change may be missed.
    Wait,
    /// As the action says.
    Later(Action),
}

async fn reconcile_one(seen: &SeenRequest, context: &Context) -> Result<Next, Error> {
    let now = conditions::now();
    let (observed, courier) = match observe::observe(seen, context).await? {
        Looked::Gone => {
            context.forget(&seen.uid().unwrap_or_default());
            return Ok(Next::Later(Action::await_change()));
        }
        Looked::Unreadable(why) => {
            status::write(seen, None, &status::unreadable(seen, &why), context).await?;
            return Ok(Next::Later(Action::requeue(AGAIN)));
        }
        Looked::Seen(observed, courier) => (observed, courier),
    };
    let plan = plan::plan(&observed);
    let done = execute::execute(&plan, &observed, courier.as_ref(), context).await?;
    let old = observed.object.status.as_ref();
    if let Some(status) = status::status(&observed, &plan, &done, &now) {
        status::write(seen, old, &status, context).await?;
        for happened in events::events(&old.cloned().unwrap_or_default(), &status) {
            context.tell(&observed.object, happened).await;
        }
    }
    if done.request.as_ref().is_some_and(|request| request.state.is_final()) {
        context.forget(&seen.uid().unwrap_or_default());
        return Ok(Next::Later(Action::await_change()));
    }
    Ok(match plan {
        Plan::Wait(..) => Next::Wait,
        Plan::Nothing | Plan::Stall(..) | Plan::Submit(_) | Plan::Relay(_) => Next::Later(Action::requeue(AGAIN)),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the controller hands over")]
fn failed(seen: Arc<SeenRequest>, error: &Error, context: Arc<Context>) -> Action {
    let delay = context.backoffs.failed(&seen.uid().unwrap_or_default());
    tracing::warn!(
        request = seen.name_any(),
        error = with_causes(error),
        ?delay,
        "a request is tried again"
    );
    Action::requeue(delay)
}
