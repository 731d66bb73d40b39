//! Every public route has a method here, and the method calls that route. The node is a socket that keeps what it is sent.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::idempotency::IdempotencyKey;
use confman_core::identity::Identity;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId};
use confman_core::namespace::{Governance, NamespaceSettings, RoleAssignments};
use confman_core::proposal::Precondition;
use confman_core::publish_request::Operation;
use serde_json::value::RawValue;

use super::{AuditQuery, Client, ClientOptions, NewValue, RequestFilter, WatchOptions};
use crate::api_keys::IssueKeyBody;
use crate::config::MetaPatch;
use crate::namespaces::CreateNamespaceBody;
use crate::publish_request::{OpenRequestBody, RollbackBody};
use crate::routes::{Method, Port, ROUTES, Route, RouteId};

/// What was sent.
struct Sent {
    method: String,
    path: String,
    /// Lines, in lower case.
    headers: Vec<String>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A client, and what it sends. Every answer is one that no client repeats.
fn recorded() -> (Client, Receiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, sent) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
            let request = loop {
                let count = stream.read(&mut chunk).expect("a request");
                bytes.extend_from_slice(&chunk[..count]);
                if let Some(request) = parse(&String::from_utf8_lossy(&bytes)) {
                    break request;
                }
                assert!(count > 0, "a whole request");
            };
            let answer = "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).expect("an answer");
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    let client = Client::new(&ClientOptions {
        endpoints: vec![format!("http://{address}")],
        api_key: "confman_test_key".to_owned(),
        ca_pem: None,
        timeout: Duration::from_secs(30),
    });
    (client.expect("a client"), sent)
}

/// The request in `text`, once all of it is there.
fn parse(text: &str) -> Option<Sent> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let sent = Sent {
        method: first.next()?,
        path: first.next()?,
        headers: lines.map(str::to_ascii_lowercase).collect(),
        body: body.to_owned(),
    };
    let length = sent
        .header("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    (body.len() == length).then_some(sent)
}

fn place() -> (NamespacePath, ConfigKey) {
    let namespace = NamespacePath::parse("/teams/a").expect("a path");
    (namespace, ConfigKey::parse("colour").expect("a key"))
}

fn request() -> (RequestId, Digest) {
    (RequestId::parse("pr-7").expect("an id"), Digest::of(b"seen"))
}

