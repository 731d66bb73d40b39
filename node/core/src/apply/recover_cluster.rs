//! Makes a new cluster of what another one has left: a new identity, and no open request, since what was said of those after
//! the kept entries is lost.

use crate::audit::AuditAction;
use crate::cluster::{ClusterRecord, Recovery};
use crate::ids::NamespacePath;
use crate::outcome::Outcome;
use crate::principal::Principal;
use crate::proposal::RecoverCluster;
use crate::publish_request::{RequestState, StepKind};
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, Stop, invalid};
use super::journal::{Journal, Transition};
use super::review::step;

/// Comment of the withdrawals.
const CLUSTER_RECOVERED: &str = "cluster-recovered";

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &RecoverCluster) -> Step<Accepted, V> {
    let lost = context.cluster()?;
    if lost.cluster_id == command.cluster_id {
        Err(invalid(
            "clusterId",
            format!(
                "{} is the lost cluster; the new one needs an id of its own",
                lost.cluster_id
            ),
        ))?;
    }
    if command.kept_index >= context.at.index {
        let detail = format!(
            "{} is not before the recovery at {}",
            command.kept_index, context.at.index
        );
        Err(invalid("keptIndex", detail))?;
    }
    let recovery = Recovery {
        from: lost.cluster_id.clone(),
        cause: command.cause,
        kept_index: command.kept_index,
        at_index: context.at.index,
        at: context.time,
    };
    let courier = Principal::courier();
    let mut journal = Journal::new(context);
    let said = format!(
        "made of the {} of cluster {} as of log index {}",
        recovery.cause.name(),
        recovery.from,
        recovery.kept_index
    );
    let transition = Transition::new(AuditAction::ClusterRecovered, &courier, &NamespacePath::root());
    journal.record(transition.comment(Some(&said)));
    close_requests(context, &mut journal)?;
    let mut recoveries = lost.recoveries.clone();
    recoveries.push(recovery);
    journal.put(Change::PutCluster(ClusterRecord {
        cluster_id: command.cluster_id.clone(),
        recoveries,
        ..lost.clone()
    }));
    Ok(journal.accept(Outcome::ClusterRecovered {
        cluster_id: command.cluster_id.clone(),
    }))
}

fn close_requests<V: StateView>(context: &Context<'_, V>, journal: &mut Journal) -> Step<(), V> {
    let courier = Principal::courier();
    for id in context.view.open_requests().map_err(Stop::Fault)? {
        let mut request = context.request(&id)?;
        request.state = RequestState::Withdrawn;
        let withdrawn = step(context, StepKind::Withdrawn, &courier, Some(CLUSTER_RECOVERED));
        request.steps.push(withdrawn);
        let transition = Transition::new(AuditAction::RequestWithdrawn, &courier, &request.namespace);
        journal.record(transition.of_request(&request).comment(Some(CLUSTER_RECOVERED)));
        journal.put(Change::PutRequest(Box::new(request)));
    }
    Ok(())
}
