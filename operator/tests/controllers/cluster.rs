//! A cluster's objects: made, changed, and gone with it.

use std::time::Duration;

use confman_api::client::{Client, ClientOptions, Credential};
use confman_crds::{ConfigNamespace, ConfmanCluster};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::wait::eventually;
use crate::world::{CLUSTER, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_made_changed_and_deleted() {
    let world = World::serving(3).await;
    let cluster = world.api::<ConfmanCluster>().get(CLUSTER).await.expect("it is there");
    let status = cluster.status.clone().unwrap_or_default();
    assert_eq!(status.cluster_id, cluster.uid());
    assert_eq!(status.members.len(), 3);
    let leader = status.leader.expect("there is a leader");
    assert!(leader.starts_with("demo-"), "{leader}");
    assert_eq!(
        status.members.iter().filter(|member| member.role == "Leader").count(),
        1
    );
    world
        .api::<Service>()
        .get("demo")
        .await
        .expect("the client Service is there");
    let peers = world
        .api::<Service>()
        .get("demo-peers")
        .await
        .expect("the headless Service is there");
    assert_eq!(peers.spec.and_then(|spec| spec.publish_not_ready_addresses), Some(true));
    world
        .api::<PodDisruptionBudget>()
        .get("demo")
        .await
        .expect("the budget is there");
    world
        .api::<ServiceAccount>()
        .get("demo")
        .await
        .expect("the account is there");
    eventually("the token is gone after its use", async || {
        let token = world
            .api::<Secret>()
            .get_opt("demo-bootstrap")
            .await
            .expect("Secrets can be read");
        token.map_or(Ok(()), |_| Err("still there"))
    })
    .await;

    let image = json!({"spec": {"image": "localhost/confman-node:next"}});
    let api = world.api::<ConfmanCluster>();
    api.patch(CLUSTER, &PatchParams::default(), &Patch::Merge(&image))
        .await
        .expect("the image can be changed");
    eventually("the template follows", async || {
        let set = world.api::<StatefulSet>().get("demo").await.expect("it is there");
        let image = set
            .spec
            .and_then(|spec| spec.template.spec?.containers.first()?.image.clone());
        if image.as_deref() == Some("localhost/confman-node:next") {
            Ok(())
        } else {
            Err(image)
        }
    })
    .await;
    world.wait_cluster("UpdatePending", "True").await;

    api.delete(CLUSTER, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("its objects are collected", async || {
        let set = world
            .api::<StatefulSet>()
            .get_opt("demo")
            .await
            .expect("StatefulSets can be read");
        let nodes = world
            .api::<Secret>()
            .get_opt("demo-nodes")
            .await
            .expect("Secrets can be read");
        if set.is_none() && nodes.is_none() {
            Ok(())
        } else {
            Err((set.is_some(), nodes.is_some()))
        }
    })
    .await;
    for kept in ["demo-ca", "demo-courier"] {
        world
            .api::<Secret>()
            .get(kept)
            .await
            .expect("CA and courier outlive the object");
    }
    world.create_cluster(json!({})).await;
    let stalled = world.wait_cluster("Stalled", "True").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    assert!(
        conditions
            .iter()
            .any(|condition| condition.reason == "SecretsOfAnotherCluster"),
        "{conditions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_begun_anew_knows_nothing_and_its_namespaces_say_how_to_go_on() {
    let mut world = World::serving(1).await;
    let api = world.api::<ConfmanCluster>();
    api.delete(CLUSTER, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("its objects are collected", async || {
        let nodes = world.api::<Secret>().get_opt("demo-nodes").await;
        nodes
            .expect("Secrets can be read")
            .map_or(Ok(()), |_| Err("still there"))
    })
    .await;
    for kept in ["demo-ca", "demo-courier"] {
        let deleted = world.api::<Secret>().delete(kept, &DeleteParams::default()).await;
        deleted.expect("it can be deleted");
    }
    world.nodes.begin_anew();
    world.create_cluster(json!({})).await;
    world.start_nodes().await;
    world.wait_cluster("Ready", "True").await;
    let stalled = world.wait_namespace("payments", "Stalled").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    let advice = format!(
        "kubectl -n {} annotate confignamespace payments confman.io/governance-stamp=again --overwrite",
        world.namespace
    );
    assert!(
        conditions
            .iter()
            .any(|condition| condition.reason == "InvalidStamp" && condition.message.contains(&advice)),
        "{conditions:?}"
    );
    world.stamp_again("payments", "platform").await;
    world.wait_namespace("payments", "Ready").await;
    assert_eq!(world.read("api-version").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_status_that_was_never_written_one_stamp_is_refused_and_the_next_one_follows() {
    let mut world = World::serving(1).await;
    world.stop_operator().await;
    let lost = Patch::Merge(json!({"status": {"governanceStamp": null}}));
    let api = world.api::<ConfigNamespace>();
    api.patch_status("payments", &PatchParams::default(), &lost)
        .await
        .expect("the status can be changed");
    world.stamp_again("payments", "platform").await;
    world.restart_operator().await;
    let stalled = world.wait_namespace("payments", "Stalled").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    assert!(
        conditions
            .iter()
            .any(|condition| condition.reason == "StaleGovernanceStamp"),
        "{conditions:?}"
    );
    world.stamp_again("payments", "platform").await;
    world.wait_namespace("payments", "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_made_again_under_its_name_keeps_its_path() {
    let world = World::serving(1).await;
    let api = world.api::<ConfigNamespace>();
    let first = api.get("payments").await.expect("it is there");
    api.delete("payments", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    let second = world.create_namespace("payments", "/teams/payments", "platform").await;
    assert_ne!(first.uid(), second.uid());
    world.wait_namespace("payments", "Ready").await;
    world.create_request("after", "ada", "v1").await;
    world.wait_state("after", "PendingReview").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_released_when_its_object_is_gone_and_another_may_have_its_path() {
    let world = World::serving(1).await;
    let api = world.api::<ConfigNamespace>();
    api.delete("payments", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    let other = world.create_namespace("other", "/teams/payments", "platform").await;
    eventually("the path is free for another object", async || {
        let found = api.get(&other.name_any()).await.expect("it is there");
        let conditions = found.status.unwrap_or_default().conditions;
        let ready = crate::world::has(&conditions, "Ready", "True");
        if ready {
            return Ok(());
        }
        Err(conditions)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_begins_with_the_identity_of_its_spec_which_cannot_be_changed_there() {
    let identity = json!({"identity": {"anonymousReads": true, "issuers": [
        {"realm": "corp", "url": "https://login.example.com", "audiences": ["confman"]}]}});
    let world = World::bootstrapped(1, identity).await;
    let client = Client::new(&ClientOptions {
        endpoints: vec![world.nodes.http_url(0)],
        credential: Credential::Anonymous,
        ca_pem: None,
        timeout: Duration::from_secs(30),
    });
    let anybody = client.expect("a client").whoami().await.expect("anybody may ask");
    assert_eq!(anybody.principal.to_string(), "user:anonymous/anonymous");
    for changed in [json!({"anonymousReads": false}), json!(null)] {
        let patch = Patch::Merge(json!({"spec": {"identity": changed}}));
        let api = world.api::<ConfmanCluster>();
        let refused = api.patch(CLUSTER, &PatchParams::default(), &patch).await;
        let refused = refused.expect_err("it holds from bootstrap on").to_string();
        assert!(refused.contains("identity holds from bootstrap on"), "{refused}");
    }
}
