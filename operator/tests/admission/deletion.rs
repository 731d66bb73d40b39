//! Deleting: a request by its requester or by who could reject it, a declaration by who governs, everything by Kubernetes itself.

use confman_crds::{ConfigNamespace, PublishRequest};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::wait::eventually;
use crate::world::{World, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_request_is_deleted_by_its_requester_or_an_approver_only() {
    let world = World::new().await;
    let params = DeleteParams::default();
    for name in ["first", "second", "third", "ended"] {
        world.accepted(name).await;
    }
    let dan = world.api::<PublishRequest>("dan").await;
    let message = refusal(dan.delete("first", &params).await);
    assert!(
        message.contains("dan may not delete the open request first of ada"),
        "{message}"
    );
    refusal(dan.delete_collection(&params, &kube::api::ListParams::default()).await);
    for (user, name) in [("ada", "first"), ("bob", "second"), ("admin", "third")] {
        let api = world.api::<PublishRequest>(user).await;
        api.delete(name, &params).await.expect("they may");
    }
    world.say("ended", json!({"state": "Published"})).await;
    dan.delete("ended", &params)
        .await
        .expect("what has ended can be cleared away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_deleted_by_who_governs_only() {
    let world = World::new().await;
    world.may_write_namespaces("dan").await;
    let params = DeleteParams::default();
    let dan = world.api::<ConfigNamespace>("dan").await;
    let message = refusal(dan.delete("payments", &params).await);
    assert!(
        message.contains("dan may not delete config namespace payments"),
        "{message}"
    );
    let platform = world.api::<ConfigNamespace>("platform").await;
    platform.delete("payments", &params).await.expect("platform governs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubernetes_namespace_is_emptied_when_it_is_deleted() {
    let world = World::new().await;
    world.accepted("open").await;
    let api = Api::<Namespace>::all(crate::kubernetes::client("admin").await);
    api.delete(&world.namespace, &DeleteParams::default())
        .await
        .expect("admin may");
    eventually("the namespace is gone", async || {
        match api.get_opt(&world.namespace).await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
