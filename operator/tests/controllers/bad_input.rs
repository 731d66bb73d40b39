//! What cannot be is said in a condition that names field and limit; the others go on.

use confman_crds::{ConfigNamespace, PublishRequest};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::world::{CLUSTER, World, request_spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_its_secrets_says_which() {
    let mut world = World::empty(1).await;
    let operator = world.start_operator("one").await;
    world.keep_operator(operator);
    world
        .create_cluster(json!({"auth": {"apiKeysSecretRef": {"name": "nobody-made-it"}}}))
        .await;
    let forming = world.wait_cluster("Reconciling", "True").await;
    let conditions = forming.status.unwrap_or_default().conditions;
    let missing = conditions
        .iter()
        .find(|condition| condition.reason == "StampKeysMissing");
    assert!(
        missing.is_some_and(|found| found.message.contains("confman-stamp-keys")),
        "{conditions:?}"
    );
    world.write_keys().await;
    world.start_nodes().await;
    let stalled = world.wait_cluster("Stalled", "True").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    let missing = conditions
        .iter()
        .find(|condition| condition.reason == "ApiKeysSecretMissing");
    let named = "spec.auth.apiKeysSecretRef.name: there is no Secret nobody-made-it";
    assert!(
        missing.is_some_and(|found| found.message.starts_with(named)),
        "{conditions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_not_let_in_says_how_and_goes_on_when_it_is() {
    let mut world = World::closed(1).await;
    world.write_keys().await;
    let operator = world.start_operator("one").await;
    world.keep_operator(operator);
    world.create_cluster(json!({})).await;
    let stalled = world.wait_cluster("Stalled", "True").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    let command = format!(
        "kubectl -n {0} create rolebinding confman-operator --clusterrole=confman-cluster-host --serviceaccount={0}:confman-operator",
        world.namespace
    );
    let told = |found: &Condition| found.reason == "Forbidden" && found.message.contains(&command);
    assert!(conditions.iter().any(told), "{conditions:?}");
    crate::rights::let_in(&world.client, &world.namespace).await;
    world.start_nodes().await;
    world.wait_cluster("Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_made_under_a_name_of_the_cluster_is_left_alone() {
    let mut world = World::empty(1).await;
    world.write_keys().await;
    let service = json!({"metadata": {"name": CLUSTER, "labels": {"whose": "somebody-elses"}},
        "spec": {"ports": [{"port": 80}]}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    let services = world.api::<Service>();
    services
        .create(&PostParams::default(), &service)
        .await
        .expect("it can be made");
    let operator = world.start_operator("one").await;
    world.keep_operator(operator);
    world.create_cluster(json!({})).await;
    let stalled = world.wait_cluster("Stalled", "True").await;
    let conditions = stalled.status.unwrap_or_default().conditions;
    let told = |found: &Condition| found.reason == "NameTaken" && found.message.contains("Service demo");
    assert!(conditions.iter().any(told), "{conditions:?}");
    let left = services.get(CLUSTER).await.expect("it is still there");
    assert_eq!(left.labels().get("whose").map(String::as_str), Some("somebody-elses"));
    assert_eq!(left.spec.and_then(|spec| Some(spec.ports?.first()?.port)), Some(80));
    services
        .delete(CLUSTER, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    world.start_nodes().await;
    world.wait_cluster("Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_a_missing_cluster_or_without_a_stamp_says_so() {
    let world = World::serving(1).await;
    let stamped = world.create_namespace("stamped", "/teams/stamped", "mallory").await;
    let mut bare = ConfigNamespace::new("bare", stamped.spec.clone());
    bare.spec.path = "/teams/bare".to_owned();
    let mut lost = stamped;
    lost.metadata = kube::api::ObjectMeta {
        name: Some("lost".to_owned()),
        annotations: lost.metadata.annotations,
        ..kube::api::ObjectMeta::default()
    };
    lost.spec.cluster_ref.name = "nowhere".to_owned();
    for object in [&bare, &lost] {
        world
            .api()
            .create(&PostParams::default(), object)
            .await
            .expect("it can be made");
    }
    for (name, type_, reason) in [
        ("stamped", "Stalled", "Forbidden"),
        ("bare", "Stalled", "NotStamped"),
        ("lost", "Reconciling", "ClusterMissing"),
    ] {
        let conditions = world
            .wait_namespace(name, type_)
            .await
            .status
            .unwrap_or_default()
            .conditions;
        assert!(
            conditions.iter().any(|condition| condition.reason == reason),
            "{name}: {conditions:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named() {
    let world = World::serving(1).await;
    let by = |spec: &_, name| world.stamper.requester("any", (&world.namespace, name), spec, "ada");
    let mut two = request_spec("v1");
    two.requested_by = Some(by(&request_spec("v1"), "two"));
    two.value = Some(json!(1));
    world
        .create_request_of("two", two)
        .await
        .expect("the definition cannot see `value`");
    let message = world.wait_reason("two", "InvalidSpec").await;
    assert_eq!(message, "spec: give exactly one of value, json, text and binary");
    let mut number = request_spec("v1");
    number.text = None;
    number.json = Some("1e400".to_owned());
    number.requested_by = Some(by(&request_spec("v1"), "number"));
    world
        .create_request_of("number", number)
        .await
        .expect("the definition cannot see into it");
    let message = world.wait_reason("number", "InvalidSpec").await;
    assert!(message.starts_with("spec.json: "), "{message}");
    let mut key = request_spec("v1");
    key.key = "no/key".to_owned();
    let error = world
        .create_request_of("key", key)
        .await
        .expect_err("the definition refuses it");
    assert!(error.to_string().contains("spec.key"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nobody_can_read_hides_no_other() {
    let world = World::serving(1).await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let body = format!(
        r#"{{"apiVersion":"confman.io/v1alpha1","kind":"PublishRequest","metadata":{{"name":"deep"}},
        "spec":{{"namespaceRef":{{"name":"payments"}},"key":"k","operation":"Put","value":{deep}}}}}"#
    );
    let path = format!(
        "/apis/confman.io/v1alpha1/namespaces/{}/publishrequests",
        world.namespace
    );
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(body.into_bytes());
    let stored = world.client.request_text(request.expect("a request")).await;
    stored.expect("without admission it is stored");
    assert!(
        world.api::<PublishRequest>().get("deep").await.is_err(),
        "it cannot be read"
    );
    world.create_request("good", "ada", "v2").await;
    world.wait_state("good", "PendingReview").await;
    crate::wait::eventually("the deep one is reported", async || {
        let path = format!(
            "/apis/confman.io/v1alpha1/namespaces/{}/publishrequests/deep",
            world.namespace
        );
        let request = http::Request::get(path).body(Vec::new()).expect("a request");
        let text = world.client.request_text(request).await.expect("it is there");
        if text.contains("\"reason\":\"Unreadable\"") {
            Ok(())
        } else {
            Err(Value::String(text))
        }
    })
    .await;
}
