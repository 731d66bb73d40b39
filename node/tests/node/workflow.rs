//! The main job over HTTP: submit, approve, read.

use confman_api::client::{Client, ClientError, ClientOptions, CourierClient, Credential};
use confman_api::internal::RequestReference;
use confman_api::reading::Consistency;
use confman_core::access::Role;
use confman_core::audit::AuditEvent;
use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::outcome::{Outcome, Rejection};
use confman_core::publish_request::{Decision, PublishRequest, RequestState};

use crate::cluster::{Cluster, Settings};
use crate::http::get;

/// Name of the object that declares `/apps`.
pub(crate) const APPS: &str = "apps";

/// Declares `/apps`: ada edits, bob and cyd publish, the reader key reads.
pub(crate) async fn declare_apps(cluster: &Cluster) {
    let roles = [
        (Role::Viewer, "key:reader"),
        (Role::Editor, "user:ada"),
        (Role::Publisher, "user:bob"),
        (Role::Publisher, "user:cyd"),
    ];
    let body = cluster.stamper.declare(APPS, "/apps", &roles, None);
    let declared = cluster.courier_for_all().declare_namespace(&body).await;
    declared.expect("root may declare a namespace");
}

/// Submits by ada and approves by bob; gives the published request and its log index.
pub(crate) async fn publish(
    cluster: &Cluster,
    courier: &CourierClient,
    id: &str,
    key: &str,
    json: &str,
) -> (PublishRequest, u64) {
    let submitted = courier
        .submit(&cluster.stamper.submit(id, "ada", (APPS, key), json))
        .await;
    let request = request_of(submitted.expect("ada may submit").outcome);
    let review = cluster.stamper.review(&request, "bob", Decision::Approve);
    let approved = courier.review(&review).await.expect("bob may approve");
    let index = approved.position.index;
    let request = request_of(approved.outcome);
    assert_eq!(request.state, RequestState::Published);
    (request, index)
}

pub(crate) fn request_of(outcome: Outcome) -> PublishRequest {
    let Outcome::Request(request) = outcome else {
        unreachable!("commands about requests answer the request, not {outcome:?}")
    };
    *request
}

pub(crate) fn reader(cluster: &Cluster, index: u8) -> Client {
    let options = ClientOptions {
        endpoints: vec![format!("http://{}", cluster.http_address(index))],
        credential: Credential::ApiKey(cluster.reader_key.clone()),
        ca_pem: None,
        timeout: std::time::Duration::from_secs(30),
    };
    Client::new(&options).expect("the client can be built")
}

