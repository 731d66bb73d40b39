//! The routes that write, on one node over a real socket: drafts, requests, rollback, namespaces, schemas, secrets.

use confman_api::problem::ProblemType;
use confman_node::node::Node;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Call};

/// One node in dev mode, and the key with every right.
struct Dev {
    _folder: tempfile::TempDir,
    node: Node,
    key: String,
}

impl Dev {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = confman_node::auth::api_keys::generate("test").expect("randomness is there");
        let node = confman_node::dev::start(folder.path(), 0, &key, confman_node::webhooks::Options::default())
            .await
            .expect("it starts");
        Self {
            _folder: folder,
            node,
            key,
        }
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = format!("http://{}/api/v1{path}", self.node.addresses().http);
        Call::new(method, url, Some(&self.key))
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let call = self.call(method, path).body("application/json", body.to_string());
        call.send().await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await.expect("an answer")
    }

    /// A namespace where the key is publisher through `/`, and changes need approval where `reviewed`.
    async fn namespace(&self, path: &str, governance: Value) {
        let body = json!({"path": path, "settings": {"governance": governance}});
        let created = self.send(Method::POST, "/namespaces", body).await;
        assert_eq!(created.status, 201, "{}", created.text);
    }
}

fn reviewed() -> Value {
    json!({"inherit": true, "workflow": {"requireApproval": true, "minApprovers": 1}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_written_changed_under_its_tag_and_thrown_away() {
    let dev = Dev::start().await;
    let absent = dev.get("/drafts/colour").await;
    assert_eq!(absent.status, 404);
    let written = dev.send(Method::PUT, "/drafts/colour", json!("blue")).await;
    assert_eq!(written.status, 200, "{}", written.text);
    let tag = written.header("etag").to_owned();
    let read = dev.get("/drafts/colour").await;
    assert_eq!(
        (read.json()["value"].as_str(), read.header("etag")),
        (Some("blue"), tag.as_str())
    );
    assert_eq!(read.json()["contributors"], json!(["key:dev"]));
    let other = "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"";
    let stale = dev
        .call(Method::PUT, "/drafts/colour")
        .body("text/plain", "red")
        .header("if-match", other);
    let stale = stale.send().await.expect("an answer");
    assert_eq!(stale.problem().kind(), Some(ProblemType::PreconditionFailed));
    let fresh = dev
        .call(Method::PUT, "/drafts/colour")
        .body("text/plain", "red")
        .header("if-match", tag);
    assert_eq!(fresh.send().await.expect("an answer").status, 200);
    let gone = dev
        .call(Method::DELETE, "/drafts/colour")
        .send()
        .await
        .expect("an answer");
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(dev.get("/drafts/colour").await.status, 404);
    assert_eq!(dev.get("/config/colour").await.status, 404, "a draft is not public");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_comes_from_the_draft_and_no_machine_decides_it() {
    let dev = Dev::start().await;
    dev.namespace("/payments", reviewed()).await;
    let direct = dev.send(Method::PUT, "/config/payments/rate", json!(1)).await;
    assert_eq!(direct.problem().kind(), Some(ProblemType::ApprovalRequired));
    dev.send(Method::PUT, "/drafts/payments/rate", json!(1000)).await;
    let asked = json!({"namespace": "/payments", "key": "rate", "reason": "launch"});
    let opened = dev.send(Method::POST, "/publish-requests", asked).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    let request = opened.json();
    assert_eq!(request["state"], "PendingReview");
    assert_eq!(request["value"], 1000);
    assert_eq!(
        request["requiredApprovals"], 2,
        "a machine asked, so one more person must agree"
    );
    let location = opened.header("location").to_owned();
    assert_eq!(
        location,
        format!("/api/v1/publish-requests/{}", request["id"].as_str().expect("an id"))
    );
    let path = location.strip_prefix("/api/v1").expect("the prefix");
    let approved = dev
        .send(
            Method::POST,
            &format!("{path}/approve"),
            json!({"digest": request["digest"]}),
        )
        .await;
    assert_eq!(approved.status, 403, "{}", approved.text);
    let blind = dev.send(Method::POST, &format!("{path}/approve"), json!({})).await;
    assert_eq!(blind.problem().field.as_deref(), Some("digest"));
    let withdrawn = dev
        .send(
            Method::POST,
            &format!("{path}/withdraw"),
            json!({"comment": "too early"}),
        )
        .await;
    assert_eq!(withdrawn.json()["state"], "Withdrawn", "{}", withdrawn.text);
    let again = json!({"namespace": "/payments", "key": "rate", "resubmits": request["id"]});
    let again = dev.send(Method::POST, "/publish-requests", again).await;
    assert_eq!((again.status, &again.json()["resubmits"]), (201, &request["id"]));
    assert_eq!(
        dev.get("/config/payments/rate").await.status,
        404,
        "nothing was published"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_key_is_done_once_and_answered_the_same() {
    let dev = Dev::start().await;
    dev.namespace("/payments", reviewed()).await;
    let ask = |reason: &str| {
        let body = json!({"namespace": "/payments", "key": "rate", "text": "1", "reason": reason});
        dev.call(Method::POST, "/publish-requests")
            .body("application/json", body.to_string())
            .header("idempotency-key", "\"launch-1\"")
    };
    let first = ask("launch").send().await.expect("an answer");
    assert_eq!(first.status, 201, "{}", first.text);
    let second = ask("launch").send().await.expect("an answer");
    assert_eq!(second.json()["id"], first.json()["id"], "no second request");
    let other = ask("another reason").send().await.expect("an answer");
    assert_eq!(other.status, 409, "{}", other.text);
    let bad = dev
        .call(Method::PUT, "/drafts/payments/rate")
        .body("application/json", "1")
        .header("idempotency-key", "k".repeat(200));
    assert_eq!(
        bad.send().await.expect("an answer").problem().field.as_deref(),
        Some("Idempotency-Key")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_changed_by_parts_and_deleted_when_it_is_empty() {
    let dev = Dev::start().await;
    dev.namespace("/teams", json!({"inherit": true})).await;
    let read = dev.get("/namespaces/teams").await;
    assert_eq!(read.json()["path"], "/teams", "{}", read.text);
    let twice = json!({"path": "/teams", "settings": {"governance": {"inherit": true}}});
    assert_eq!(dev.send(Method::POST, "/namespaces", twice).await.status, 412);
    let tighter = json!({"workflow": {"requireApproval": true, "minApprovers": 2}});
    let changed = dev.send(Method::PUT, "/namespaces/teams:workflow", tighter).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let looser = json!({"workflow": {"requireApproval": true, "minApprovers": 1}});
    let pending = dev.send(Method::PUT, "/namespaces/teams:workflow", looser).await;
    assert_eq!(pending.status, 202, "{}", pending.text);
    let request = pending.json()["requestId"].as_str().expect("an id").to_owned();
    let request = dev.get(&format!("/publish-requests/{request}")).await;
    assert_eq!(request.json()["operation"], "Govern", "{}", request.text);
    let still = dev.get("/namespaces/teams:workflow").await;
    assert_eq!(still.json()["workflow"]["minApprovers"], 2, "the old rules hold");
    let full = dev
        .call(Method::DELETE, "/namespaces/teams")
        .send()
        .await
        .expect("an answer");
    assert_eq!(full.problem().kind(), Some(ProblemType::Conflict), "a request is open");
    let id = request.json()["id"].as_str().expect("an id").to_owned();
    dev.send(Method::POST, &format!("/publish-requests/{id}/withdraw"), json!({}))
        .await;
    let strict = dev.call(Method::DELETE, "/namespaces/teams").send().await;
    let strict = strict.expect("an answer");
    assert_eq!(
        strict.problem().kind(),
        Some(ProblemType::ApprovalRequired),
        "what it asks for would be gone"
    );
    dev.namespace("/plain", json!({"inherit": true})).await;
    let deleted = dev.call(Method::DELETE, "/namespaces/plain").send().await;
    let deleted = deleted.expect("an answer");
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    let listed = dev.get("/namespaces").await;
    let paths: Vec<_> = listed.json()["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["path"].clone())
        .collect();
    assert_eq!(paths, [json!("/"), json!("/teams")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_refuses_what_breaks_it_and_lists_every_violation() {
    let dev = Dev::start().await;
    dev.namespace("/shop", json!({"inherit": true})).await;
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {
            "colour": {"x-confman-allowed-values": {"red": "warm", "blue": "cold"}},
            "retries": {"type": "integer", "minimum": 0, "multipleOf": 2},
        },
    });
    let stored = dev.send(Method::PUT, "/schemas/shop", schema).await;
    assert_eq!(
        (stored.status, &stored.json()["revision"]),
        (200, &json!(1)),
        "{}",
        stored.text
    );
    assert_eq!(
        dev.send(Method::PUT, "/config/shop/retries", json!(-3)).await.status,
        200
    );
    let binding = json!({"schema": {"stored": {"path": "/shop", "revision": 1}}});
    let report = dev
        .send(Method::PUT, "/namespaces/shop:schema?dryRun=true", binding.clone())
        .await;
    assert_eq!(
        report.json()["live"].as_array().map(Vec::len),
        Some(2),
        "{}",
        report.text
    );
    let bound = dev.send(Method::PUT, "/namespaces/shop:schema", binding).await;
    assert_eq!(bound.status, 200, "{}", bound.text);
    let refused = dev.send(Method::PUT, "/config/shop/colour", json!("green")).await;
    assert_eq!(refused.problem().kind(), Some(ProblemType::ValidationFailed));
    let violation = &refused.json()["violations"][0];
    assert_eq!(
        (&violation["pointer"], &violation["choices"]["red"]),
        (&json!("/colour"), &json!("warm"))
    );
    assert_eq!(
        dev.send(Method::PUT, "/config/shop/colour", json!("blue")).await.status,
        200
    );
    let misspelt = json!({"properties": {"a": {"x-confman-imutable": true}}});
    let refused = dev.send(Method::PUT, "/schemas/shop", misspelt).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let unknown = json!({"schema": {"stored": {"path": "/shop", "revision": 9}}});
    assert_eq!(
        dev.send(Method::PUT, "/namespaces/shop:schema", unknown).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_makes_a_new_version_with_the_old_bytes() {
    let dev = Dev::start().await;
    for value in ["one", "two"] {
        assert_eq!(dev.send(Method::PUT, "/config/word", json!(value)).await.status, 200);
    }
    let deleted = dev
        .call(Method::DELETE, "/config/word")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (deleted.status, &deleted.json()["version"]),
        (200, &json!(3)),
        "{}",
        deleted.text
    );
    assert_eq!(deleted.json().get("digest"), None, "nothing is there to be named");
    assert_eq!(dev.get("/config/word").await.status, 404);
    let back = dev
        .send(
            Method::POST,
            "/rollback/word",
            json!({"toVersion": 1, "comment": "oops"}),
        )
        .await;
    assert!(matches!(back.status, 200 | 202), "{}", back.text);
    if back.status == 200 {
        let read = dev.get("/config/word").await;
        assert_eq!(
            (&read.json()["value"], &read.json()["version"]),
            (&json!("one"), &json!(4))
        );
    }
    let unknown = dev.send(Method::POST, "/rollback/word", json!({"toVersion": 17})).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_a_key_is_patched() {
    let dev = Dev::start().await;
    dev.send(Method::PUT, "/config/word", json!("one")).await;
    let patch = json!({"description": "a word", "tags": ["text"], "pins": [1]});
    let patched = dev.send(Method::PATCH, "/config/word:meta", patch).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    let read = dev.get("/config/word:meta").await;
    assert_eq!(read.json()["description"], "a word");
    let cleared = dev.send(Method::PATCH, "/config/word:meta", json!({"pins": []})).await;
    assert_eq!(cleared.status, 202, "a pin is cleared by others: {}", cleared.text);
    dev.namespace("/words", json!({"inherit": true})).await;
    let of_a_namespace = dev.get("/config/words:meta").await;
    assert_eq!(of_a_namespace.problem().kind(), Some(ProblemType::NotFound));
    let value = dev.send(Method::PATCH, "/config/word", json!({})).await;
    assert_eq!(value.problem().kind(), Some(ProblemType::InvalidPath));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_sealed_or_a_reference() {
    let dev = Dev::start().await;
    let schema = json!({"properties": {"token": {"x-confman-encrypted": true}}}).to_string();
    dev.namespace("/vaulted", json!({"inherit": true, "schema": {"inline": schema}}))
        .await;
    let plain = dev.send(Method::PUT, "/config/vaulted/token", json!("hunter2")).await;
    assert_eq!(plain.status, 200, "{}", plain.text);
    assert_eq!(dev.get("/config/vaulted/token").await.json()["value"], "hunter2");
    let reference = dev
        .call(Method::PUT, "/config/vaulted/token?type=secret-ref")
        .body("text/plain", "vault://payments/stripe#key");
    let reference = reference.send().await.expect("an answer");
    assert_eq!(reference.status, 200, "{}", reference.text);
    let read = dev.get("/config/vaulted/token").await;
    assert_eq!(
        (&read.json()["value"], &read.json()["type"]),
        (&json!("vault://payments/stripe#key"), &json!("secret-ref"))
    );
}
