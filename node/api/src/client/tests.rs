//! Every route has a method here, and the method calls that route. The node is a socket that keeps what it is sent.

mod courier;
mod sent;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::identity::Identity;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId};
use confman_core::namespace::{Governance, NamespaceSettings};
use confman_core::proposal::Precondition;
use confman_core::publish_request::Operation;
use serde_json::value::RawValue;

use super::courier::CourierClient;
use super::{
    AuditOrder, AuditQuery, Client, ClientOptions, Credential, KeyFilter, NewValue, RequestFilter, WatchOptions,
};
use crate::api_keys::IssueKeyBody;
use crate::config::MetaPatch;
use crate::listing::Paging;
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
        credential: Credential::ApiKey("confman_test_key".to_owned()),
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

/// Calls the method of a public route; false for any other.
async fn call(client: &Client, id: RouteId) -> bool {
    let (root, (namespace, key)) = (NamespacePath::root(), place());
    let (request, digest) = request();
    let (any, newest, first) = (Precondition::Any, AuditOrder::NewestFirst, Paging::default());
    match id {
        RouteId::ListRoot => drop(client.keys(&root, &KeyFilter::default(), &first).await),
        RouteId::ReadConfig => drop(client.value(&namespace, &key).await),
        RouteId::WriteConfig => drop(client.write_value(&namespace, &key, text(), any).await),
        RouteId::DeleteConfig => drop(client.delete_value(&namespace, &key, any).await),
        RouteId::DescribeConfig => drop(client.describe(&namespace, &key, &MetaPatch::default()).await),
        RouteId::EffectiveRoot => drop(client.effective(&root, &first).await),
        RouteId::Effective => drop(client.effective_value(&namespace, &key).await),
        RouteId::History => drop(client.history(&namespace, &key, false, &first).await),
        RouteId::DraftsRoot => drop(client.drafts(&root, &first).await),
        RouteId::ReadDraft => drop(client.draft(&namespace, &key).await),
        RouteId::WriteDraft => drop(client.write_draft(&namespace, &key, text(), any).await),
        RouteId::DeleteDraft => drop(client.delete_draft(&namespace, &key, any).await),
        RouteId::ListPublishRequests => drop(client.publish_requests(&RequestFilter::default(), &first).await),
        RouteId::OpenPublishRequest => {
            let body = OpenRequestBody::new(namespace, key, Operation::Put);
            drop(client.open_request(&body).await);
        }
        RouteId::DecidePublishRequest => drop(client.approve(&request, digest, None).await),
        RouteId::RollBack | RouteId::AdminRollBack => drop(client.roll_back(&namespace, &key, &back()).await),
        RouteId::ListNamespaces => drop(client.namespaces(&first).await),
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
            drop(client.audit(&root, &AuditQuery::default(), newest, &first).await);
        }
        RouteId::Audit | RouteId::AdminAudit => {
            drop(client.audit(&namespace, &AuditQuery::default(), newest, &first).await);
        }
        RouteId::WatchRoot => drop(client.watch(everything(root)).next().await),
        RouteId::Watch => drop(client.watch(everything(namespace)).next().await),
        RouteId::VerifyAudit => drop(client.verify_audit(None).await),
        RouteId::IssueKey => drop(client.issue_key(&issued()).await),
        RouteId::ListKeys => drop(client.issued_keys(&first).await),
        RouteId::RevokeKey => drop(client.revoke_key("bot").await),
        RouteId::ClusterStatus => drop(client.cluster_status().await),
        RouteId::ReadIdentity => drop(client.identity().await),
        RouteId::WriteIdentity => drop(client.set_identity(&Identity::default()).await),
        RouteId::ReadStampKeys => drop(client.stamp_keys().await),
        RouteId::AddStampKey => drop(client.add_stamp_key(&stamp_key()).await),
        RouteId::ChangeMembership => drop(client.add_member("127.0.0.1:1").await),
        RouteId::TransferLeader => drop(client.transfer_leader(None).await),
        RouteId::TakeSnapshot => drop(client.take_snapshot().await),
        RouteId::TakeBackup => drop(client.take_backup().await),
        RouteId::ListBackups => drop(client.backups().await),
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

fn stamp_key() -> StampKey {
    let text = "{\"keyId\":\"k2\",\"publicKey\":\"AAAA\",\"notAfter\":\"2026-01-01T00:00:00.000Z\"}";
    serde_json::from_str(text).expect("a key")
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
async fn every_route_has_a_method_that_calls_it() {
    let (client, sent) = recorded();
    let courier = CourierClient::over(client.transport.clone());
    for route in ROUTES {
        let is_called = match route.port {
            Port::Public => call(&client, route.id).await,
            Port::Internal => courier::call(&courier, route.id).await,
            // Text for Prometheus, which does not log in.
            Port::Metrics => continue,
        };
        assert!(is_called, "{:?} has no method", route.id);
        let sent = sent.recv().expect("it was sent");
        let (method, path) = (&sent.method, &sent.path);
        assert_eq!(method, route.method.name(), "{:?}", route.id);
        assert!(fits(&pattern(route), path), "{:?}: {path}", route.id);
        let is_public = route.port == Port::Public;
        let is_write = route.method != Method::Get;
        let has_key = sent.header("idempotency-key").is_some();
        assert_eq!(has_key, is_public && is_write, "{:?}", route.id);
        assert_eq!(sent.header("x-api-key").is_some(), is_public, "{:?}", route.id);
    }
}
