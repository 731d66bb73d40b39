//! Says in the object's status what was found and done.

use confman_api::ids::Timestamp;
use confman_api::internal::{MemberRole, NodeStatus};
use confman_crds::{ConfmanCluster, ConfmanClusterStatus, Member};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource as _};

use super::execute::Done;
use super::names::Names;
use super::observe::Observed;
use super::plan::{Plan, Standing, is_available};
use crate::conditions::{self, Wanted};
use crate::context::{Context, Error};
use crate::report;

/// Type of the condition about stamp keys.
const STAMP_KEY_EXPIRES: &str = "StampKeyExpires";
/// So long before the end somebody must know.
const STAMP_KEY_WARNING_MS: i64 = 14 * 24 * 3_600_000;
/// Conditions that say how the last look ended; the others stay where a look fails.
const STANDING: [&str; 3] = ["Ready", "Reconciling", "Stalled"];

/// The status of a cluster that could not be looked after: what was known, and why.
pub(super) fn blocked(cluster: &ConfmanCluster, (reason, message): (&str, &str), now: &Time) -> ConfmanClusterStatus {
    let old = cluster.status.clone().unwrap_or_default();
    let generation = cluster.meta().generation;
    let wanted = conditions::stalled(reason, message);
    let mut conditions = conditions::merge(&old.conditions, &wanted, generation, now);
    let others = old.conditions.iter();
    conditions.extend(
        others
            .filter(|other| !STANDING.contains(&other.type_.as_str()))
            .cloned(),
    );
    ConfmanClusterStatus {
        observed_generation: generation,
        conditions,
        ..old
    }
}

/// The status that follows.
pub(super) fn status(observed: &Observed, plan: &Plan, done: &Done, now: &Time) -> ConfmanClusterStatus {
    let old = observed.cluster.status.clone().unwrap_or_default();
    let names = Names::of(&observed.cluster);
    let exists = observed.is_bootstrapped() || done.initialised;
    let leader = leader(&observed.answers);
    let mut wanted = conditions_of(observed, plan, done);
    wanted.extend(stamp_key_expires(observed.stamp_keys_end, &old, now));
    let generation = observed.cluster.meta().generation;
    ConfmanClusterStatus {
        observed_generation: generation,
        conditions: conditions::merge(&old.conditions, &wanted, generation, now),
        cluster_id: if exists { Some(observed.id()) } else { old.cluster_id },
        leader: leader.and_then(|id| pod_of(observed, id)),
        term: term(&observed.answers).and_then(|term| i64::try_from(term).ok()),
        members: members(observed),
        ready_replicas: observed
            .stateful_set
            .as_ref()
            .and_then(|set| set.status.as_ref())
            .map(|status| status.ready_replicas.unwrap_or(0)),
        endpoint: Some(format!("http://{}.{}.svc:8080", names.cluster, names.namespace)),
    }
}

/// Writes it, if it is not there already.
pub(super) async fn write(
    cluster: &ConfmanCluster,
    status: &ConfmanClusterStatus,
    context: &Context,
) -> Result<(), Error> {
    let names = Names::of(cluster);
    let api = Api::<ConfmanCluster>::namespaced(context.client.clone(), &names.namespace);
    report::status(&api, cluster, cluster.status.as_ref(), status).await
}

fn conditions_of(observed: &Observed, plan: &Plan, done: &Done) -> Vec<Wanted> {
    let mut wanted = match (&plan.standing, &done.refused) {
        (Standing::Deleting, _) => conditions::reconciling("Deleting", "the cluster is being deleted"),
        (Standing::Stalled(reason, message), _) => conditions::stalled(reason, message),
        (Standing::Forming(reason, _), Some(refused)) => conditions::reconciling(reason, refused),
        (Standing::Forming(reason, message), None) => conditions::reconciling(reason, message),
        (Standing::Exists, _) => serving(observed),
    };
    wanted.push(available(observed));
    wanted.extend(update_pending(observed));
    wanted
}

fn serving(observed: &Observed) -> Vec<Wanted> {
    let silent: Vec<_> = observed
        .nodes
        .iter()
        .zip(&observed.answers)
        .filter(|(_, answer)| answer.as_ref().is_none_or(|status| status.leader.is_none()))
        .map(|(node, _)| node.pod.as_str())
        .collect();
    if silent.is_empty() {
        conditions::ready("Serving", format!("all {} nodes serve", observed.nodes.len()))
    } else {
        conditions::reconciling("NodesMissing", format!("waiting for {}", silent.join(", ")))
    }
}

fn available(observed: &Observed) -> Wanted {
    if is_available(&observed.answers) {
        return Wanted::new(
            "Available",
            "True",
            "Quorum",
            "a majority of the nodes follows one leader",
        );
    }
    let message = "no majority of the nodes follows one leader: nothing can be published; published values that nodes have \
                   can still be read";
    Wanted::new("Available", "False", "NoQuorum", message)
}

