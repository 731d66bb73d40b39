//! From a publish to a receiver and back into the outbox, on a node of its own.

use std::path::Path;

use confman_core::ids::NamespacePath;
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, PutNamespace};
use confman_core::state::StateView as _;
use confman_core::webhook::{Delivery, TargetHealth};
use confman_node::node::Node;
use confman_node::webhooks::Options;
use confman_node::webhooks::address::AddressRules;
use reqwest::Method;
use serde_json::{Value, json};

use super::receiver::{Answer, Got, Receiver};
use super::verify::is_signed;
use crate::http::Call;
use crate::wait::eventually;

pub(super) const KEY: &str = "confman_test_0123456789abcdef0123456789abcdef";
pub(super) const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(super) async fn start(folder: &Path) -> Node {
    let secrets = folder.join("secrets");
    std::fs::create_dir_all(&secrets).expect("the folder can be made");
    let file = format!("namespace: /teams\n{SIGNING_KEY}\n");
    std::fs::write(secrets.join("hook"), file).expect("the file can be written");
    let options = Options {
        secrets_folder: Some(secrets),
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ca_file: None,
    };
    let started = confman_node::dev::start(&folder.join("data"), 0, KEY, options).await;
    started.expect("the node starts")
}

pub(super) fn target(name: &str, receiver: &Receiver) -> Value {
    json!({"name": name, "url": format!("http://{}/in", receiver.address), "secret": "hook"})
}

async fn declare(node: &Node, webhooks: Value) {
    settle(node, json!({"governance": {"inherit": true}, "webhooks": webhooks})).await;
}

/// Gives `/teams` these settings.
pub(super) async fn settle(node: &Node, settings: Value) {
    let command = Command::PutNamespace(PutNamespace {
        actor: Actor::new(Principal::api_key("dev")),
        path: teams(),
        settings: serde_json::from_value(settings).expect("the settings of a test are valid"),
        expected_revision: None,
    });
    let answered = node.app().proposer.propose_here(command).await.expect("a leader");
    answered.verdict.expect("the rules accept it");
}

pub(super) fn teams() -> NamespacePath {
    NamespacePath::parse("/teams").expect("it is valid")
}

pub(super) async fn publish(node: &Node, value: &str) {
    let url = format!("http://{}/api/v1/config/teams/motto", node.addresses().http);
    let body = Value::from(value).to_string();
    let call = Call::new(Method::PUT, url, Some(KEY)).body("application/json", body);
    let written = call.send().await.expect("an answer");
    assert_eq!(written.status, 200, "{}", written.text);
}

async fn first_of(receiver: &Receiver) -> Got {
    let got = eventually("a webhook", async || {
        receiver.got().into_iter().next().ok_or("nothing yet")
    });
    got.await
}

fn waiting(node: &Node) -> Vec<Delivery> {
    let mut found = Vec::new();
    let read = node
        .app()
        .reader
        .state()
        .read(|view| view.deliveries(|delivery| found.push(delivery)));
    read.expect("the state can be read");
    found
}

pub(super) fn health(node: &Node, target: &str) -> Option<TargetHealth> {
    let state = node.app().reader.state();
    let read = state.read(|view| view.target_health(&teams(), target));
    read.expect("the state can be read")
}

async fn finished(node: &Node, target: &str) -> TargetHealth {
    eventually("the delivery is finished", async || {
        let waiting = waiting(node);
        let health = health(node, target).filter(|health| health.delivered + health.dead > 0);
        health.filter(|_| waiting.is_empty()).ok_or(waiting)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_leads_to_one_signed_delivery_whatever_another_target_does() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = start(folder.path()).await;
    let (well, hangs) = (
        Receiver::plain(Answer::status(200, "")).await,
        Receiver::plain(Answer::Hang).await,
    );
    declare(&node, json!([target("hangs", &hangs), target("well", &well)])).await;
    publish(&node, "canary-of-the-value").await;

    let got = first_of(&well).await;
    let told = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert!(is_signed(SIGNING_KEY, got.header("webhook-signature"), told, &got.body));
    let body: Value = serde_json::from_slice(&got.body).expect("the body is JSON");
    assert_eq!(body["type"], "confman.config.published");
    let data = &body["data"];
    assert_eq!(
        (&data["namespace"], &data["key"], &data["version"]),
        (&json!("/teams"), &json!("motto"), &json!(1))
    );
    assert_eq!(data["actor"], "key:dev");
    let text = String::from_utf8(got.body.clone()).expect("UTF-8");
    assert!(!text.contains("canary-of-the-value"), "{text}");

    publish(&node, "another").await;
    eventually("the second webhook", async || {
        (well.got().len() == 2).then_some(()).ok_or(well.got().len())
    })
    .await;
    assert_eq!(hangs.got().len(), 1, "one attempt at a time");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_survives_the_restart_of_its_sender() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::plain(Answer::status(500, "")).await;
    let node = start(folder.path()).await;
    declare(&node, json!([target("hook", &receiver)])).await;
    publish(&node, "a").await;
    let first = first_of(&receiver).await;
    eventually("the failure is recorded", async || {
        let waiting = waiting(&node);
        let recorded = waiting.iter().any(|delivery| delivery.attempts == 1);
        recorded.then_some(()).ok_or(waiting)
    })
    .await;
    node.stop().await;

    receiver.answer(Answer::status(200, ""));
    let node = start(folder.path()).await;
    let health = finished(&node, "hook").await;
    assert_eq!((health.delivered, health.dead, health.failures_in_a_row), (1, 0, 0));
    let got = receiver.got();
    assert_eq!(got.len(), 2, "one failed, one did not");
    assert_eq!(got[1].header("webhook-id"), first.header("webhook-id"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_given_up_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::plain(Answer::status(410, "")).await;
    let node = start(folder.path()).await;
    declare(&node, json!([target("hook", &receiver)])).await;
    publish(&node, "a").await;
    let health = finished(&node, "hook").await;
    assert_eq!((health.delivered, health.dead), (0, 1));
    assert_eq!(receiver.got().len(), 1);
    node.stop().await;
}
