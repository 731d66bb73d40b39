//! From the object and what the cluster knows to the commands that are missing.

use confman_api::internal::{Claim, ConfigNamespace as Declared, DeclareNamespace, ReleaseNamespace};
use confman_api::stamp::{GovernanceStatement, Signed, stamp_digest};
use confman_crds::GOVERNANCE_STAMP;
use kube::{Resource as _, ResourceExt as _};

use super::observe::{Known, Observed};
use crate::translate;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// The object is going away; the sweep finds it gone.
    Nothing,
    /// Another object must change first: reason and message.
    Wait(&'static str, String),
    /// This object must change: reason and message.
    Stall(&'static str, String),
    /// The cluster has it as it should be.
    UpToDate(Box<Declared>),
    /// Free the paths that an earlier object of this name held, then declare.
    Declare(Vec<ReleaseNamespace>, Box<DeclareNamespace>),
}

/// Decides.
pub(super) fn plan(observed: &Observed) -> Plan {
    let object = &observed.object;
    if object.meta().deletion_timestamp.is_some() {
        return Plan::Nothing;
    }
    let command = match declaration(observed) {
        Ok(command) => command,
        Err(stalled) => return stalled,
    };
    let namespaces = match &observed.known {
        Known::NotYet(reason, message) => return Plan::Wait(reason, message.clone()),
        Known::Namespaces(namespaces, _) => namespaces,
    };
    let stamp = stamp_digest(&command.governance);
    let is_as_wanted = |known: &&Declared| {
        known.path == command.path
            && known.claim.as_ref() == Some(&command.claim)
            && known.settings == command.settings
            && known.governance_stamp == Some(stamp)
    };
    match namespaces.iter().find(is_as_wanted) {
        Some(known) => Plan::UpToDate(Box::new(known.clone())),
        None => Plan::Declare(given_up(namespaces, &command), Box::new(command)),
    }
}

/// Paths that an earlier object of the same name declared. Its claim must go first: it is found by that name.
fn given_up(namespaces: &[Declared], command: &DeclareNamespace) -> Vec<ReleaseNamespace> {
    let own = &command.claim;
    let earlier = |known: &Declared| {
        let claim = known.claim.clone()?;
        let same_name = (&claim.kubernetes_namespace, &claim.name) == (&own.kubernetes_namespace, &own.name);
        (same_name && known.path != command.path).then(|| ReleaseNamespace {
            path: known.path.clone(),
            claim,
        })
    };
    namespaces.iter().filter_map(earlier).collect()
}

fn declaration(observed: &Observed) -> Result<DeclareNamespace, Plan> {
    let object = &observed.object;
    let invalid = |error: translate::FieldError| Plan::Stall("InvalidSpec", error.to_string());
    let (path, settings) = (
        translate::path(&object.spec).map_err(invalid)?,
        translate::settings(&object.spec).map_err(invalid)?,
    );
    Ok(DeclareNamespace {
        claim: Claim {
            kubernetes_namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        },
        path,
        settings,
        governance: governance_stamp(observed)?,
    })
}

fn governance_stamp(observed: &Observed) -> Result<Signed<GovernanceStatement>, Plan> {
    let Some(text) = observed.object.annotations().get(GOVERNANCE_STAMP) else {
        let message = format!(
            "annotation {GOVERNANCE_STAMP} is missing: admission did not see who wrote this object. Check that the admission \
             service runs. {}",
            super::how_to_stamp_again(&observed.object)
        );
        return Err(Plan::Stall("NotStamped", message));
    };
    serde_json::from_str(text).map_err(|error| {
        Plan::Stall(
            "InvalidStamp",
            format!("annotation {GOVERNANCE_STAMP} is no stamp: {error}"),
        )
    })
}
