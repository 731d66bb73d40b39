//! Nodes die, stop and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::Call;
use crate::wait::{DEADLINE, eventually};
use crate::workflow::{declare_apps, publish, read_value};

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_writes_go_on_after_the_leader_was_killed() {
    let mut cluster = Cluster::running(Settings::nodes(3)).await;
    declare_apps(&cluster).await;
    let (_, index) = publish(&cluster, &cluster.courier_for_all(), "request-1", "colour", "\"blue\"").await;
    let leader = cluster.leader().await;
    for node in 0..3 {
        cluster.wait_applied(node, index).await;
    }
    cluster.kill(leader);

    // The survivors answer stale reads all the time, also while nobody leads.
    let survivors: Vec<u8> = cluster.running_nodes().collect();
    let deadline = Instant::now() + DEADLINE;
    loop {
        for node in &survivors {
            assert_eq!(
                read_value(&cluster, *node, "colour", "stale").await.as_deref(),
                Some("\"blue\"")
            );
        }
        let status = cluster.status(survivors[0]).await.expect("the status is served");
        let own = status
            .leader
            .filter(|id| status.members.iter().any(|member| member.node_id == *id));
        let old = status
            .members
            .iter()
            .find(|member| member.address == cluster.peer_address(leader));
        if own.is_some() && own != old.map(|member| member.node_id.clone()) {
            break;
        }
        assert!(Instant::now() < deadline, "no new leader");
    }
    let (_, index) = publish(&cluster, &cluster.courier_for_all(), "request-2", "colour", "\"green\"").await;
    for node in survivors {
        assert_eq!(
            read_value(&cluster, node, "colour", "linearizable").await.as_deref(),
            Some("\"green\"")
        );
    }

    cluster.start_node(leader);
    cluster.wait_applied(leader, index).await;
    assert_eq!(
        read_value(&cluster, leader, "colour", "stale").await.as_deref(),
        Some("\"green\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over_first() {
    let mut cluster = Cluster::running(Settings::nodes(3)).await;
    declare_apps(&cluster).await;
    let leader = cluster.leader().await;
    let status = cluster.process(leader).stop("-TERM").await;
    assert_eq!(status.code(), Some(0));
    let log = std::fs::read_to_string(cluster.path(&format!("log-{leader}"))).expect("the log is there");
    assert!(log.contains("the leadership is handed over"), "{log}");
    assert!(
        !log.contains("did not end in time"),
        "everything stops when it is told to: {log}"
    );
    cluster.kill(leader);
    // A handover leaves no gap that a write could not wait out.
    let courier = cluster.courier(cluster.running_nodes().next().expect("two nodes run"));
    publish(&cluster, &courier, "request-1", "colour", "\"red\"").await;

    cluster.start_node(leader);
    cluster.wait_ready(leader).await;
    assert_eq!(
        read_value(&cluster, leader, "colour", "linearizable").await.as_deref(),
        Some("\"red\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_is_there_after_all_nodes_were_killed() {
    let mut cluster = Cluster::running(Settings::nodes(3)).await;
    declare_apps(&cluster).await;
    let courier = cluster.courier_for_all();
    for number in 0..10 {
        let id = format!("request-{number}");
        publish(&cluster, &courier, &id, &format!("key-{number}"), &number.to_string()).await;
    }
    for node in 0..3 {
        cluster.kill(node);
    }
    for node in 0..3 {
        cluster.start_node(node);
    }
    for node in 0..3 {
        cluster.wait_ready(node).await;
        for number in 0..10 {
            let value = read_value(&cluster, node, &format!("key-{number}"), "linearizable").await;
            assert_eq!(value, Some(number.to_string()), "node {node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_writes_are_refused_and_stale_reads_served() {
    let mut cluster = Cluster::running(Settings::nodes(3)).await;
    declare_apps(&cluster).await;
    publish(&cluster, &cluster.courier_for_all(), "request-1", "colour", "\"blue\"").await;
    let survivor = cluster.follower().await;
    assert_eq!(
        read_value(&cluster, survivor, "colour", "linearizable")
            .await
            .as_deref(),
        Some("\"blue\"")
    );
    for node in (0..3).filter(|node| *node != survivor) {
        cluster.kill(node);
    }
    let url = format!("http://{}", cluster.http_address(survivor));
    eventually("the quorum is missed", async || {
        let answer = crate::http::get(&format!("{url}/health/ready?level=linearizable"), None).await?;
        (answer.status == 503).then_some(()).ok_or(answer.text)
    })
    .await;
    let key = Some(cluster.reader_key.as_str());
    let read = crate::http::get(
        &format!("{url}/api/v1/config/apps/colour?consistency=linearizable"),
        key,
    )
    .await;
    let problem = read.expect("an answer").problem();
    assert_eq!(problem.status, 503, "{problem:?}");
    assert_eq!(
        read_value(&cluster, survivor, "colour", "stale").await.as_deref(),
        Some("\"blue\"")
    );
    let alive = crate::http::get(&format!("{url}/health"), None)
        .await
        .expect("an answer");
    assert_eq!(alive.status, 200, "liveness never depends on a quorum");
    let refused = cluster
        .courier(survivor)
        .submit(&cluster.stamper.submit("late", "ada", ("apps", "colour"), "1"))
        .await;
    let error = refused.expect_err("nothing can be committed");
    assert!(error.is_transient(), "{error}");
}

/// Writes numbers to keys of its own until `stop`, and keeps what came of each.
async fn write_until(stop: Arc<AtomicBool>, base: String, api_key: String, writer: usize) -> BTreeMap<String, u16> {
    let mut answers = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("w{writer}-{number}");
        let call = Call::new(Method::PUT, format!("{base}/{key}"), Some(&api_key)).body("text/plain", key.clone());
        let answer = call.send().await.expect("the follower answers");
        answers.insert(key, answer.status);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_leader_dies_under_load() {
    let mut cluster = crate::catch_up::cluster(Settings::nodes(3)).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let base = format!("http://{}/api/v1/config/apps", cluster.http_address(follower));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            tokio::spawn(write_until(
                stop.clone(),
                base.clone(),
                cluster.reader_key.clone(),
                writer,
            ))
        })
        .collect();
    // The leader dies while writes are on their way to it.
    let index = cluster
        .status(follower)
        .await
        .expect("the status is served")
        .last_applied_index;
    cluster.wait_applied(follower, index + 100).await;
    cluster.kill(leader);
    let index = cluster
        .status(follower)
        .await
        .expect("the status is served")
        .last_log_index;
    cluster.wait_applied(follower, index + 100).await;
    stop.store(true, Ordering::Relaxed);

    let mut acknowledged = 0;
    for writer in writers {
        for (key, status) in writer.await.expect("the writer ends") {
            let value = read_value(&cluster, follower, &key, "linearizable").await;
            match status {
                200 => assert_eq!(value, Some(format!("\"{key}\"")), "{key} was acknowledged"),
                503 => assert_eq!(value, None, "{key} was refused"),
                504 => assert!(
                    value.is_none() || value == Some(format!("\"{key}\"")),
                    "{key} is unknown"
                ),
                other => unreachable!("{key}: {other}"),
            }
            acknowledged += usize::from(status == 200);
        }
    }
    assert!(acknowledged >= 200, "writes went on: {acknowledged}");
}
