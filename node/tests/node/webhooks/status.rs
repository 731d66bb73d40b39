//! How webhook targets do, as admins of their namespace read it over HTTP, and as the metrics count it.

use confman_core::access::Role;
use confman_core::ids::Timestamp;
use confman_node::node::Node;
use reqwest::Method;
use serde_json::{Value, json};

use super::outbox::{KEY, SIGNING_KEY, publish, settle, start, target};
use super::receiver::{Answer as Reply, Receiver};
use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call, get};
use crate::wait::eventually;
use crate::workflow::APPS;

fn url(node: &Node) -> String {
    format!("http://{}/api/v1/namespaces/teams:webhooks", node.addresses().http)
}

async fn read(node: &Node) -> Answer {
    let read = get(&url(node), Some(KEY)).await.expect("an answer");
    assert_eq!(read.status, 200, "{}", read.text);
    read
}

/// The status of the only target, once it is `state`.
async fn status_once(node: &Node, state: &str) -> Value {
    eventually(state, async || {
        let status = read(node).await.json()["status"][0].clone();
        (status["state"] == state).then(|| status.clone()).ok_or(status)
    })
    .await
}

/// A node that tells `receiver` about `/teams`.
async fn telling(folder: &std::path::Path, receiver: &Receiver) -> Node {
    let node = start(folder).await;
    let webhooks = json!([target("hook", receiver)]);
    settle(&node, json!({"governance": {"inherit": true}, "webhooks": webhooks})).await;
    node
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Timestamp::parse(text).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_untried_then_healthy_and_what_is_read_can_be_sent_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::plain(Reply::status(200, "hidden-answer")).await;
    let node = telling(folder.path(), &receiver).await;
    let address = format!("http://{}/in", receiver.address);
    let untried = status_once(&node, "untried").await;
    let nothing = json!({
        "name": "hook", "url": address, "state": "untried",
        "failuresInARow": 0, "pending": 0, "delivered": 0, "dead": 0,
    });
    assert_eq!(untried, nothing);

    publish(&node, "a").await;
    let healthy = status_once(&node, "healthy").await;
    assert_eq!((&healthy["delivered"], &healthy["pending"]), (&json!(1), &json!(0)));
    assert_eq!(healthy["lastResult"], "answered 200");
    assert!(
        is_time(&healthy["lastAttemptAt"]) && healthy["failingSince"].is_null(),
        "{healthy}"
    );

    let shown = read(&node).await;
    assert!(
        !shown.text.contains(SIGNING_KEY) && !shown.text.contains("hidden-answer"),
        "{}",
        shown.text
    );
    let back = Call::new(Method::PUT, url(&node), Some(KEY))
        .header("if-match", shown.header("etag"))
        .body("application/json", shown.text.clone());
    let back = back.send().await.expect("an answer");
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(read(&node).await.json()["webhooks"], shown.json()["webhooks"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_is_shown_with_what_waits_and_counted_and_never_blocks_a_publish() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::plain(Reply::status(503, "")).await;
    let node = telling(folder.path(), &receiver).await;
    publish(&node, "a").await;
    let first = status_once(&node, "failing").await;
    assert_eq!((&first["pending"], &first["dead"]), (&json!(1), &json!(0)));
    assert_eq!(first["lastResult"], "answered 503");
    assert!(is_time(&first["failingSince"]), "{first}");
    eventually("the metrics count it", async || {
        let metrics = format!("http://{}/metrics", node.addresses().metrics);
        let text = get(&metrics, None).await?.text;
        let lines = [
            "confman_webhook_failing_targets 1\n",
            "confman_webhook_attempts_total{result=\"refused-5xx\"} ",
        ];
        lines.iter().all(|line| text.contains(line)).then_some(()).ok_or(text)
    })
    .await;

    publish(&node, "b").await;
    let second = status_once(&node, "failing").await;
    assert_eq!(second["pending"], 2, "{second}");
    assert_eq!(second["failingSince"], first["failingSince"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_wants_no_more_is_shown_as_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::plain(Reply::status(410, "")).await;
    let node = telling(folder.path(), &receiver).await;
    publish(&node, "a").await;
    let gone = status_once(&node, "gone").await;
    assert_eq!((&gone["pending"], &gone["dead"]), (&json!(0), &json!(1)));
    assert_eq!(gone["lastResult"], "answered 410");
    assert!(is_time(&gone["failingSince"]), "{gone}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_refused_and_strangers_find_nothing() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    let roles = [(Role::Viewer, "key:reader")];
    let body = cluster.stamper.declare(APPS, "/apps", &roles, None);
    let declared = cluster.courier(0).declare_namespace(&body).await;
    declared.expect("root may declare a namespace");
    let url = format!("http://{}/api/v1/namespaces/apps", cluster.http_address(0));
    for (key, whole, webhooks) in [(&cluster.reader_key, 200, 403), (&cluster.stranger_key, 404, 404)] {
        for (path, expected) in [(url.clone(), whole), (format!("{url}:webhooks"), webhooks)] {
            let answer = get(&path, Some(key)).await.expect("an answer");
            assert_eq!(answer.status, expected, "{path}: {}", answer.text);
        }
    }
}
