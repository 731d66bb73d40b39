//! Stamps who asked for the governance fields of a `ConfigNamespace`.

use confman_api::digest::{Digest, governance_digest};
use confman_api::ids::ClusterId;
use confman_api::internal::Governance;
use confman_api::stamp::{GovernanceStatement, Signed, stamp_digest};
use confman_crds::{ConfigNamespace, GOVERNANCE_STAMP, STAMP_AGAIN};
use serde_json::json;

use super::Admission;
use super::review::{Add, Answer, Denied, Request, parse};
use crate::translate;

/// Somebody writes a namespace: stamps the governance fields if they are new, and keeps the stamp if they are not.
pub(super) async fn on_write(admission: &Admission, request: &Request<'_>) -> Answer {
    let raw = request
        .object
        .ok_or_else(|| Denied::unable("the review has no object"))?;
    let new: ConfigNamespace = parse(raw)?;
    let old: Option<ConfigNamespace> = match request.old_object {
        Some(raw) => serde_json::from_str(raw.get()).ok(),
        None => None,
    };
    let path = translate::path(&new.spec)?;
    let governance = translate::governance(&new.spec)?;
    let cluster_id = admission
        .lookup
        .cluster(&request.namespace, &new.spec.cluster_ref.name)
        .await?;
    let kept = old
        .as_ref()
        .filter(|_| annotation(&new) != Some(STAMP_AGAIN))
        .and_then(|old| stamp_to_keep(old, &governance, &cluster_id));
    if let Some(stamp) = kept {
        return Ok(restore(&new, stamp));
    }
    let name = new.metadata.name.as_deref().unwrap_or(&request.name);
    if name.is_empty() {
        return Err(Denied::invalid(
            "metadata.generateName: give the config namespace a name",
        ));
    }
    let statement = GovernanceStatement {
        cluster_id,
        kubernetes_namespace: request.namespace.clone(),
        name: name.to_owned(),
        path,
        governance_digest: governance_digest(&governance),
        previous: old.as_ref().and_then(in_force),
        user: super::signer::stamped_user(&request.user_info)?,
        time: super::signer::now(),
    };
    let signed = admission.signer.sign(statement, request.dry_run)?;
    Ok(restore(&new, &json!(signed).to_string()))
}

/// The stamp of the stored object, if it is for this cluster, still speaks of these fields and follows the stamp in force.
fn stamp_to_keep<'a>(old: &'a ConfigNamespace, governance: &Governance, cluster: &ClusterId) -> Option<&'a str> {
    let text = annotation(old)?;
    let signed: Signed<GovernanceStatement> = serde_json::from_str(text).ok()?;
    let in_force = in_force(old);
    let follows = in_force == Some(stamp_digest(&signed)) || in_force == signed.statement.previous;
    let speaks = signed.statement.governance_digest == governance_digest(governance);
    (signed.statement.cluster_id == *cluster && speaks && follows).then_some(text)
}

/// Digest of the stamp that the cluster goes by, as the operator last saw it.
fn in_force(old: &ConfigNamespace) -> Option<Digest> {
    let text = old.status.as_ref()?.governance_stamp.as_deref()?;
    Digest::parse(text).ok()
}

fn annotation(object: &ConfigNamespace) -> Option<&str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(GOVERNANCE_STAMP).map(String::as_str)
}

/// Puts the annotation where it is missing or another: a manifest need not have it, and nobody else may write it.
fn restore(new: &ConfigNamespace, stamp: &str) -> Vec<Add> {
    if annotation(new) == Some(stamp) {
        return Vec::new();
    }
    if new.metadata.annotations.is_none() {
        return vec![Add::new("/metadata/annotations", json!({ GOVERNANCE_STAMP: stamp }))];
    }
    let path = format!("/metadata/annotations/{}", GOVERNANCE_STAMP.replace('/', "~1"));
    vec![Add::new(path, json!(stamp))]
}
