//! Every route of the table against every kind of credentials.

use confman_api::routes::{Access, Method, Port, ROUTES, Route, RouteId};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::workflow::{declare_apps, publish};

/// Every answer carries it back, whatever else it says.
const CORRELATION_ID: &str = "routes-17";

/// A path that the pattern of `route` matches and that names something.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the rows without an exception of their own have"
)]
fn example(route: &Route) -> String {
    let path = match route.id {
        RouteId::ReadConfig
        | RouteId::WriteConfig
        | RouteId::DeleteConfig
        | RouteId::ReadDraft
        | RouteId::WriteDraft
        | RouteId::DeleteDraft
        | RouteId::Effective
        | RouteId::History
        | RouteId::RollBack => "apps/colour",
        RouteId::DescribeConfig => "apps/colour:meta",
        RouteId::DecidePublishRequest => "request-1/approve",
        RouteId::Audit
        | RouteId::AdminAudit
        | RouteId::Watch
        | RouteId::ReadNamespace
        | RouteId::WriteNamespace
        | RouteId::DeleteNamespace
        | RouteId::ReadSchema
        | RouteId::WriteSchema => "apps",
        _ => "request-1",
    };
    match route.pattern.split_once('{') {
        Some((prefix, _)) => format!("{prefix}{path}"),
        None => route.pattern.to_owned(),
    }
}

fn is_stream(route: &Route) -> bool {
    matches!(route.id, RouteId::WatchRoot | RouteId::Watch)
}

async fn send(cluster: &Cluster, route: &Route, key: Option<&str>) -> Answer {
    let method = match route.method {
        Method::Get => reqwest::Method::GET,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let address = match route.port {
        Port::Public => cluster.http_address(0),
        Port::Metrics => cluster.metrics_address(0),
        Port::Internal => unreachable!("the internal port is tested by its handshake"),
    };
    // A stream has no end to wait for, but it begins like any answer.
    let method = if is_stream(route) && key == Some(&cluster.reader_key) {
        reqwest::Method::HEAD
    } else {
        method
    };
    let call = Call::new(method, format!("http://{address}{}", example(route)), key);
    let call = if route.method == Method::Get {
        call
    } else {
        call.body("application/json", body(route))
    };
    let answer = call.header("x-correlation-id", CORRELATION_ID).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.header("x-correlation-id"), CORRELATION_ID, "{:?}", route.id);
    assert_eq!(answer.header("traceparent").len(), 55, "{:?}", route.id);
    answer
}

/// A body that the route takes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the rows without an exception of their own have"
)]
fn body(route: &Route) -> &'static str {
    match route.id {
        RouteId::OpenPublishRequest => r#"{"namespace":"/apps","key":"colour","text":"red"}"#,
        RouteId::DecidePublishRequest => {
            r#"{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#
        }
        RouteId::RollBack => r#"{"toVersion":1}"#,
        RouteId::AdminRollBack => r#"{"namespace":"/apps","key":"colour","toVersion":1}"#,
        RouteId::CreateNamespace => r#"{"path":"/apps/new","settings":{"governance":{"inherit":true}}}"#,
        RouteId::WriteNamespace => r#"{"governance":{"inherit":true}}"#,
        RouteId::IssueKey => r#"{"name":"bot","environment":"test","scope":{"namespace":"/apps"}}"#,
        RouteId::DescribeConfig | RouteId::WriteSchema | RouteId::WriteIdentity => "{}",
        _ => "1",
    }
}

/// What a caller with a key but no role gets: nothing may be known to exist.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the rows without an exception of their own have"
)]
fn without_role(route: &Route) -> u16 {
    match route.id {
        // They list what the caller may read: nothing.
        RouteId::Whoami | RouteId::ListNamespaces | RouteId::ListPublishRequests => 200,
        _ => 404,
    }
}

