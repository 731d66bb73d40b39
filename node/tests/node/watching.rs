//! Watching: streams that are cut and go on, on this node and on others; rights that end; slow readers; limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use confman_api::client::{Client, ClientOptions, Credential, WatchOptions, Watched};
use confman_api::limits;
use confman_api::watch::ChangeKind;
use confman_core::access::Role;
use confman_core::ids::NamespacePath;
use reqwest::Method;
use serde_json::json;

use crate::catch_up::{cluster, write};
use crate::cluster::{Cluster, Settings};
use crate::http::{Call, get};
use crate::metrics::metric;
use crate::streams::{Event, Request, Stream};
use crate::wait::eventually;
use crate::workflow::{APPS, declare_apps, publish};

/// Declares `path` once more with these roles, as an object that was made again may.
async fn declare_again(cluster: &Cluster, name: &str, path: &str, roles: &[(Role, &str)]) -> u64 {
    let mut body = cluster.stamper.declare(name, path, roles, None);
    body.claim.uid = uuid::Uuid::new_v4().to_string();
    let declared = cluster.courier_for_all().declare_namespace(&body).await;
    declared.expect("root may declare it").position.index
}

async fn take(stream: &mut Stream, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(stream.next().await.expect("the stream goes on"));
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_it_was_asked_for_in_log_order() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    declare_apps(&cluster).await;
    let all = "/apps?types=values,workflow,governance&values=true";
    let (mut stream, ready) = Request::new(&cluster, all).open(&cluster).await;
    assert_eq!(
        (ready.name.as_str(), ready.data["index"].to_string()),
        ("ready", ready.id().to_owned())
    );
    let (mut values, _) = Request::new(&cluster, "/apps").open(&cluster).await;
    let (_, index) = publish(&cluster, &cluster.courier(0), "request-1", "colour", "\"blue\"").await;

    let events = take(&mut stream, 3).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.name.as_str(), event.data["action"].as_str().expect("an action")))
        .collect();
    let expected = [
        ("workflow", "request.submitted"),
        ("workflow", "request.approved"),
        ("values", "config.published"),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        events[0].data["request"],
        json!({"id": "request-1", "state": "PendingReview"})
    );
    assert_eq!(
        events[2].id(),
        format!("{index}.1"),
        "the publication follows the approval in one log entry"
    );
    let published = &events[2].data;
    assert_eq!(
        (&published["namespace"], &published["key"]),
        (&json!("/apps"), &json!("colour"))
    );
    assert_eq!(
        (&published["version"], &published["value"]),
        (&json!(1), &json!("blue"))
    );
    assert!(
        published["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );

    let only = values.next().await.expect("an event");
    assert_eq!(only.id(), events[2].id(), "without types only values are told");
    assert_eq!(only.data.get("value"), None, "and without the values themselves");
    // Governance too, and a namespace below only where it was asked for.
    let index = declare_again(&cluster, "web", "/apps/web", &[]).await;
    let (mut below, _) = Request::new(
        &cluster,
        &format!("/apps?types=governance&recursive=true&from={}", index - 1),
    )
    .open(&cluster)
    .await;
    let created = below.next().await.expect("an event");
    assert_eq!(
        (created.name.as_str(), &created.data["namespace"]),
        ("governance", &json!("/apps/web"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn between_a_listing_and_a_stream_from_its_index_nothing_is_missed() {
    let cluster = cluster(Settings::nodes(1)).await;
    let base = format!("http://{}/api/v1/config/apps", cluster.http_address(0));
    let writing = Arc::new(AtomicBool::new(true));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            tokio::spawn(write_until(
                writing.clone(),
                base.clone(),
                cluster.reader_key.clone(),
                writer,
            ))
        })
        .collect();
    for _ in 0..5 {
        let listed = get(&format!("{base}?limit=1000"), Some(&cluster.reader_key))
            .await
            .expect("an answer");
        let mut versions: BTreeMap<String, u64> = listed.json()["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| {
                (
                    item["key"].as_str().expect("a key").to_owned(),
                    item["version"].as_u64().expect("a number"),
                )
            })
            .collect();
        let path = format!("/apps?from={}", listed.header("confman-index"));
        let (mut stream, _) = Request::new(&cluster, &path).open(&cluster).await;
        for event in take(&mut stream, 40).await {
            let key = event.data["key"].as_str().expect("a key").to_owned();
            let version = event.data["version"].as_u64().expect("a number");
            let known = versions.insert(key, version).unwrap_or(0);
            // The listing may be newer than it says, so a change may be told once more; none is left out.
            assert!(version <= known + 1, "version {version} follows {known}");
        }
    }
    writing.store(false, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("the writer ends");
    }
}

/// Writes to keys of its own until told to stop; gives how often.
async fn write_until(writing: Arc<AtomicBool>, base: String, key: String, writer: usize) -> u64 {
    let mut written = 0;
    while writing.load(Ordering::Relaxed) {
        let url = format!("{base}/w{writer}-{}", written % 3);
        let call = Call::new(Method::PUT, url, Some(&key)).body("text/plain", format!("{written}"));
        let answer = call.send().await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
        written += 1;
    }
    written
}

/// Every change of `/apps` after `index`, as the audit has it.
async fn audited(cluster: &Cluster, index: u64) -> Vec<String> {
    let base = format!(
        "http://{}/api/v1/audit/apps?order=oldest&limit=1000",
        cluster.http_address(0)
    );
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&format!("{base}{cursor}"), Some(&cluster.reader_key))
            .await
            .expect("an answer")
            .json();
        for event in page["items"].as_array().expect("items") {
            let at = event["position"]["index"].as_u64().expect("an index");
            if at > index && event["action"] == "config.unreviewed" {
                found.push(format!("{at}.{}", event["seq"]));
            }
        }
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_once_and_in_order_however_often_the_stream_is_cut() {
    let cluster = cluster(Settings::nodes(3)).await;
    let began = write(&cluster, 0, "first", "x").await;
    for node in 0..3 {
        cluster.wait_applied(node, began).await;
    }
    let writing = Arc::new(AtomicBool::new(true));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let base = format!("http://{}/api/v1/config/apps", cluster.http_address(writer % 3));
            let key = cluster.reader_key.clone();
            tokio::spawn(write_until(writing.clone(), base, key, usize::from(writer)))
        })
        .collect();
    // Several readers, each cut at other places: after some events, or in the middle of some bytes.
    let readers = (0..4_u32).map(|reader| read_with_cuts(&cluster, began, reader));
    let told = futures::future::join_all(readers).await;
    writing.store(false, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("the writer ends");
    }
    for node in 0..3 {
        let last = cluster.status(node).await.expect("the status").last_log_index;
        cluster.wait_applied(node, last).await;
    }
    let audited = audited(&cluster, began).await;
    for ids in told {
        assert_eq!(ids, audited[..ids.len()], "exactly what the audit has, in its order");
    }
}