/// The value of a key of `/apps` on node `index`, as JSON text.
pub(crate) async fn read_value(cluster: &Cluster, index: u8, key: &str, consistency: &str) -> Option<String> {
    let namespace = NamespacePath::parse("/apps").expect("a valid path");
    let key = ConfigKey::parse(key).expect("a valid key");
    let consistency = Consistency::parse(consistency).expect("a consistency");
    let client = reader(cluster, index).with_consistency(consistency);
    let value = client.value(&namespace, &key).await;
    value
        .expect("the read succeeds")
        .map(|view| view.value.get().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_submitted_approved_and_read_from_every_node() {
    let cluster = Cluster::running(Settings::nodes(3)).await;
    declare_apps(&cluster).await;
    let leader = cluster.leader().await;
    let followers: Vec<u8> = (0..3).filter(|index| *index != leader).collect();

    // Every write goes to a follower, which forwards it.
    let courier = cluster.courier(followers[0]);
    let submission = cluster.stamper.submit("request-1", "ada", (APPS, "rate-limit"), "1000");
    let submitted = courier.submit(&submission).await.expect("ada may submit");
    let request = request_of(submitted.outcome.clone());
    assert_eq!(request.state, RequestState::PendingReview);
    let again = courier.submit(&submission).await.expect("a repeat is the same request");
    assert_eq!(request_of(again.outcome), request);

    let own = cluster.stamper.review(&request, "ada", Decision::Approve);
    match courier.review(&own).await {
        Err(ClientError::Refused(Rejection::SelfApproval { .. }, problem)) => assert_eq!(problem.status, 403),
        other => unreachable!("nobody approves their own change: {other:?}"),
    }
    assert_eq!(read_value(&cluster, leader, "rate-limit", "linearizable").await, None);

    let review = cluster.stamper.review(&request, "bob", Decision::Approve);
    let approved = cluster
        .courier(followers[1])
        .review(&review)
        .await
        .expect("bob may approve");
    let published = request_of(approved.outcome);
    assert_eq!(
        (published.state, published.published_version),
        (RequestState::Published, Some(1))
    );

    for index in 0..3 {
        let value = read_value(&cluster, index, "rate-limit", "linearizable").await;
        assert_eq!(value.as_deref(), Some("1000"), "node {index}");
        let at_least = format!("index={}", approved.position.index);
        assert_eq!(
            read_value(&cluster, index, "rate-limit", &at_least).await.as_deref(),
            Some("1000")
        );
    }
    let listed = courier
        .publish_requests(RequestState::Published)
        .await
        .expect("the list is served");
    let object = published.object.as_ref().expect("it came from an object");
    assert_eq!(
        listed,
        [RequestReference {
            id: published.id.clone(),
            kubernetes_namespace: object.kubernetes_namespace.clone(),
            name: object.name.clone(),
        }]
    );
    shown_to_readers(&cluster, followers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_large_requests_comes_in_several_pages() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    declare_apps(&cluster).await;
    let courier = cluster.courier(0);
    // More than 4 MiB in all, in the largest values that a request may carry.
    let json = format!("\"{}\"", "v".repeat(128 << 10));
    let ids: Vec<_> = (0..40).map(|number| format!("request-{number:02}")).collect();
    for id in &ids {
        let submitted = courier
            .submit(&cluster.stamper.submit(id, "ada", (APPS, id), &json))
            .await;
        submitted.expect("ada may submit");
    }
    let listed = courier.publish_requests(RequestState::PendingReview).await;
    let names: Vec<_> = listed
        .expect("the list is served")
        .into_iter()
        .map(|request| request.name)
        .collect();
    assert_eq!(names, ids);
}

async fn shown_to_readers(cluster: &Cluster, index: u8) {
    let base = format!("http://{}/api/v1", cluster.http_address(index));
    let key = Some(cluster.reader_key.as_str());
    let request = get(
        &format!("{base}/publish-requests/request-1?consistency=linearizable"),
        key,
    )
    .await;
    let request = request.expect("an answer").json();
    assert_eq!(request["state"], "Published");
    assert_eq!(request["approvers"], serde_json::json!(["user:bob"]));
    assert_eq!(request["value"], 1000);

    let audit = get(&format!("{base}/audit/apps?order=oldest"), key)
        .await
        .expect("an answer")
        .json();
    let actions: Vec<_> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    let expected = [
        "namespace.created",
        "request.submitted",
        "request.approved",
        "config.published",
    ];
    assert_eq!(actions, expected);
    chain_holds(&audit["items"]);
}

/// Every event names the hash of the one before, and its own.
fn chain_holds(items: &serde_json::Value) {
    let events: Vec<AuditEvent> = serde_json::from_value(items.clone()).expect("events parse");
    for pair in events.windows(2) {
        assert_eq!(pair[1].previous_hash, pair[0].hash);
    }
    for event in items.as_array().expect("items") {
        let mut unhashed = event.clone();
        let hash = unhashed.as_object_mut().expect("an object").remove("hash");
        assert_eq!(hash, Some(Digest::of_canonical(&unhashed).to_string().into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linearizable_read_on_a_follower_sees_the_last_acknowledged_write() {
    let cluster = Cluster::running(Settings::nodes(3).direct_writes()).await;
    let roles = [(Role::Publisher, "key:reader")];
    let body = cluster.stamper.declare(APPS, "/apps", &roles, None);
    cluster
        .courier_for_all()
        .declare_namespace(&body)
        .await
        .expect("root may declare a namespace");
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    for number in 0..50 {
        let url = format!("http://{}/api/v1/config/apps/counter", cluster.http_address(leader));
        let call = crate::http::Call::new(reqwest::Method::PUT, url, Some(&cluster.reader_key));
        let written = call
            .body("application/json", number.to_string())
            .send()
            .await
            .expect("an answer");
        assert_eq!(written.status, 200, "{}", written.text);
        let seen = read_value(&cluster, follower, "counter", "linearizable").await;
        assert_eq!(seen, Some(number.to_string()));
    }
}
