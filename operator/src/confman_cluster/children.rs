//! The Kubernetes objects of a cluster, as they should be.

use confman_crds::ConfmanCluster;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use super::names::Names;
use crate::context::Error;

/// User and group of the nodes; anything but root.
const USER: i64 = 65_532;
/// A node hands its leadership over and closes its databases well within this.
const TERMINATION_GRACE_S: i64 = 30;

/// Everything but Secrets.
pub(super) fn children(cluster: &ConfmanCluster) -> Vec<DynamicObject> {
    let names = Names::of(cluster);
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
            "metadata": {"name": names.cluster}}),
        peers_service(&names),
        client_service(&names),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": names.cluster},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(&names)}}}),
        stateful_set(cluster, &names),
    ];
    objects
        .into_iter()
        .map(|object| owned(cluster, &names, object))
        .collect()
}

/// Where an object of a cluster is read and written.
pub(super) fn api(object: &DynamicObject, client: &Client) -> Result<Api<DynamicObject>, Error> {
    let types = object.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types).map_err(|_| Error::Incomplete("kind"))?;
    let namespace = object.namespace().unwrap_or_default();
    Ok(Api::namespaced_with(
        client.clone(),
        &namespace,
        &ApiResource::from_gvk(&kind),
    ))
}

/// Adds what all have: Kubernetes namespace, labels, owner.
fn owned(cluster: &ConfmanCluster, names: &Names, mut object: Value) -> DynamicObject {
    object["metadata"]["namespace"] = json!(names.namespace);
    object["metadata"]["labels"] = labels(names);
    object["metadata"]["ownerReferences"] = json!([cluster.controller_owner_ref(&())]);
    serde_json::from_value(object).expect("children are written in the shape of an object")
}

/// Labels that find the pods of a cluster; never changed.
fn selector(names: &Names) -> Value {
    json!({"app.kubernetes.io/name": "confman", "app.kubernetes.io/instance": names.cluster})
}

/// Labels of every object of a cluster.
pub(super) fn labels(names: &Names) -> Value {
    json!({
        "app.kubernetes.io/name": "confman",
        "app.kubernetes.io/instance": names.cluster,
        "app.kubernetes.io/component": "node",
        "app.kubernetes.io/managed-by": "confman-operator",
    })
}

/// Names of pods that are not ready resolve too: they must find each other to become so.
fn peers_service(names: &Names) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": names.peers_service()}, "spec": {
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": selector(names),
        "ports": [
            {"name": "http", "port": 8080, "targetPort": "http"},
            {"name": "internal", "port": 8444, "targetPort": "internal"},
            {"name": "peers", "port": 8445, "targetPort": "peers"},
            {"name": "metrics", "port": 9090, "targetPort": "metrics"},
        ],
    }})
}

fn client_service(names: &Names) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": names.cluster}, "spec": {
        "selector": selector(names),
        "ports": [{"name": "http", "port": 8080, "targetPort": "http"}],
    }})
}

fn stateful_set(cluster: &ConfmanCluster, names: &Names) -> Value {
    let storage = &cluster.spec.storage;
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    });
    if let Some(class) = &storage.storage_class_name {
        claim["storageClassName"] = json!(class);
    }
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": names.cluster}, "spec": {
        "serviceName": names.peers_service(),
        "replicas": cluster.spec.replicas,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": selector(names)},
        "template": {"metadata": {"labels": labels(names)}, "spec": pod(cluster, names)},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }})
}

fn pod(cluster: &ConfmanCluster, names: &Names) -> Value {
    let keys = cluster
        .spec
        .auth
        .as_ref()
        .and_then(|auth| auth.api_keys_secret_ref.as_ref());
    // A Secret that comes later is mounted later: nodes read the folder again when it changes.
    let api_keys = keys.map_or_else(
        || json!({"name": "api-keys", "emptyDir": {}}),
        |keys| json!({"name": "api-keys", "secret": {"secretName": keys.name, "optional": true}}),
    );
    json!({
        "serviceAccountName": names.cluster,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": TERMINATION_GRACE_S,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100,
            "podAffinityTerm": {
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": {"matchLabels": selector(names)},
            },
        }]}},
        "containers": [container(cluster, names)],
        "volumes": [
            {"name": "tls", "secret": {"secretName": names.nodes_secret()}},
            api_keys,
            {"name": "bootstrap", "secret": {"secretName": names.bootstrap_secret(), "optional": true}},
        ],
    })
}

fn container(cluster: &ConfmanCluster, names: &Names) -> Value {
    let host = format!("$(POD_NAME).{}.{}.svc:8445", names.peers_service(), names.namespace);
    let mut container = json!({
        "name": "node",
        "image": cluster.spec.image,
        "args": ["run"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CONFMAN_ADVERTISE", "value": host},
            {"name": "CONFMAN_CLUSTER_ID", "value": cluster.uid().unwrap_or_default()},
            {"name": "CONFMAN_DATA_DIR", "value": "/var/lib/confman"},
            {"name": "CONFMAN_TLS_DIR", "value": "/etc/confman/tls"},
            {"name": "CONFMAN_API_KEYS_DIR", "value": "/etc/confman/api-keys"},
            {"name": "CONFMAN_BOOTSTRAP_TOKEN_FILE", "value": "/etc/confman/bootstrap/token"},
        ],
        "ports": [
            {"name": "http", "containerPort": 8080},
            {"name": "internal", "containerPort": 8444},
            {"name": "peers", "containerPort": 8445},
            {"name": "metrics", "containerPort": 9090},
        ],
        // Opening a large volume takes long; a node that has opened it answers at once.
        "startupProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1, "failureThreshold": 300},
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/health/ready", "port": "http"}, "periodSeconds": 2, "timeoutSeconds": 2},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/confman"},
            {"name": "tls", "mountPath": "/etc/confman/tls", "readOnly": true},
            {"name": "api-keys", "mountPath": "/etc/confman/api-keys", "readOnly": true},
            {"name": "bootstrap", "mountPath": "/etc/confman/bootstrap", "readOnly": true},
        ],
    });
    if let Some(resources) = &cluster.spec.resources {
        container["resources"] = json!(resources);
    }
    container
}