/// What a viewer of the namespace gets.
fn with_viewers_role(route: &Route) -> u16 {
    match route.id {
        RouteId::WriteConfig
        | RouteId::DeleteConfig
        | RouteId::DescribeConfig
        | RouteId::WriteDraft
        | RouteId::DeleteDraft
        | RouteId::OpenPublishRequest
        | RouteId::RollBack
        | RouteId::AdminRollBack
        | RouteId::CreateNamespace
        | RouteId::WriteNamespace
        | RouteId::DeleteNamespace
        | RouteId::WriteSchema
        | RouteId::IssueKey => 403,
        // Nobody gave them a role on the root, drafts are for editors, keys for admins, and there is no schema.
        RouteId::ListRoot
        | RouteId::AuditRoot
        | RouteId::AdminAuditRoot
        | RouteId::ClusterStatus
        | RouteId::WatchRoot
        | RouteId::VerifyAudit
        | RouteId::EffectiveRoot
        | RouteId::DraftsRoot
        | RouteId::ReadDraft
        | RouteId::ListKeys
        | RouteId::RevokeKey
        | RouteId::ReadIdentity
        | RouteId::WriteIdentity
        | RouteId::ReadStampKeys
        | RouteId::AddStampKey
        | RouteId::ChangeMembership
        | RouteId::TransferLeader
        | RouteId::TakeSnapshot
        | RouteId::TakeBackup
        | RouteId::ListBackups
        | RouteId::ReadSchema => 404,
        // It is published.
        RouteId::DecidePublishRequest => 409,
        RouteId::ReadConfig
        | RouteId::Effective
        | RouteId::History
        | RouteId::ListPublishRequests
        | RouteId::ListNamespaces
        | RouteId::ReadNamespace
        | RouteId::ReadPublishRequest
        | RouteId::Audit
        | RouteId::AdminAudit
        | RouteId::Watch
        | RouteId::Whoami
        | RouteId::OpenApi
        | RouteId::Health
        | RouteId::Ready
        | RouteId::Metrics => 200,
        RouteId::InternalStatus
        | RouteId::Initialise
        | RouteId::RegisterStampKey
        | RouteId::StampKeys
        | RouteId::DeclareNamespace
        | RouteId::Namespaces
        | RouteId::ReleaseNamespace
        | RouteId::SubmitRequest
        | RouteId::PublishRequests
        | RouteId::PublishRequest
        | RouteId::ActOnRequest => unreachable!("the internal port is tested by its handshake"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_denied_unless_its_row_says_otherwise() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    declare_apps(&cluster).await;
    publish(&cluster, &cluster.courier(0), "request-1", "colour", "\"blue\"").await;
    let unknown = confman_node::auth::api_keys::generate("test").expect("randomness is there");
    let mut checked = 0;
    for route in ROUTES.iter().filter(|route| route.port != Port::Internal) {
        let name = format!("{:?}", route.id);
        if route.access == Access::Open {
            assert_eq!(send(&cluster, route, None).await.status, 200, "{name} is open");
            continue;
        }
        for key in [None, Some(""), Some("nonsense"), Some(unknown.as_str())] {
            let answer = send(&cluster, route, key).await;
            assert_eq!(answer.status, 401, "{name} with {key:?}");
            assert!(answer.header("www-authenticate").contains("X-API-Key"), "{name}");
            assert_eq!(answer.problem().field.as_deref(), Some("X-API-Key"), "{name}");
        }
        let answer = send(&cluster, route, Some(&cluster.stranger_key)).await;
        assert_eq!(
            answer.status,
            without_role(route),
            "{name} without a role: {}",
            answer.text
        );
        let expected = with_viewers_role(route);
        let answer = send(&cluster, route, Some(&cluster.reader_key)).await;
        assert_eq!(answer.status, expected, "{name} with a role: {}", answer.text);
        checked += 1;
    }
    assert!(checked >= 7, "the table was walked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_removed_from_the_folder_is_not_accepted_any_more() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    let url = format!("http://{}/api/v1/whoami", cluster.http_address(0));
    let whoami = crate::http::get(&url, Some(&cluster.stranger_key))
        .await
        .expect("an answer");
    assert_eq!(whoami.json()["principal"], "key:stranger");
    std::fs::remove_file(cluster.path("keys").join("stranger")).expect("the key can be removed");
    crate::wait::eventually("the key is forgotten", async || {
        let answer = crate::http::get(&url, Some(&cluster.stranger_key)).await?;
        (answer.status == 401).then_some(()).ok_or(answer.text)
    })
    .await;
    let other = crate::http::get(&url, Some(&cluster.reader_key))
        .await
        .expect("an answer");
    assert_eq!(other.status, 200, "the other key still is");
}
