//! From what is there to what is to be done, without doing it.

use confman_api::ids::ClusterId;
use confman_api::internal::{Initialise, NodeStatus};
use confman_api::namespace::Workflow;
use kube::api::DynamicObject;
use kube::{Resource as _, ResourceExt as _};

use super::identity::identity;
use super::names::Names;
use super::observe::{ApiKeys, CLUSTER_ID, Kept, Observed};
use crate::translate;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Make the CA.
    MakeAuthority,
    /// Make the certificate of the nodes.
    MakeNodesCertificate,
    /// Make the certificate of the courier.
    MakeCourierCertificate,
    /// Make the one-use token.
    MakeToken,
    /// Make everything else as it should be.
    Apply(Vec<DynamicObject>),
    /// Bootstrap.
    Initialise(Box<Initialise>),
    /// The token has been used, and that is on record.
    DeleteToken,
}

/// Where the cluster stands, as far as it does not depend on what the steps bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its object is going away.
    Deleting,
    /// Somebody has to change something: reason and message.
    Stalled(&'static str, String),
    /// It comes into being: reason and message.
    Forming(&'static str, String),
    /// It exists.
    Exists,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// Where the cluster stands.
    pub standing: Standing,
}

/// Decides.
pub(super) fn plan(observed: &Observed) -> Plan {
    let nothing = |standing| Plan {
        steps: Vec::new(),
        standing,
    };
    if observed.cluster.meta().deletion_timestamp.is_some() {
        return nothing(Standing::Deleting);
    }
    let initialise = match initialise(observed) {
        Ok(initialise) => initialise,
        Err(error) => return nothing(Standing::Stalled("InvalidSpec", error)),
    };
    if let Some(other) = anothers_secrets(observed) {
        return nothing(Standing::Stalled("SecretsOfAnotherCluster", other));
    }
    if !observed.taken.is_empty() {
        return nothing(Standing::Stalled("NameTaken", name_taken(observed)));
    }
    if let Some(stalled) = without_authority(observed) {
        return nothing(stalled);
    }
    let mut steps = make_secrets(observed);
    steps.extend(observed.due.clone().map(Step::Apply));
    let standing = if observed.is_bootstrapped() {
        let is_recorded = observed
            .cluster
            .status
            .as_ref()
            .is_some_and(|status| status.cluster_id.is_some());
        if observed.token.is_some() && is_recorded {
            steps.push(Step::DeleteToken);
        }
        exists(observed)
    } else {
        form(observed, initialise, &mut steps)
    };
    Plan { steps, standing }
}

/// Secrets outlive the object, since volumes do: another object under the name must not take them for its own.
fn anothers_secrets(observed: &Observed) -> Option<String> {
    let names = Names::of(&observed.cluster);
    let all = [
        (&observed.authority, names.authority_secret()),
        (&observed.courier_certificate, names.courier_secret()),
    ];
    let (other, _) = all.iter().find_map(|(kept, name)| match kept {
        Kept::Anothers(id) => Some((id, name)),
        Kept::Missing | Kept::Ours | Kept::Outdated | Kept::Foreign => None,
    })?;
    let (cluster, namespace) = (&names.cluster, &names.namespace);
    Some(format!(
        "cluster {other} had this name, and its Secrets and volumes are kept. To begin anew, losing its data: kubectl -n \
         {namespace} delete secret {cluster}-ca {cluster}-courier --ignore-not-found && kubectl -n {namespace} delete pvc \
         -l app.kubernetes.io/instance={cluster}"
    ))
}

fn name_taken(observed: &Observed) -> String {
    let Names { namespace, cluster } = Names::of(&observed.cluster);
    let taken = observed.taken.join(", ");
    format!(
        "somebody else has made, in Kubernetes namespace {namespace}, what this cluster would call its own: {taken}. Nothing is \
         changed while it is there. Remove it, or make the ConfmanCluster under another name than {cluster}; a Secret of this \
         cluster that was restored needs its annotation {CLUSTER_ID}: {} back",
        observed.id()
    )
}

/// A cluster that exists trusts one CA: with another one, what is made anew could not talk to what runs.
fn without_authority(observed: &Observed) -> Option<Standing> {
    if !observed.is_bootstrapped() {
        return None;
    }
    let Names { namespace, cluster } = Names::of(&observed.cluster);
    let restore = format!(
        "the nodes go on with the certificates that they have. Restore Secret {cluster}-ca in Kubernetes namespace \
         {namespace} from a backup: entries ca.crt (the one in Secret {cluster}-nodes) and ca.key, annotation {CLUSTER_ID}: {}",
        observed.id()
    );
    let are_nodes_of_another = match observed.nodes_certificate {
        Kept::Outdated => true,
        Kept::Ours => false,
        Kept::Missing | Kept::Anothers(_) | Kept::Foreign => observed.courier_certificate == Kept::Outdated,
    };
    match observed.authority {
        Kept::Missing => {
            let message = format!("the CA of the cluster is gone; {restore}");
            Some(Standing::Stalled("AuthorityMissing", message))
        }
        Kept::Ours if are_nodes_of_another => {
            let message = format!("the CA is not the one that the nodes' certificate is of; {restore}");
            Some(Standing::Stalled("AuthorityMismatch", message))
        }
        Kept::Ours | Kept::Outdated | Kept::Anothers(_) | Kept::Foreign => None,
    }
}

fn make_secrets(observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if observed.authority == Kept::Missing {
        steps.push(Step::MakeAuthority);
    }
    // Leaves of a CA that is gone are worth nothing.
    if observed.authority == Kept::Missing || observed.nodes_certificate != Kept::Ours {
        steps.push(Step::MakeNodesCertificate);
    }
    if observed.authority == Kept::Missing || observed.courier_certificate != Kept::Ours {
        steps.push(Step::MakeCourierCertificate);
    }
    if observed.token.is_none() && !observed.is_bootstrapped() {
        steps.push(Step::MakeToken);
    }
    steps
}

fn exists(observed: &Observed) -> Standing {
    match &observed.api_keys {
        ApiKeys::NotWanted | ApiKeys::Found => Standing::Exists,
        ApiKeys::Missing(name) => Standing::Stalled("ApiKeysSecretMissing", missing_keys(observed, name)),
    }
}

fn missing_keys(observed: &Observed, name: &str) -> String {
    let namespace = Names::of(&observed.cluster).namespace;
    format!(
        "spec.auth.apiKeysSecretRef.name: there is no Secret {name} in Kubernetes namespace {namespace}; no API key works \
         until it exists, with one entry a key: its name, and sha256:<hex> of its text (confman-node keys generate)"
    )
}

/// Bootstraps once every node answers: the first one asks the others, and begins only if all of them agree.
fn form(observed: &Observed, initialise: InitialiseFor, steps: &mut Vec<Step>) -> Standing {
    let Some(Ok(stamp_key)) = &observed.stamp_key else {
        let why = match &observed.stamp_key {
            Some(Err(why)) => why.clone(),
            Some(Ok(_)) | None => "there is no stamp key".to_owned(),
        };
        return Standing::Forming("StampKeysMissing", why);
    };
    let missing: Vec<_> = observed
        .nodes
        .iter()
        .zip(&observed.answers)
        .filter(|(_, answer)| answer.is_none())
        .map(|(node, _)| node.pod.as_str())
        .collect();
    let Some(token) = observed.token.clone().filter(|_| missing.is_empty()) else {
        let (all, up) = (observed.nodes.len(), observed.nodes.len() - missing.len());
        let waiting = if missing.is_empty() {
            "the bootstrap token".to_owned()
        } else {
            missing.join(", ")
        };
        return Standing::Forming(
            "NodesStarting",
            format!("{up} of {all} nodes answer; waiting for {waiting}"),
        );
    };
    steps.push(Step::Initialise(Box::new(initialise(token, stamp_key.clone()))));
    Standing::Forming(
        "Bootstrapping",
        "all nodes answer; the cluster is bootstrapped".to_owned(),
    )
}

type InitialiseFor = Box<dyn FnOnce(String, confman_api::internal::StampKey) -> Initialise>;

/// What bootstrap says, but for token and key; or which field is wrong.
fn initialise(observed: &Observed) -> Result<InitialiseFor, String> {
    let (cluster, names) = (&observed.cluster, Names::of(&observed.cluster));
    let root_admins =
        translate::subjects("spec.rootAdmins", &cluster.spec.root_admins).map_err(|error| error.to_string())?;
    let workflow = cluster
        .spec
        .defaults
        .as_ref()
        .map_or(Ok(Workflow::REVIEWED), |defaults| {
            translate::workflow("spec.defaults.workflow", &defaults.workflow).map_err(|error| error.to_string())
        })?;
    let identity = identity("spec.identity", cluster.spec.identity.as_ref()).map_err(|error| error.to_string())?;
    let cluster_id =
        ClusterId::parse(&cluster.uid().unwrap_or_default()).map_err(|error| format!("metadata.uid: {error}"))?;
    let members = observed.nodes.iter().map(|node| node.peer_address.clone()).collect();
    Ok(Box::new(move |token, stamp_key| Initialise {
        token,
        cluster_id,
        kubernetes_namespace: names.namespace,
        name: names.cluster,
        members,
        root_admins,
        workflow,
        stamp_key,
        identity,
    }))
}

/// Whether most of the nodes say that they follow or are the same leader.
pub(super) fn is_available(answers: &[Option<NodeStatus>]) -> bool {
    let leaders: Vec<_> = answers
        .iter()
        .flatten()
        .filter_map(|status| status.leader.as_ref())
        .collect();
    let agree = |leader: &&String| leaders.iter().filter(|other| **other == *leader).count();
    leaders.iter().map(agree).max().unwrap_or(0) * 2 > answers.len()
}

#[cfg(test)]
mod tests;
