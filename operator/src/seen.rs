//! What the operator sees of a `PublishRequest` in lists and watches: names, and where it stands. Everything else is
//! skipped without being parsed, so that an object nested too deeply cannot hide the others.

use std::borrow::Cow;

use confman_crds::PublishRequest;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, Serialize};

/// A `PublishRequest` without its content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeenRequest {
    /// Name and UID only.
    #[serde(deserialize_with = "seen_metadata")]
    pub metadata: ObjectMeta,
    /// The reference.
    #[serde(default)]
    pub spec: SeenSpec,
    /// The state.
    #[serde(default)]
    pub status: SeenStatus,
}

/// Part of the spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenSpec {
    /// The reference.
    #[serde(default)]
    pub namespace_ref: SeenReference,
}

/// A reference.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeenReference {
    /// Name of the `ConfigNamespace`.
    #[serde(default)]
    pub name: String,
}

/// Part of the status.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeenStatus {
    /// As in the status.
    #[serde(default)]
    pub state: Option<String>,
}

impl SeenRequest {
    /// True once nothing more can happen to it.
    pub fn is_final(&self) -> bool {
        let state = self.status.state.as_deref();
        matches!(state, Some("Published" | "Rejected" | "Withdrawn" | "Superseded"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

/// `managedFields` is as deep as the value, so it must not be parsed either.
fn seen_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let SeenMetadata {
        name,
        namespace,
        uid,
        resource_version,
        generation,
        creation_timestamp,
        deletion_timestamp,
    } = SeenMetadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        generation,
        creation_timestamp,
        deletion_timestamp,
        ..ObjectMeta::default()
    })
}

impl Resource for SeenRequest {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        PublishRequest::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        PublishRequest::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        PublishRequest::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        PublishRequest::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    fn deep(levels: usize) -> String {
        let value = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        format!(
            r#"{{"apiVersion":"confman.io/v1alpha1","kind":"PublishRequest","metadata":{{"name":"deep","namespace":"apps",
            "uid":"u","managedFields":[{{"fieldsV1":{value}}}]}},"spec":{{"namespaceRef":{{"name":"payments"}},"value":{value}}},
            "status":{{"state":"Published","reviews":[]}}}}"#
        )
    }

    #[test]
    fn an_object_that_nobody_can_parse_is_seen() {
        let text = deep(9_000);
        assert!(serde_json::from_str::<PublishRequest>(&text).is_err());
        let list =
            format!(r#"{{"apiVersion":"v1","kind":"List","metadata":{{"resourceVersion":"1"}},"items":[{text}]}}"#);
        let list: ObjectList<SeenRequest> = serde_json::from_str(&list).expect("the list is read");
        assert_eq!(list.items[0].spec.namespace_ref.name, "payments");
        assert!(list.items[0].is_final());
        let event = format!(r#"{{"type":"ADDED","object":{text}}}"#);
        let event: WatchEvent<SeenRequest> = serde_json::from_str(&event).expect("the event is read");
        assert!(matches!(event, WatchEvent::Added(seen) if seen.metadata.name.as_deref() == Some("deep")));
    }
}
