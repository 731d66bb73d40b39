//! Every route of the table against every kind of credentials.

use confman_api::routes::{Access, Method, Port, ROUTES, Route, RouteId};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::workflow::{declare_apps, publish};

/// A path that the pattern of `route` matches and that names something.
fn example(route: &Route) -> String {
    let path = if matches!(route.id, RouteId::ReadConfig | RouteId::WriteConfig) {
        "apps/colour"
    } else if route.id == RouteId::Audit {
        "apps"
    } else {
        "request-1"
    };
    match route.pattern.split_once('{') {
        Some((prefix, _)) => format!("{prefix}{path}"),
        None => route.pattern.to_owned(),
    }
}

async fn send(cluster: &Cluster, route: &Route, key: Option<&str>) -> Answer {
    let method = match route.method {
        Method::Get => reqwest::Method::GET,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
    };
    let address = match route.port {
        Port::Public => cluster.http_address(0),
        Port::Metrics => cluster.metrics_address(0),
        Port::Internal => unreachable!("the internal port is tested by its handshake"),
    };
    let call = Call::new(method, format!("http://{address}{}", example(route)), key);
    let call = if route.method == Method::Get {
        call
    } else {
        call.body("application/json", "1")
    };
    call.send().await.expect("an answer")
}

/// What a caller with a key but no role gets: nothing may be known to exist.
fn without_role(route: &Route) -> u16 {
    if route.id == RouteId::Whoami { 200 } else { 404 }
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
        let expected = if route.id == RouteId::WriteConfig {
            // Readers may not write.
            403
        } else if matches!(route.id, RouteId::ListRoot | RouteId::AuditRoot) {
            // Nobody gave them a role on the root.
            404
        } else {
            200
        };
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
