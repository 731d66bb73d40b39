//! Values that are older than their schema allows: who reads them is told, and so are webhooks, once.

use confman_core::ids::{ConfigKey, Timestamp};
use confman_node::node::Node;
use confman_node::propose::now;
use reqwest::Method;
use serde_json::{Value, json};

use super::outbox::{KEY, publish, settle, start, target, teams};
use super::receiver::{Answer, Receiver};
use crate::http::Call;
use crate::wait::eventually;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn due_header(node: &Node) -> String {
    let url = format!("http://{}/api/v1/config/teams/motto", node.addresses().http);
    let read = Call::new(Method::GET, url, Some(KEY)).send().await.expect("an answer");
    assert_eq!(read.status, 200, "{}", read.text);
    read.header("confman-rotation-due").to_owned()
}

async fn look_in(node: &Node, days: i64) {
    let rotation = &node.app().rotation;
    let at = Timestamp::from_millis(now().as_millis() + days * DAY_MS);
    rotation.look(at).await.expect("the state can be read");
    rotation.note(&node.app().proposer).await;
}

fn told(receiver: &Receiver) -> Vec<Value> {
    let bodies = receiver.got().into_iter().map(|got| got.body);
    let bodies = bodies.map(|body| serde_json::from_slice(&body).expect("the body is JSON"));
    bodies
        .filter(|body: &Value| body["type"] == "confman.config.rotation-due")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_value_is_reported_to_readers_and_once_to_webhooks_until_it_is_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = start(folder.path()).await;
    let receiver = Receiver::plain(Answer::status(200, "")).await;
    let webhooks = json!([target("hook", &receiver)]);
    settle(&node, json!({"governance": {"inherit": true}, "webhooks": webhooks})).await;
    publish(&node, "old").await;
    let schema = r#"{"properties": {"motto": {"x-confman-rotation-days": 30}}}"#;
    let governance = json!({"inherit": true, "schema": {"inline": schema}});
    settle(&node, json!({"governance": governance, "webhooks": webhooks})).await;

    look_in(&node, 29).await;
    assert_eq!(due_header(&node).await, "", "it is young");
    look_in(&node, 31).await;
    let since = due_header(&node).await;
    assert!(Timestamp::parse(&since).is_ok_and(|since| since > now()), "{since}");
    let exposed = Call::new(
        Method::GET,
        format!("http://{}/metrics", node.addresses().metrics),
        None,
    );
    let exposed = exposed.send().await.expect("an answer").text;
    assert!(exposed.contains("confman_rotation_due_keys 1\n"), "{exposed}");
    let state = node.app().reader.state();
    let live = state.live(&teams(), &ConfigKey::parse("motto").expect("a key"));
    let mut version = live.expect("the state can be read").expect("it is live");
    assert!(node.app().rotation.due_since(&version).is_some());
    version.number += 1;
    assert_eq!(node.app().rotation.due_since(&version), None, "a new version ends it");

    let got = eventually("the webhook", async || {
        told(&receiver).into_iter().next().ok_or_else(|| receiver.got())
    });
    let data = got.await["data"].clone();
    assert_eq!(
        (&data["namespace"], &data["key"], &data["version"]),
        (&json!("/teams"), &json!("motto"), &json!(1))
    );
    assert_eq!(data["actor"], "user:system:confman-node");

    look_in(&node, 32).await;
    assert_eq!(due_header(&node).await, since, "still since then");
    assert_eq!(told(&receiver).len(), 1, "told once");
    node.stop().await;
}