/// Calls the method of a route; false for what is not for clients.
async fn call(client: &Client, id: RouteId) -> bool {
    let (root, (namespace, key)) = (NamespacePath::root(), place());
    let (request, digest) = request();
    let any = Precondition::Any;
    match id {
        RouteId::ListRoot => drop(client.keys(&root, None).await),
        RouteId::ReadConfig => drop(client.value(&namespace, &key, None).await),
        RouteId::WriteConfig => drop(client.write_value(&namespace, &key, text(), any).await),
        RouteId::DeleteConfig => drop(client.delete_value(&namespace, &key, any).await),
        RouteId::DescribeConfig => drop(client.describe(&namespace, &key, &MetaPatch::default()).await),
        RouteId::EffectiveRoot => drop(client.effective(&root, None).await),
        RouteId::Effective => drop(client.effective_value(&namespace, &key).await),
        RouteId::History => drop(client.history(&namespace, &key, None).await),
        RouteId::DraftsRoot => drop(client.drafts(&root, None).await),
        RouteId::ReadDraft => drop(client.draft(&namespace, &key).await),
        RouteId::WriteDraft => drop(client.write_draft(&namespace, &key, text(), any).await),
        RouteId::DeleteDraft => drop(client.delete_draft(&namespace, &key, any).await),
        RouteId::ListPublishRequests => drop(client.publish_requests(&RequestFilter::default(), None).await),
        RouteId::OpenPublishRequest => {
            let body = OpenRequestBody::new(namespace, key, Operation::Put);
            drop(client.open_request(&body).await);
        }
        RouteId::DecidePublishRequest => drop(client.approve(&request, digest, None).await),
        RouteId::RollBack | RouteId::AdminRollBack => drop(client.roll_back(&namespace, &key, &back()).await),
        RouteId::ListNamespaces => drop(client.namespaces(None).await),
        RouteId::CreateNamespace => {
            let (path, settings) = (namespace, settings());
            drop(client.create_namespace(&CreateNamespaceBody { path, settings }).await);
        }
        RouteId::ReadNamespace => drop(client.namespace(&namespace).await),
        RouteId::WriteNamespace => drop(client.set_namespace(&namespace, &settings(), None).await),
        RouteId::DeleteNamespace => drop(client.delete_namespace(&namespace, None).await),
        RouteId::ReadSchema => drop(client.schema(&namespace, None).await),
        RouteId::WriteSchema => drop(client.write_schema(&namespace, &json("{}"), None).await),
        RouteId::ReadPublishRequest => drop(client.publish_request(&request).await),
        RouteId::AuditRoot | RouteId::AdminAuditRoot => {
            drop(client.audit(&root, &AuditQuery::default(), None).await);
        }
        RouteId::Audit | RouteId::AdminAudit => {
            drop(client.audit(&namespace, &AuditQuery::default(), None).await);
        }
        RouteId::WatchRoot => drop(client.watch(everything(root)).next().await),
        RouteId::Watch => drop(client.watch(everything(namespace)).next().await),
        RouteId::VerifyAudit => drop(client.verify_audit(None).await),
        RouteId::IssueKey => drop(client.issue_key(&issued()).await),
        RouteId::ListKeys => drop(client.issued_keys(None).await),
        RouteId::RevokeKey => drop(client.revoke_key("bot").await),
        RouteId::ClusterStatus => drop(client.cluster_status().await),
        RouteId::ReadIdentity => drop(client.identity().await),
        RouteId::WriteIdentity => drop(client.set_identity(&Identity::default()).await),
        RouteId::Whoami => drop(client.whoami().await),
        RouteId::OpenApi => drop(client.openapi().await),
        RouteId::Health => drop(client.health().await),
        RouteId::Ready => drop(client.readiness(false).await),
        RouteId::Metrics
        | RouteId::InternalStatus
        | RouteId::Initialise
        | RouteId::RegisterStampKey
        | RouteId::StampKeys
        | RouteId::DeclareNamespace
        | RouteId::Namespaces
        | RouteId::ReleaseNamespace
        | RouteId::SubmitRequest
        | RouteId::PublishRequests
        | RouteId::PublishRequest
        | RouteId::ActOnRequest => return false,
    }
    true
}

fn text() -> NewValue {
    NewValue::Text("blue".to_owned())
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

fn back() -> RollbackBody {
    RollbackBody {
        to_version: 1,
        comment: None,
    }
}

fn settings() -> NamespaceSettings {
    NamespaceSettings::governed(Governance::inherited())
}

fn everything(namespace: NamespacePath) -> WatchOptions {
    WatchOptions {
        namespace,
        recursive: true,
        kinds: Vec::new(),
        values: false,
        from: None,
    }
}

fn issued() -> IssueKeyBody {
    serde_json::from_str("{\"name\":\"bot\",\"environment\":\"test\"}").expect("a body")
}

/// The pattern that a route is called at: what is there under two names has one method.
fn pattern(route: &Route) -> String {
    route
        .pattern
        .replace("/admin/audit", "/audit")
        .replace("/admin/rollback", "/rollback/{*path}")
}

fn fits(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or("");
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(_)) if wanted.starts_with("{*") => return true,
            (Some(wanted), Some(_)) if wanted.starts_with('{') => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            (Some(_) | None, _) => return false,
        }
    }
}

#[tokio::test]
async fn every_public_route_has_a_method_that_calls_it() {
    let (client, sent) = recorded();
    for route in ROUTES {
        let has_method = call(&client, route.id).await;
        assert_eq!(has_method, route.port == Port::Public, "{:?}", route.id);
        if !has_method {
            continue;
        }
        let sent = sent.recv().expect("it was sent");
        let (method, path) = (&sent.method, &sent.path);
        assert_eq!(method, route.method.name(), "{:?}", route.id);
        assert!(fits(&pattern(route), path), "{:?}: {path}", route.id);
        let writes = route.method != Method::Get;
        assert_eq!(sent.header("idempotency-key").is_some(), writes, "{:?}", route.id);
        assert_eq!(sent.header("x-api-key"), Some("confman_test_key"), "{:?}", route.id);
    }
}

