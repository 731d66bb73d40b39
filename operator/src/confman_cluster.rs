//! `ConfmanCluster`: Services, StatefulSet and Secrets, one bootstrap, and what the nodes say in status.

pub mod applied;
mod blocked;
pub mod certificates;
mod children;
mod execute;
mod identity;
pub mod names;
mod observe;
mod plan;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_crds::ConfmanCluster;
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Error, Happened, with_causes};
use crate::metrics::Kind;

use self::plan::Standing;

/// A node answers from memory.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
const CONCURRENCY: u16 = 4;
/// Leaders change without an event in Kubernetes.
const WHILE_SERVING: Duration = Duration::from_secs(5);
const WHILE_RECOVERING: Duration = Duration::from_secs(2);
const WHILE_FORMING: Duration = Duration::from_secs(1);
/// Somebody has to do something elsewhere, and nothing tells when they have.
const WHILE_STALLED: Duration = Duration::from_secs(5);

/// Reconciles clusters until `stop`.
pub async fn control(watches: &Client, context: Arc<Context>, stop: CancellationToken) {
    let controller = Controller::new(context.watched::<ConfmanCluster>(watches), watcher::Config::default())
        .owns(context.watched::<StatefulSet>(watches), watcher::Config::default())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.cancelled_owned());
    controller
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(async |result| {
            if let Err(error) = result {
                context.forget_gone(&error);
                tracing::debug!(error = with_causes(&error), "the controller of clusters");
            }
        })
        .await;
}

async fn reconcile(cluster: Arc<ConfmanCluster>, context: Arc<Context>) -> Result<Action, Error> {
    let (began, uid) = (Instant::now(), cluster.uid().unwrap_or_default());
    let result = reconcile_one(&cluster, &context).await;
    context
        .metrics
        .reconciled(Kind::ConfmanCluster, result.is_ok(), began.elapsed());
    let Err(error) = result else {
        context.backoffs.succeeded(&uid);
        return result;
    };
    let Some((reason, message)) = blocked::blocked(&error, &cluster, &context.namespace) else {
        return Err(error);
    };
    let status = status::blocked(&cluster, (reason, &message), &crate::conditions::now());
    if cluster.status.as_ref() != Some(&status) {
        tracing::warn!(
            cluster = cluster.name_any(),
            error = with_causes(&error),
            "a cluster is stalled"
        );
    }
    status::write(&cluster, &status, &context).await?;
    Ok(Action::requeue(WHILE_STALLED))
}

async fn reconcile_one(cluster: &ConfmanCluster, context: &Context) -> Result<Action, Error> {
    let observed = observe::observe(cluster, context).await?;
    let plan = plan::plan(&observed);
    let done = execute::execute(&plan, &observed, context).await?;
    let status = status::status(&observed, &plan, &done, &crate::conditions::now());
    status::write(cluster, &status, context).await?;
    if done.initialised {
        context.tell(cluster, bootstrapped(cluster)).await;
    }
    let is_ready = crate::conditions::is_true(&status.conditions, "Ready");
    Ok(Action::requeue(match plan.standing {
        Standing::Deleting => {
            context.forget(&observed.id());
            return Ok(Action::await_change());
        }
        Standing::Stalled(..) | Standing::Forming("StampKeysMissing", _) => WHILE_STALLED,
        Standing::Exists if is_ready => WHILE_SERVING,
        Standing::Exists => WHILE_RECOVERING,
        Standing::Forming(..) => WHILE_FORMING,
    }))
}

fn bootstrapped(cluster: &ConfmanCluster) -> Happened {
    Happened {
        is_warning: false,
        reason: "Bootstrapped".to_owned(),
        action: "Bootstrap".to_owned(),
        note: format!(
            "the cluster exists, its root admins are {}",
            cluster.spec.root_admins.join(", ")
        ),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the controller hands over")]
fn failed(cluster: Arc<ConfmanCluster>, error: &Error, context: Arc<Context>) -> Action {
    let delay = context.backoffs.failed(&cluster.uid().unwrap_or_default());
    tracing::warn!(
        cluster = cluster.name_any(),
        error = with_causes(error),
        ?delay,
        "a cluster is tried again"
    );
    Action::requeue(delay)
}