/// Said for two weeks before the last key ends, and after. A cluster that cannot be asked has the keys that it had.
fn stamp_key_expires(end: Option<Timestamp>, old: &ConfmanClusterStatus, now: &Time) -> Option<Wanted> {
    let Some(end) = end else {
        let found = old
            .conditions
            .iter()
            .find(|condition| condition.type_ == STAMP_KEY_EXPIRES)?;
        return Some(Wanted::new(STAMP_KEY_EXPIRES, "True", &found.reason, &found.message));
    };
    let left_ms = end.as_millis() - now.0.as_millisecond();
    let what = "no declaration, request or review made through Kubernetes counts in this cluster";
    let cure = "register a new stamp key that a current one has signed";
    let (reason, message) = if left_ms <= 0 {
        (
            "Expired",
            format!("the last stamp key ended at {end}: {what}. Published values can still be read"),
        )
    } else if left_ms <= STAMP_KEY_WARNING_MS {
        (
            "ExpiresSoon",
            format!("the last stamp key ends at {end}; from then on {what}. Before: {cure}"),
        )
    } else {
        return None;
    };
    Some(Wanted::new(STAMP_KEY_EXPIRES, "True", reason, message))
}

/// Pods are replaced by nobody but people yet.
fn update_pending(observed: &Observed) -> Option<Wanted> {
    let status = observed.stateful_set.as_ref()?.status.as_ref()?;
    if status.update_revision == status.current_revision {
        return None;
    }
    let names = Names::of(&observed.cluster);
    let message = format!(
        "the pods run an older template; delete them one at a time, the leader last, each time until the cluster is Ready \
         again: kubectl -n {} delete pod {}",
        names.namespace,
        names.pod(observed.cluster.spec.replicas - 1)
    );
    Some(Wanted::new("UpdatePending", "True", "PodsRunOlderTemplate", message))
}

/// The leader of the highest term that anybody knows.
fn leader(answers: &[Option<NodeStatus>]) -> Option<&str> {
    let known = answers.iter().flatten().filter(|status| status.leader.is_some());
    known.max_by_key(|status| status.term)?.leader.as_deref()
}

fn term(answers: &[Option<NodeStatus>]) -> Option<u64> {
    answers
        .iter()
        .flatten()
        .map(|status| status.term)
        .max()
        .filter(|term| *term > 0)
}

fn pod_of(observed: &Observed, id: &str) -> Option<String> {
    members(observed)
        .into_iter()
        .find(|member| member.id == id)
        .map(|member| member.name)
}

/// As the status names it.
fn role(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Leader => "Leader",
        MemberRole::Follower => "Follower",
        MemberRole::Candidate => "Candidate",
        MemberRole::Learner => "Learner",
        MemberRole::Unknown => "Unknown",
    }
}

/// The members as the best informed node knows them, with what each says of itself.
fn members(observed: &Observed) -> Vec<Member> {
    let answers = observed.answers.iter().flatten();
    let Some(best) = answers.max_by_key(|status| (status.term, status.leader.is_some(), status.last_applied_index))
    else {
        return observed
            .cluster
            .status
            .as_ref()
            .map(|status| status.members.clone())
            .unwrap_or_default();
    };
    let member = |ordinal: usize| {
        let node = observed.nodes.get(ordinal)?;
        let known = best.members.iter().find(|member| member.address == node.peer_address)?;
        let own = observed.answers.get(ordinal)?.as_ref();
        Some(Member {
            name: node.pod.clone(),
            id: known.node_id.clone(),
            role: role(known.role).to_owned(),
            version: own.map(|status| status.version.clone()),
        })
    };
    (0..observed.nodes.len()).filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_last_stamp_key_is_told_two_weeks_before_and_after() {
        let day = 24 * 3_600_000;
        let now = Time(jiff::Timestamp::from_millisecond(100 * day).expect("in range"));
        let mut old = ConfmanClusterStatus::default();
        let told = |end: Option<i64>, old: &ConfmanClusterStatus| {
            let wanted = stamp_key_expires(end.map(Timestamp::from_millis), old, &now);
            wanted.map_or_else(|| "nothing".to_owned(), |wanted| wanted.reason)
        };
        assert_eq!(told(Some(115 * day), &old), "nothing");
        assert_eq!(told(Some(114 * day), &old), "ExpiresSoon");
        assert_eq!(told(Some(100 * day), &old), "Expired");
        assert_eq!(told(None, &old), "nothing");
        let wanted = stamp_key_expires(Some(Timestamp::from_millis(99 * day)), &old, &now);
        old.conditions = conditions::merge(&[], wanted.as_slice(), None, &now);
        assert_eq!(told(None, &old), "Expired", "as long as the cluster cannot be asked");
        assert_eq!(told(Some(180 * day), &old), "nothing");
    }
}
