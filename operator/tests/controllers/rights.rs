//! The operator works with the rights that `manifests/install` gives it and no others, in a test's own Kubernetes namespace.

use std::path::Path;

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::json;

const OPERATOR: &str = "confman-operator";
/// Where the manifest puts the operator.
const INSTALLED: &str = "confman-system";

/// Applies the operator's account and roles for `namespace` in the place of `confman-system`.
pub(crate) async fn install(client: &Client, namespace: &str) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/install/30-operator-rbac.yaml");
    let text = std::fs::read_to_string(manifest).expect("the manifest can be read");
    for document in serde_yaml::Deserializer::from_str(&text.replace(INSTALLED, namespace)) {
        let mut object = DynamicObject::deserialize(document).expect("an object");
        let types = object.types.clone().expect("it has a kind");
        let kind = GroupVersionKind::try_from(&types).expect("it has a group and a version");
        if kind.kind == "ClusterRoleBinding" {
            // One for each test.
            object.metadata.name = Some(format!("{OPERATOR}-{namespace}"));
        }
        let resource = ApiResource::from_gvk(&kind);
        let api = match object.namespace() {
            Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let params = PatchParams::apply("controllers-test").force();
        let applied = api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await;
        applied.expect("it is applied");
    }
}

/// Lets the operator keep clusters in `namespace`.
pub(crate) async fn let_in(client: &Client, namespace: &str) {
    let binding = json!({"metadata": {"name": "confman-cluster-host"},
        "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "confman-cluster-host"}});
    let binding: RoleBinding = serde_json::from_value(binding).expect("a binding");
    let made = Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &binding)
        .await;
    made.expect("it can be bound");
}

/// How the operator of `namespace` reaches the API server.
pub(crate) async fn config(namespace: &str) -> Config {
    let mut config = crate::kubernetes::config("admin").await;
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{OPERATOR}"));
    config.auth_info.impersonate_groups = Some(vec![
        "system:serviceaccounts".to_owned(),
        "system:authenticated".to_owned(),
    ]);
    config
}
