//! What is sent: bodies, headers, queries.

use std::time::Duration;

use confman_core::digest::Digest;
use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::NamespacePath;
use confman_core::namespace::RoleAssignments;
use confman_core::proposal::Precondition;

use super::{json, place, recorded, request, text};
use crate::client::{AuditOrder, AuditQuery, Client, ClientOptions, Credential, KeyFilter, NewValue};
use crate::listing::Paging;
use crate::reading::{Consistency, Representation, ViewRepresentation};

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
    drop(client.withdraw(&request, None, None).await);
    assert_eq!(path(), "/api/v1/publish-requests/pr-7/withdraw");
    drop(client.reject(&request, Some(digest), Some("no")).await);
    let rejected = sent.recv().expect("it was sent");
    assert_eq!(rejected.path, "/api/v1/publish-requests/pr-7/reject");
    assert_eq!(rejected.body, format!("{{\"digest\":\"{digest}\",\"comment\":\"no\"}}"));
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

#[tokio::test]
async fn whoever_is_nobody_shows_nothing() {
    let (client, sent) = recorded();
    let anonymous = Client::new(&ClientOptions {
        endpoints: vec![client.transport.first_endpoint()],
        credential: Credential::Anonymous,
        ca_pem: None,
        timeout: Duration::from_secs(30),
    });
    drop(anonymous.expect("a client").whoami().await);
    let sent = sent.recv().expect("it was sent");
    assert_eq!((sent.header("authorization"), sent.header("x-api-key")), (None, None));
}

#[tokio::test]
async fn what_is_asked_of_a_read_is_in_its_query() {
    let (client, sent) = recorded();
    let (namespace, key) = place();
    let path = || sent.recv().expect("it was sent").path;
    let fresh = client.with_consistency(Consistency::AtLeast(7));
    let fresh = fresh.with_max_age(Duration::from_secs(2));
    drop(fresh.value(&namespace, &key).await);
    let asked = "consistency=index%3D7&maxAge=2000ms";
    assert_eq!(path(), format!("/api/v1/config/teams/a/colour?{asked}"));
    drop(fresh.whoami().await);
    assert_eq!(path(), "/api/v1/whoami");
    let filter = KeyFilter {
        prefix: Some("co".to_owned()),
        recursive: true,
    };
    let paging = Paging {
        limit: Some(5),
        cursor: Some("c".to_owned()),
    };
    drop(client.keys(&namespace, &filter, &paging).await);
    assert_eq!(
        path(),
        "/api/v1/config/teams/a?prefix=co&recursive=true&limit=5&cursor=c"
    );
    drop(client.values(&namespace, &filter, &Paging::default()).await);
    assert_eq!(path(), "/api/v1/config/teams/a?prefix=co&recursive=true&values=true");
    let wait = Duration::from_secs(1);
    drop(client.wait_for_keys(&namespace, &filter, 9, wait).await);
    assert_eq!(
        path(),
        "/api/v1/config/teams/a?prefix=co&recursive=true&wait=1000ms&index=9"
    );
    drop(client.history(&namespace, &key, true, &paging).await);
    assert_eq!(path(), "/api/v1/history/teams/a/colour?values=true&limit=5&cursor=c");
    let oldest = AuditOrder::OldestFirst;
    drop(client.audit(&namespace, &AuditQuery::default(), oldest, &paging).await);
    assert_eq!(path(), "/api/v1/audit/teams/a?order=oldest&limit=5&cursor=c");
}

#[tokio::test]
async fn another_form_is_asked_for_by_its_media_type() {
    let (client, sent) = recorded();
    let (namespace, key) = place();
    drop(client.represented_value(&namespace, &key, Representation::Octets).await);
    let octets = sent.recv().expect("it was sent");
    assert_eq!(octets.path, "/api/v1/config/teams/a/colour");
    assert_eq!(octets.header("accept"), Some("application/octet-stream"));
    let form = ViewRepresentation::Dotenv;
    drop(client.effective_file(&namespace, form).await);
    let file = sent.recv().expect("it was sent");
    assert_eq!(file.path, "/api/v1/effective/teams/a");
    assert_eq!(file.header("accept"), Some(form.media_type()));
}
