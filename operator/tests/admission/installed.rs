//! What is installed: one key for both replicas that only they can read, and samples that the API server takes.

use std::path::Path;

use confman_crds::PublishRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::json;

use crate::service::account;
use crate::world::{World, refusal, webhooks};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_key_that_nobody_else_reads() {
    let world = World::empty().await;
    world.stamp_key().await;
    let secrets = async |account_name: &str| {
        let client = Client::try_from(account(account_name).await).expect("a client can be built");
        Api::<Secret>::namespaced(client, "confman-system")
    };
    let read = secrets("confman-admission").await.get("confman-stamp-keys").await;
    read.expect("admission reads its key");
    let read = secrets("confman-operator").await.get("confman-stamp-keys").await;
    assert!(matches!(read, Err(kube::Error::Api(status)) if status.code == 403));
    let webhooks = webhooks(&crate::kubernetes::client("admin").await).await;
    let bundles: Vec<_> = webhooks
        .iter()
        .map(|webhook| webhook.client_config.ca_bundle.as_ref())
        .collect();
    assert!(bundles.iter().all(|bundle| bundle.is_some() && *bundle == bundles[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admission_writes_the_public_keys() {
    let world = World::empty().await;
    world.stamp_key().await;
    let api = Api::<ConfigMap>::namespaced(crate::kubernetes::client("admin").await, "confman-system");
    let forged = Patch::Merge(json!({"data": {"keys.json": "[]"}}));
    let patched = api.patch("confman-stamp-keys", &PatchParams::default(), &forged).await;
    let one = api.delete("confman-stamp-keys", &DeleteParams::default()).await;
    let all = api
        .delete_collection(
            &DeleteParams::default(),
            &ListParams::default().fields("metadata.name=confman-stamp-keys"),
        )
        .await;
    for message in [refusal(patched), refusal(one), refusal(all)] {
        assert!(message.contains("written by admission only"), "{message}");
    }
    let other = json!({"metadata": {"name": "another"}});
    let other = serde_json::from_value(other).expect("a ConfigMap");
    api.create(&PostParams::default(), &other)
        .await
        .expect("other ConfigMaps are nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_finds_nothing_wrong_with_the_definitions() {
    World::empty().await;
    let api = Api::<CustomResourceDefinition>::all(crate::kubernetes::client("admin").await);
    for definition in confman_crds::manifest::definitions().expect("the definitions can be made") {
        let found = api.get(&definition.name_any()).await.expect("it is installed");
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let structural = conditions
            .iter()
            .find(|condition| condition.type_ == "NonStructuralSchema");
        assert!(structural.is_none(), "{structural:?}");
    }
    let requests = Api::<PublishRequest>::all(crate::kubernetes::client("admin").await);
    requests
        .list(&kube::api::ListParams::default())
        .await
        .expect("the kind is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_taken_in_the_order_of_their_names() {
    World::empty().await;
    let client = crate::kubernetes::client("admin").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the samples are there")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a sample can be read");
        for document in serde_yaml::Deserializer::from_str(&text) {
            let object = DynamicObject::deserialize(document).expect("an object");
            let kind = object.types.as_ref().expect("a kind").try_into().expect("a kind");
            let (resource, _) = kube::discovery::pinned_kind(&client, &kind)
                .await
                .expect("a known kind");
            let api: Api<DynamicObject> = match object.namespace() {
                Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let params = PatchParams::apply("samples-test");
            let applied = api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await;
            assert!(applied.is_ok(), "{}: {applied:?}", file.display());
        }
    }
}
