//! The definitions of the three kinds as YAML: what the derives give, and the rules at the root that they cannot.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::{ConfigNamespace, ConfmanCluster, PublishRequest};

/// One committed file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Name under `crds/yaml`.
    pub file: &'static str,
    /// Its content.
    pub yaml: String,
}

/// Why the YAML could not be made: a mistake in the types.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A definition is no JSON.
    #[error("write a definition as JSON")]
    Json(#[from] serde_json::Error),
    /// A definition is no YAML.
    #[error("write a definition as YAML")]
    Yaml(#[from] serde_yaml::Error),
    /// The schema has not the shape that the rules are put into.
    #[error("the definition has no {0}")]
    Missing(&'static str),
}

/// All three definitions.
pub fn all() -> Result<Vec<Manifest>, ManifestError> {
    let mut publish_request = serde_json::to_value(PublishRequest::crd())?;
    add_root_rules(&mut publish_request)?;
    [
        ("confmancluster.yaml", serde_json::to_value(ConfmanCluster::crd())?),
        ("confignamespace.yaml", serde_json::to_value(ConfigNamespace::crd())?),
        ("publishrequest.yaml", publish_request),
    ]
    .into_iter()
    .map(|(file, definition)| {
        let yaml = format!(
            "# Made from the types in crds/src by `make generate`.\n{}",
            serde_yaml::to_string(&definition)?
        );
        Ok(Manifest { file, yaml })
    })
    .collect()
}

/// The definitions as objects.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, ManifestError> {
    all()?
        .iter()
        .map(|manifest| Ok(serde_yaml::from_str(&manifest.yaml)?))
        .collect()
}

/// Rules about spec and status together can only stand at the root, and so can one about losing the whole status; a list to
/// append to must always be there, and `null` instead of a status means the default, not nothing.
fn add_root_rules(definition: &mut Value) -> Result<(), ManifestError> {
    let root = definition
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .ok_or(ManifestError::Missing("schema"))?;
    root["x-kubernetes-validations"] = json!([
        {
            "rule": "!has(oldSelf.status) || !has(oldSelf.status.reviews) || (has(self.status) && has(self.status.reviews))",
            "message": "reviews cannot be removed"
        },
        {
            "rule": "!has(self.status) || !has(self.status.reviews) || !has(self.spec.requestedBy) || self.status.reviews.all(r, \
                     r.reviewer != self.spec.requestedBy.username || r.decision == 'Withdraw')",
            "message": "nobody reviews their own request; somebody else must approve it"
        },
        {
            "rule": "!has(self.status) || !has(self.status.reviews) || !has(self.spec.requestedBy) || self.status.reviews.all(r, \
                     r.decision != 'Withdraw' || r.reviewer == self.spec.requestedBy.username)",
            "message": "only the requester withdraws a request"
        },
        {
            "rule": "!has(self.status) || !has(self.status.reviews) || !has(self.spec.onBehalfOf) || self.status.reviews.all(r, \
                     r.decision == 'Withdraw' || !(r.reviewer in self.spec.onBehalfOf))",
            "message": "nobody reviews a request that was made on their own behalf"
        }
    ]);
    let status = root
        .pointer_mut("/properties/status")
        .and_then(Value::as_object_mut)
        .ok_or(ManifestError::Missing("status"))?;
    status.remove("nullable");
    status.insert("default".to_owned(), json!({"reviews": []}));
    Ok(())
}