/// Reads 400 changes on changing nodes; each connection is dropped after a pseudo-random number of them.
async fn read_with_cuts(cluster: &Cluster, began: u64, seed: u32) -> Vec<String> {
    let mut random = u64::from(seed) + 1;
    let mut ids: Vec<String> = Vec::new();
    let mut request = Request::new(cluster, "/apps");
    request.last_id = Some(began.to_string());
    while ids.len() < 400 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        request.node = u8::try_from((random >> 33) % 3).expect("one of three");
        let count = usize::try_from((random >> 40) % 40).expect("a small number");
        let (mut stream, first) = request.open(cluster).await;
        assert_eq!(first.name, "ready", "{first:?}");
        for event in take(&mut stream, count).await {
            ids.push(event.id().to_owned());
            request.last_id.clone_from(&event.id);
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_watch_goes_on_on_another_node_when_its_own_dies() {
    let mut cluster = cluster(Settings::nodes(3)).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let endpoints = [follower, leader].map(|node| format!("http://{}", cluster.http_address(node)));
    let options = ClientOptions {
        endpoints: endpoints.to_vec(),
        credential: Credential::ApiKey(cluster.reader_key.clone()),
        ca_pem: None,
        timeout: Duration::from_secs(10),
    };
    let client = Client::new(&options).expect("a client");
    let mut watch = client.watch(WatchOptions {
        namespace: NamespacePath::parse("/apps").expect("a path"),
        recursive: false,
        kinds: vec![ChangeKind::Values],
        values: true,
        from: None,
    });
    let first = watch.next().await.expect("it connects");
    assert!(matches!(first, Watched::Ready(_)), "{first:?}");
    write(&cluster, leader, "colour", "before").await;
    let mut told = vec![change(watch.next().await)];
    cluster.kill(follower);
    write(&cluster, leader, "colour", "between").await;
    told.push(change(watch.next().await));
    // A node that is told to stop ends its streams, and says so.
    cluster.start_node(follower);
    cluster.wait_ready(follower).await;
    write(&cluster, leader, "colour", "after").await;
    told.push(change(watch.next().await));
    assert_eq!(told, ["\"before\"", "\"between\"", "\"after\""]);
}

/// The value of a change.
fn change(watched: Result<Watched, confman_api::client::ClientError>) -> String {
    match watched.expect("the watch goes on") {
        Watched::Change(_, change) => change.value.expect("a value").get().to_owned(),
        other @ (Watched::Ready(_) | Watched::Reset(_)) => unreachable!("no change: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_another_log_is_a_reset_and_the_stream_goes_on_from_there() {
    let cluster = cluster(Settings::nodes(1)).await;
    let last = write(&cluster, 0, "colour", "blue").await;
    let mut request = Request::new(&cluster, "/apps");
    let mut told = Vec::new();
    for id in [(last + 1_000).to_string(), format!("{last}.7")] {
        request.last_id = Some(id);
        let (mut stream, reset) = request.open(&cluster).await;
        assert_eq!(
            (reset.name.as_str(), reset.data["index"].to_string()),
            ("reset", reset.id().to_owned())
        );
        told.push(reset.data["reason"].as_str().expect("a reason").to_owned());
        // A listing at that index, and what follows, is everything.
        let index: u64 = reset.id().parse().expect("an index");
        assert!(index >= last, "{index}");
        let next = write(&cluster, 0, "colour", &format!("after {index}")).await;
        assert_eq!(stream.next().await.expect("an event").id(), format!("{next}.0"));
    }
    assert_eq!(told, ["ahead-of-log", "unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_right_to_it_does() {
    let cluster = cluster(Settings::nodes(1)).await;
    declare_again(&cluster, "web", "/apps/web", &[]).await;
    let (mut own, _) = Request::new(&cluster, "/apps").open(&cluster).await;
    let (mut below, _) = Request::new(&cluster, "/apps/web").open(&cluster).await;
    declare_again(&cluster, APPS, "/apps", &[(Role::Viewer, "key:reader")]).await;
    write_refused(&cluster).await;
    declare_again(&cluster, APPS, "/apps", &[]).await;
    for stream in [&mut own, &mut below] {
        let last = stream.next().await.expect("a last event");
        assert_eq!(
            (last.name.as_str(), &last.data),
            ("closed", &json!({"reason": "access-lost"}))
        );
        assert_eq!(stream.next().await, None, "and then it ends");
    }
    assert_eq!(crate::waiting::problem(&cluster, "/watch/apps").await.status, 404);
}

/// A weaker role ends no stream.
async fn write_refused(cluster: &Cluster) {
    let url = format!("http://{}/api/v1/config/apps/colour", cluster.http_address(0));
    let call = Call::new(Method::PUT, url, Some(&cluster.reader_key)).body("text/plain", "x");
    assert_eq!(call.send().await.expect("an answer").status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_never_silent_for_long_and_ends_when_its_key_is_withdrawn() {
    let cluster = cluster(Settings::nodes(1)).await;
    let (mut stream, _) = Request::new(&cluster, "/apps").open(&cluster).await;
    let heartbeat = Duration::from_millis(limits::HEARTBEAT.value as u64);
    let silent = stream.heartbeat().await;
    assert!(silent <= heartbeat * 3 && silent >= heartbeat / 2, "{silent:?}");
    std::fs::remove_file(cluster.path("keys").join("reader")).expect("the key can be removed");
    let last = stream.next().await.expect("a last event");
    assert_eq!(
        (last.name.as_str(), &last.data),
        ("closed", &json!({"reason": "unauthorized"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_ends_its_streams_and_waiting_reads_at_once() {
    let mut cluster = cluster(Settings::nodes(1)).await;
    let index = write(&cluster, 0, "colour", "blue").await;
    let (mut stream, _) = Request::new(&cluster, "/apps").open(&cluster).await;
    let url = format!(
        "http://{}/api/v1/config/apps/colour?wait=60s&index={index}",
        cluster.http_address(0)
    );
    let key = cluster.reader_key.clone();
    let waiting = tokio::spawn(async move { get(&url, Some(&key)).await });
    eventually("both wait", async || {
        let watchers = metric(&cluster, 0, "confman_watchers").await?;
        (watchers == 2).then_some(()).ok_or(watchers.to_string())
    })
    .await;
    let status = cluster.process(0).stop("-TERM").await;
    assert_eq!(status.code(), Some(0));
    let last = stream.next().await.expect("a last event");
    assert_eq!(
        (last.name.as_str(), &last.data),
        ("closed", &json!({"reason": "stopping"}))
    );
    assert_eq!(waiting.await.expect("it ends").expect("an answer").status, 304);
    let log = std::fs::read_to_string(cluster.path("log-0")).expect("the log is there");
    assert!(!log.contains("did not end in time"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_its_time_misses_nothing_and_delays_nobody() {
    let cluster = cluster(Settings::nodes(1)).await;
    let (mut slow, ready) = Request::new(&cluster, "/apps?values=true").open(&cluster).await;
    let began = ready.id().parse().expect("an index");
    // Far more than the node remembers for one interest, and than fits between the two.
    let value = "v".repeat(60_000);
    for number in 0..300 {
        write(
            &cluster,
            0,
            &format!("key-{}", number % 7),
            &format!("{number}-{value}"),
        )
        .await;
    }
    let (mut quick, _) = Request::new(&cluster, "/apps").open(&cluster).await;
    let last = write(&cluster, 0, "last", "x").await;
    assert_eq!(quick.next().await.expect("an event").id(), format!("{last}.0"));
    let told: Vec<_> = take(&mut slow, 301)
        .await
        .iter()
        .map(|event| event.id().to_owned())
        .collect();
    assert_eq!(told, audited(&cluster, began).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_principal_has_so_many_watches_and_no_more() {
    let cluster = cluster(Settings::nodes(1)).await;
    let url = format!("http://{}/api/v1/watch/apps", cluster.http_address(0));
    let client = crate::http::multiplexed();
    let mut open = Vec::new();
    for _ in 0..limits::WATCHES_OF_ONE.value {
        let answer = client
            .get(&url)
            .header("x-api-key", &cluster.reader_key)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        open.push(answer);
    }
    let refused = get(&url, Some(&cluster.reader_key)).await.expect("an answer");
    assert!(!refused.header("retry-after").is_empty());
    let refused = refused.problem();
    assert_eq!(
        (refused.status, refused.limit),
        (429, Some(limits::WATCHES_OF_ONE.text()))
    );
    // Others read and write as ever, and so does the same caller.
    let index = write(&cluster, 0, "colour", "blue").await;
    for stream in &mut open {
        let wanted = format!("id: {index}.0\n");
        let mut text = String::new();
        while !text.contains(&wanted) {
            let bytes = stream
                .chunk()
                .await
                .expect("the stream goes on")
                .expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    open.clear();
    eventually("the places are free again", async || {
        let watchers = metric(&cluster, 0, "confman_watchers").await?;
        (watchers == 0).then_some(()).ok_or(watchers.to_string())
    })
    .await;
}
