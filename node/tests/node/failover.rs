//! Nodes die, stop and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// What the writers of a test share.
struct Load {
    /// Where each node takes writes.
    bases: Vec<String>,
    api_key: String,
    acknowledged: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    fn on(cluster: &Cluster) -> Arc<Self> {
        let base = |node| format!("http://{}/api/v1/config/apps", cluster.http_address(node));
        Arc::new(Self {
            bases: cluster.running_nodes().map(base).collect(),
            api_key: cluster.reader_key.clone(),
            acknowledged: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        })
    }

    async fn wait_for(&self, count: usize) {
        eventually("writes are acknowledged", async || {
            let acknowledged = self.acknowledged.load(Ordering::Relaxed);
            (acknowledged >= count).then_some(()).ok_or(acknowledged)
        })
        .await;
    }

    /// Writes numbers to keys of its own, to the next node when one does not answer, and keeps what came of each; none
    /// where nothing did.
    async fn write(self: Arc<Self>, writer: usize) -> BTreeMap<String, Option<u16>> {
        let mut answers = BTreeMap::new();
        let mut node = writer % self.bases.len();
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let key = format!("w{writer}-{number}");
            let url = format!("{}/{key}", self.bases[node]);
            let call = Call::new(Method::PUT, url, Some(&self.api_key)).body("text/plain", key.clone());
            let status = call.send().await.ok().map(|answer| answer.status);
            match status {
                Some(200) => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Some(_) => {}
                None => node = (node + 1) % self.bases.len(),
            }
            answers.insert(key, status);
        }
        answers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_leader_dies_under_load() {
    let mut cluster = crate::catch_up::cluster(Settings::nodes(3)).await;
    let load = Load::on(&cluster);
    let writers: Vec<_> = (0..8).map(|writer| tokio::spawn(load.clone().write(writer))).collect();
    load.wait_for(100).await;
    // Who led before the load may not lead any more. The leader dies while writes are on their way to it.
    let leader = cluster.leader().await;
    let term = cluster.status(leader).await.expect("the status is served").term;
    cluster.kill(leader);
    // More than the answers that were on their way when it died: the others go on.
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    load.wait_for(acknowledged + 100).await;
    load.stop.store(true, Ordering::Relaxed);
    let survivor = cluster.leader().await;
    let status = cluster.status(survivor).await.expect("the status is served");
    assert!(status.term > term, "it was the leader that died");

    for writer in writers {
        for (key, status) in writer.await.expect("the writer ends") {
            let value = read_value(&cluster, survivor, &key, "linearizable").await;
            let written = Some(format!("\"{key}\""));
            match status {
                Some(200) => assert_eq!(value, written, "{key} was acknowledged"),
                Some(503) => assert_eq!(value, None, "{key} was refused"),
                None | Some(504) => assert!(value.is_none() || value == written, "{key} is unknown"),
                Some(other) => unreachable!("{key}: {other}"),
            }
        }
    }
}
