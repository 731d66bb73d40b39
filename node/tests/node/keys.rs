//! API keys that the cluster keeps: issued, used within their scope until their end, listed and revoked.

use confman_api::client::{Client, ClientOptions, Credential};
use confman_api::listing::Paging;
use confman_api::problem::ProblemType;
use confman_core::ids::Timestamp;
use confman_node::node::Node;
use confman_node::propose::now;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Call};

/// One node in dev mode, and the key with every right.
struct Dev {
    folder: tempfile::TempDir,
    node: Node,
    admin: String,
}

impl Dev {
    /// With `/teams/a` and `/teams/b`, where `key:bot` is editor.
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let admin = confman_node::auth::api_keys::generate("test").expect("randomness is there");
        let node = confman_node::dev::start(folder.path(), 0, &admin, confman_node::webhooks::Options::default());
        let dev = Self {
            node: node.await.expect("it starts"),
            folder,
            admin,
        };
        for path in ["/teams", "/teams/a", "/teams/b"] {
            let governance = json!({"inherit": true, "roles": {"editor": ["key:bot"]}});
            let body = json!({"path": path, "settings": {"governance": governance}});
            let created = dev.send(&dev.admin, Method::POST, "/namespaces", body).await;
            assert_eq!(created.status, 201, "{}", created.text);
        }
        dev
    }

    async fn send(&self, key: &str, method: Method, path: &str, body: Value) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.node.addresses().http);
        let call = Call::new(method.clone(), url, Some(key));
        let call = if method == Method::GET {
            call
        } else {
            call.body("application/json", body.to_string())
        };
        call.send().await.expect("an answer")
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(key, Method::GET, path, Value::Null).await
    }

    /// What a person of dev mode sends as `Authorization`.
    fn token(&self, name: &str) -> String {
        let people = confman_node::dev::People::of(self.folder.path()).expect("the people are there");
        format!("Bearer {}", people.token(name))
    }

    async fn call(&self, authorization: &str, path: &str, body: Value) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.node.addresses().http);
        let call = Call::new(Method::POST, url, None).header("authorization", authorization);
        call.body("application/json", body.to_string())
            .send()
            .await
            .expect("an answer")
    }

    /// The text of a new key.
    async fn issue(&self, name: &str, scope: Value, expires_at: Option<Timestamp>) -> String {
        let body = json!({"name": name, "environment": "test", "scope": scope, "expiresAt": expires_at});
        let issued = self.send(&self.admin, Method::POST, "/keys", body).await;
        assert_eq!(issued.status, 201, "{}", issued.text);
        assert_eq!(issued.header("cache-control"), "no-store");
        assert_eq!(issued.header("location"), format!("/api/v1/keys/{name}"));
        assert_eq!(issued.json()["principal"], format!("key:{name}"));
        issued.json()["key"].as_str().expect("the text").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_key_works_within_its_scope_and_nowhere_else() {
    let dev = Dev::start().await;
    let key = dev.issue("bot", json!({"namespace": "/teams/a"}), None).await;
    assert!(key.starts_with("confman_test_"), "{key}");
    let draft = |path: &str| format!("/drafts{path}/colour");
    let inside = dev.send(&key, Method::PUT, &draft("/teams/a"), json!("blue")).await;
    assert_eq!(inside.status, 200, "{}", inside.text);
    for outside in ["/teams", "/teams/b"] {
        let refused = dev.send(&key, Method::PUT, &draft(outside), json!("blue")).await;
        assert_eq!(refused.status, 404, "{outside}: {}", refused.text);
        let hidden = dev.get(&key, &format!("/config{outside}")).await;
        assert_eq!(hidden.status, 404, "{outside}: {}", hidden.text);
    }
    let whoami = dev.get(&key, "/whoami").await.json();
    assert_eq!(whoami["principal"], "key:bot");
    assert_eq!(whoami["credential"], "apiKey");
    assert_eq!(whoami["scope"]["namespace"], "/teams/a");
    assert_eq!(whoami["roles"], json!([{"namespace": "/teams/a", "role": "editor"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_reading_writes_nothing_whatever_its_roles_allow() {
    let dev = Dev::start().await;
    let key = dev.issue("bot", json!({"readOnly": true}), None).await;
    let read = dev.get(&key, "/config/teams/a").await;
    assert_eq!(read.status, 200, "{}", read.text);
    let refused = dev
        .send(&key, Method::PUT, "/drafts/teams/a/colour", json!("blue"))
        .await;
    assert_eq!(
        refused.problem().kind(),
        Some(ProblemType::Forbidden),
        "{}",
        refused.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_was_said_to() {
    let dev = Dev::start().await;
    let end = Timestamp::from_millis(now().as_millis() + 4_000);
    let key = dev.issue("bot", json!({}), Some(end)).await;
    let before = dev.get(&key, "/whoami").await;
    assert_eq!(before.status, 200, "{}", before.text);
    assert_eq!(before.json()["expiresAt"], json!(end));
    let ended = crate::wait::eventually("the key ends", async || {
        let answer = dev.get(&key, "/whoami").await;
        (answer.status == 401).then_some(answer).ok_or("not yet")
    })
    .await;
    assert!(ended.problem().detail.contains("expired"), "{}", ended.text);
    let body = json!({"name": "late", "environment": "test", "expiresAt": end});
    let late = dev.send(&dev.admin, Method::POST, "/keys", body).await;
    assert_eq!(late.problem().field.as_deref(), Some("expiresAt"), "{}", late.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_without_their_hashes_and_revoked_for_good() {
    let dev = Dev::start().await;
    let key = dev.issue("bot", json!({"namespace": "/teams/a"}), None).await;
    dev.issue("other", json!({}), None).await;
    assert_eq!(
        dev.get(&key, "/keys").await.status,
        404,
        "an editor administers nothing"
    );
    assert_eq!(dev.get(&key, "/whoami").await.status, 200);
    let listed = dev.get(&dev.admin, "/keys").await;
    let names: Vec<_> = listed.json()["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["name"].clone())
        .collect();
    assert_eq!(names, ["bot", "other"]);
    assert!(listed.json()["items"][0]["lastUsedAt"].is_string(), "{}", listed.text);
    assert!(listed.json()["items"][1].get("lastUsedAt").is_none(), "{}", listed.text);
    assert!(
        !listed.text.contains("sha256") && !listed.text.contains(&key),
        "{}",
        listed.text
    );

    for taken in ["bot", "dev"] {
        let body = json!({"name": taken, "environment": "test"});
        let again = dev.send(&dev.admin, Method::POST, "/keys", body).await;
        assert_eq!(
            again.problem().kind(),
            Some(ProblemType::Conflict),
            "{taken}: {}",
            again.text
        );
    }
    let url = format!("http://{}", dev.node.addresses().http);
    let client = Client::new(&ClientOptions {
        endpoints: vec![url],
        credential: Credential::ApiKey(dev.admin.clone()),
        ca_pem: None,
        timeout: std::time::Duration::from_mins(1),
    });
    let client = client.expect("a client");
    client.revoke_key("bot").await.expect("it is revoked");
    let refused = dev.get(&key, "/whoami").await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    assert!(refused.problem().detail.contains("revoked"), "{}", refused.text);
    let page = client.issued_keys(&Paging::default()).await.expect("a page");
    let bot = page
        .items
        .iter()
        .find(|item| item.name == "bot")
        .expect("it is still listed");
    assert!(bot.revoked_at.is_some());
    assert!(
        client
            .revoke_key("nobody")
            .await
            .expect_err("there is none")
            .is_not_found()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_issues_lists_and_revokes_keys_and_says_why_it_cannot() {
    let dev = Dev::start().await;
    let file = dev.folder.path().join("admin");
    std::fs::write(&file, format!("{}\n", dev.admin)).expect("the file can be written");
    let url = format!("http://{}", dev.node.addresses().http);
    let keys = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(crate::process::PROGRAM);
        command.arg("keys").args(arguments).args(["--server", &url]);
        let output = command.arg("--api-key-file").arg(&file).output().await;
        let output = output.expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let issue = [
        "issue",
        "bot",
        "--environment",
        "test",
        "--namespace",
        "/teams/a",
        "--read-only",
    ];
    let (issued, key, errors) = keys(&issue).await;
    assert!(issued, "{errors}");
    let read = dev.get(key.trim(), "/config/teams/a").await;
    assert_eq!(read.status, 200, "{}", read.text);
    let (_, listed, _) = keys(&["list"]).await;
    assert_eq!(listed, "bot\t/teams/a\tread\tforever\n");

    let (again, _, errors) = keys(&issue).await;
    assert!(!again && errors.contains("bot"), "{errors}");
    let (revoked, _, errors) = keys(&["revoke", "bot"]).await;
    assert!(revoked, "{errors}");
    assert_eq!(dev.get(key.trim(), "/whoami").await.status, 401);
    let (_, listed, _) = keys(&["list"]).await;
    assert!(listed.contains("revoked"), "{listed}");
    std::fs::write(&file, &key).expect("the file can be written");
    let (refused, _, errors) = keys(&["list"]).await;
    assert!(!refused && errors.contains("revoked"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_says_and_nobody_honours_is_refused_and_not_passed_over() {
    let dev = Dev::start().await;
    let age = dev.get(&dev.admin, "/config/teams/a?maxAge=5s").await;
    assert_eq!(age.status, 200, "a node that is alone is never behind: {}", age.text);
    let url = |path: &str| format!("http://{}/api/v1{path}", dev.node.addresses().http);
    let write = |method, path: &str| Call::new(method, url(path), Some(&dev.admin));

    let by_order = write(Method::POST, "/namespaces").body("application/json", r#"["/teams/c",[]]"#);
    let by_order = by_order.send().await.expect("an answer");
    assert_eq!(
        by_order.problem().kind(),
        Some(ProblemType::InvalidBody),
        "{}",
        by_order.text
    );
    let conditional = write(Method::POST, "/rollback/teams/a/colour").header("if-match", "\"1\"");
    let conditional = conditional.body("application/json", r#"{"toVersion":1}"#);
    let conditional = conditional.send().await.expect("an answer");
    assert_eq!(
        conditional.problem().field.as_deref(),
        Some("If-Match"),
        "{}",
        conditional.text
    );
    let twice = write(Method::PUT, "/config/teams/a/colour").body("application/json", "1");
    let twice = twice.header("idempotency-key", "one").header("idempotency-key", "two");
    let twice = twice.send().await.expect("an answer");
    assert_eq!(
        twice.problem().field.as_deref(),
        Some("Idempotency-Key"),
        "{}",
        twice.text
    );

    for (body, status) in [("1", 200), ("1", 200), ("2", 409)] {
        let call = write(Method::PUT, "/config/teams/a/colour").header("idempotency-key", "same");
        let answer = call.body("application/json", body).send().await.expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 409 {
            assert_eq!(answer.problem().kind(), Some(ProblemType::IdempotencyKeyReused));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_approves_what_was_overtaken_is_told_so_and_how_to_ask_again() {
    let dev = Dev::start().await;
    let governance = json!({"inherit": true, "roles": {"editor": ["key:bot"]}, "workflow": {"requireApproval": true, "minApprovers": 1}});
    let reviewed = json!({"path": "/shop", "settings": {"governance": governance}});
    assert_eq!(
        dev.send(&dev.admin, Method::POST, "/namespaces", reviewed).await.status,
        201
    );
    let [ada, bob] = ["ada", "bob"].map(|name| dev.token(name));
    let ask = json!({"namespace": "/shop", "key": "colour", "value": null});
    let (first, second) = (
        dev.call(&ada, "/publish-requests", ask.clone()).await,
        dev.call(&ada, "/publish-requests", ask).await,
    );
    assert_eq!(
        (first.status, second.status),
        (201, 201),
        "null is a value: {}{}",
        first.text,
        second.text
    );
    let approve = async |request: &Value| {
        let path = format!("/publish-requests/{}/approve", request["id"].as_str().expect("an id"));
        dev.call(&bob, &path, json!({"digest": request["digest"]})).await
    };
    assert_eq!(approve(&first.json()).await.json()["state"], "Published");
    let overtaken = approve(&second.json()).await;
    assert_eq!(
        (overtaken.status, overtaken.problem().kind()),
        (409, Some(ProblemType::Superseded)),
        "{}",
        overtaken.text
    );
    assert!(
        overtaken.problem().detail.contains("ask again for colour"),
        "{}",
        overtaken.text
    );
}
