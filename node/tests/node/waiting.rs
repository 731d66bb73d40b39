//! Reads that wait for a change or name how old the answer may be, and what of these and of watches is refused.

use std::time::Duration;

use confman_api::client::WaitedChange;
use confman_api::problem::{Problem, ProblemType};
use confman_core::ids::{ConfigKey, NamespacePath};
use reqwest::Method;

use crate::catch_up::{cluster, write};
use crate::cluster::{Cluster, Settings};
use crate::http::{Call, get};
use crate::wait::eventually;
use crate::workflow::reader;

pub(crate) async fn problem(cluster: &Cluster, path: &str) -> Problem {
    let url = format!("http://{}/api/v1{path}", cluster.http_address(0));
    get(&url, Some(&cluster.reader_key)).await.expect("an answer").problem()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_read_answers_as_soon_as_its_key_has_changed() {
    let cluster = cluster(Settings::nodes(1)).await;
    let client = reader(&cluster, 0);
    let (namespace, colour) = (
        NamespacePath::parse("/apps").expect("a path"),
        ConfigKey::parse("colour").expect("a key"),
    );
    let wait = |index, wait| client.wait_for_value(&namespace, &colour, index, wait);
    let index = write(&cluster, 0, "other", "x").await;
    let (short, long) = (Duration::from_millis(200), Duration::from_mins(1));

    let unchanged = wait(index, short).await.expect("an answer");
    assert!(
        matches!(unchanged.change, WaitedChange::Unchanged) && unchanged.index >= index,
        "{unchanged:?}"
    );
    let waiting = tokio::spawn({
        let (client, namespace, colour) = (client.clone(), namespace.clone(), colour.clone());
        async move { client.wait_for_value(&namespace, &colour, index, long).await }
    });
    write(&cluster, 0, "other", "y").await;
    let changed = write(&cluster, 0, "colour", "blue").await;
    let answer = waiting.await.expect("it ends").expect("an answer");
    assert!(answer.index >= changed, "{answer:?}");
    assert!(
        matches!(&answer.change, WaitedChange::Found(view) if view.value.get() == "\"blue\""),
        "{answer:?}"
    );
    // What has changed already is answered at once, and a listing waits for any of its keys.
    let at_once = wait(index, long).await.expect("an answer");
    assert!(matches!(at_once.change, WaitedChange::Found(_)), "{at_once:?}");
    let base = format!("http://{}/api/v1/config/apps", cluster.http_address(0));
    let listed = |query: String| {
        let (url, key) = (format!("{base}{query}"), cluster.reader_key.clone());
        async move { get(&url, Some(&key)).await.expect("an answer") }
    };
    assert_eq!(listed(format!("?wait=60s&index={index}")).await.status, 200);
    assert_eq!(listed(format!("?wait=200ms&index={changed}")).await.status, 304);
    assert_eq!(
        listed(format!("?prefix=oth&wait=200ms&index={changed}")).await.status,
        304
    );
    assert_eq!(
        listed(format!("?wait=60s&index={}", changed + 1_000)).await.status,
        200,
        "ahead of the log"
    );
}

/// Path and query, status, type of problem, field.
const REFUSED: &[(&str, u16, &str, &str)] = &[
    ("/watch/apps?from=x", 400, "invalid-parameter", "from"),
    ("/watch/apps?from=-1", 400, "invalid-parameter", "from"),
    ("/watch/apps?types=", 400, "invalid-parameter", "types"),
    ("/watch/apps?types=values,drafts", 400, "invalid-parameter", "types"),
    ("/watch/apps?recursive=yes", 400, "invalid-parameter", "recursive"),
    ("/watch/apps?values=1", 400, "invalid-parameter", "values"),
    ("/watch/apps?cursor=x", 400, "invalid-parameter", "cursor"),
    ("/watch/Apps", 400, "invalid-path", "path"),
    ("/config/apps/colour?wait=5s", 400, "invalid-parameter", "index"),
    ("/config/apps/colour?index=5", 400, "invalid-parameter", "index"),
    ("/config/apps/colour?wait=5s&index=x", 400, "invalid-parameter", "index"),
    (
        "/config/apps/colour?wait=5s&index=1.0",
        400,
        "invalid-parameter",
        "index",
    ),
    ("/config/apps/colour?wait=5&index=1", 400, "invalid-parameter", "wait"),
    ("/config/apps/colour?wait=0s&index=1", 400, "invalid-parameter", "wait"),
    ("/config/apps/colour?wait=61s&index=1", 400, "invalid-parameter", "wait"),
    (
        "/config/apps/colour?wait=5s&index=1&version=1",
        400,
        "invalid-parameter",
        "version",
    ),
    ("/config/apps/colour?maxAge=5", 400, "invalid-parameter", "maxAge"),
    ("/config/apps/colour?maxAge=-5s", 400, "invalid-parameter", "maxAge"),
    ("/audit/apps?maxAge=soon", 400, "invalid-parameter", "maxAge"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_watched_or_waited_for_is_refused_by_name() {
    let cluster = cluster(Settings::nodes(1)).await;
    write(&cluster, 0, "colour", "blue").await;
    for (path, status, kind, field) in REFUSED {
        let problem = problem(&cluster, path).await;
        let name = problem.kind().expect("a known type").name();
        assert_eq!(
            (problem.status, name, problem.field.as_deref()),
            (*status, *kind, Some(*field)),
            "{path}"
        );
    }
    let url = format!("http://{}/api/v1/watch/apps", cluster.http_address(0));
    for (header, value, status) in [("last-event-id", "x.y", 400), ("accept", "application/json", 406)] {
        let call = Call::new(Method::GET, url.clone(), Some(&cluster.reader_key)).header(header, value);
        assert_eq!(call.send().await.expect("an answer").status, status, "{header}");
    }
    // What may not be read does not exist, however long one would wait for it.
    for path in ["/watch/apps", "/config/apps/colour?wait=60s&index=100000"] {
        let url = format!("http://{}/api/v1{path}", cluster.http_address(0));
        let hidden = get(&url, Some(&cluster.stranger_key)).await.expect("an answer");
        assert_eq!(hidden.status, 404, "{path}: {}", hidden.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_names_its_largest_age_is_not_answered_from_an_older_state() {
    let mut cluster = cluster(Settings::nodes(3)).await;
    let index = write(&cluster, 0, "colour", "blue").await;
    let survivor = cluster.follower().await;
    cluster.wait_applied(survivor, index).await;
    let url = format!("http://{}/api/v1/config/apps/colour", cluster.http_address(survivor));
    let key_of_reader = cluster.reader_key.clone();
    let read = |query: &'static str| {
        let (url, key) = (format!("{url}{query}"), key_of_reader.clone());
        async move { get(&url, Some(&key)).await.expect("an answer") }
    };
    assert_eq!(read("?maxAge=30s").await.status, 200, "leaders are heard all the time");
    for node in (0..3).filter(|node| *node != survivor) {
        cluster.kill(node);
    }
    let refused = eventually("what the survivor has is old", async || {
        let answer = read("?maxAge=1s").await;
        (answer.status == 503).then(|| answer.problem()).ok_or(answer.status)
    })
    .await;
    assert_eq!(refused.kind(), Some(ProblemType::TooStale), "{refused:?}");
    assert_eq!(refused.field.as_deref(), Some("maxAge"));
    assert!(refused.detail.contains("ms old"), "{refused:?}");
    assert_eq!(read("").await.status, 200, "who sets no bound is answered");
}