#[tokio::test]
async fn a_value_is_sent_as_what_it_is_and_under_what_must_be_there() {
    let (client, sent) = recorded();
    let (namespace, key) = place();
    let digest = Digest::of(b"old");
    let tag = format!("\"{digest}\"");
    let binary = NewValue::Binary(b"\x01".to_vec());
    let secret = NewValue::SecretRef("env://TOKEN".to_owned());
    let (plain, query) = ("text/plain", "?type=secret-ref");
    for (value, expected, (media_type, query, body), header) in [
        (
            NewValue::Json(json("[1.0]")),
            Precondition::Any,
            ("application/json", "", "[1.0]"),
            None,
        ),
        (
            text(),
            Precondition::Digest(digest),
            (plain, "", "blue"),
            Some(("if-match", tag.as_str())),
        ),
        (
            binary,
            Precondition::Absent,
            ("application/octet-stream", "", "\x01"),
            Some(("if-none-match", "*")),
        ),
        (
            secret,
            Precondition::Present,
            (plain, query, "env://TOKEN"),
            Some(("if-match", "*")),
        ),
    ] {
        drop(client.write_draft(&namespace, &key, value.clone(), expected).await);
        drop(client.write_value(&namespace, &key, value, expected).await);
        for resource in ["drafts", "config"] {
            let sent = sent.recv().expect("it was sent");
            assert_eq!(sent.path, format!("/api/v1/{resource}/teams/a/colour{query}"));
            assert_eq!(
                (sent.header("content-type"), sent.body.as_str()),
                (Some(media_type), body)
            );
            for name in ["if-match", "if-none-match"] {
                let wanted = header.filter(|(header, _)| *header == name).map(|(_, value)| value);
                assert_eq!(sent.header(name), wanted, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn the_four_decisions_and_the_parts_of_a_namespace_are_told_apart() {
    let (client, sent) = recorded();
    let (namespace, (request, digest)) = (place().0, request());
    let path = || sent.recv().expect("it was sent").path;
    drop(client.publish(&request, digest, None).await);
    assert_eq!(path(), "/api/v1/publish-requests/pr-7/publish");
    drop(client.withdraw(&request, None).await);
    assert_eq!(path(), "/api/v1/publish-requests/pr-7/withdraw");
    drop(client.reject(&request, Some("no")).await);
    let rejected = sent.recv().expect("it was sent");
    assert_eq!(
        (rejected.path.as_str(), rejected.body.as_str()),
        ("/api/v1/publish-requests/pr-7/reject", "{\"comment\":\"no\"}")
    );
    drop(client.roles(&NamespacePath::root()).await);
    assert_eq!(path(), "/api/v1/namespaces/:roles");
    drop(client.set_workflow(&namespace, None, None).await);
    assert_eq!(path(), "/api/v1/namespaces/teams/a:workflow");
    drop(client.try_schema(&namespace, None).await);
    assert_eq!(path(), "/api/v1/namespaces/teams/a:schema?dryRun=true");
    drop(client.set_webhooks(&namespace, Vec::new(), None).await);
    assert_eq!(path(), "/api/v1/namespaces/teams/a:webhooks");
    drop(client.set_roles(&namespace, RoleAssignments::new(), Some(4)).await);
    let roles = sent.recv().expect("it was sent");
    assert_eq!(
        (roles.path.as_str(), roles.header("if-match"), roles.body.as_str()),
        ("/api/v1/namespaces/teams/a:roles", Some("\"4\""), "{\"roles\":{}}")
    );
}

#[tokio::test]
async fn a_token_takes_the_place_of_the_key() {
    let (client, sent) = recorded();
    drop(client.with_token("ey.J.x").whoami().await);
    let sent = sent.recv().expect("it was sent");
    assert_eq!(sent.header("authorization"), Some("bearer ey.j.x"));
    assert_eq!(sent.header("x-api-key"), None);
}

#[tokio::test]
async fn each_write_has_a_key_of_its_own_unless_it_is_given_one() {
    let (client, sent) = recorded();
    let given = client.with_idempotency_key(IdempotencyKey::parse("launch\"1").expect("a key"));
    let mut keys = Vec::new();
    for client in [&client, &client, &given, &given] {
        drop(client.revoke_key("bot").await);
        let sent = sent.recv().expect("it was sent");
        keys.push(sent.header("idempotency-key").expect("a key").to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[2..], ["\"launch\\\"1\"", "\"launch\\\"1\""]);
}
