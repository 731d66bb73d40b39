//! A node that was away catches up: from the log where it still is, from a snapshot where it is not.

use confman_core::access::Role;
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Call, get};
use crate::metrics::metric;
use crate::wait::eventually;
use crate::workflow::APPS;

/// Writes `key` directly and gives the log index of the write.
pub(crate) async fn write(cluster: &Cluster, index: u8, key: &str, text: &str) -> u64 {
    let url = format!("http://{}/api/v1/config/apps/{key}", cluster.http_address(index));
    let call = Call::new(Method::PUT, url, Some(&cluster.reader_key));
    let written = call.body("text/plain", text).send().await.expect("an answer");
    assert_eq!(written.status, 200, "{}", written.text);
    written.header("confman-index").parse().expect("an index")
}

/// A cluster where the reader key may write directly to `/apps`.
pub(crate) async fn cluster(settings: Settings) -> Cluster {
    let cluster = Cluster::running(settings.direct_writes()).await;
    let body = cluster
        .stamper
        .declare(APPS, "/apps", &[(Role::Publisher, "key:reader")], None);
    cluster
        .courier_for_all()
        .declare_namespace(&body)
        .await
        .expect("root may declare a namespace");
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_node_catches_up_from_the_log() {
    let mut cluster = cluster(Settings::nodes(3)).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.kill(follower);
    let mut last = 0;
    for number in 0..100 {
        last = write(&cluster, leader, &format!("key-{number}"), "x").await;
    }
    cluster.start_node(follower);
    cluster.wait_applied(follower, last).await;
    assert_eq!(
        metric(&cluster, follower, "confman_raft_snapshot_index").await,
        Ok(0),
        "no snapshot was needed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_node_catches_up_from_a_snapshot_when_the_log_is_purged() {
    let mut cluster = cluster(Settings::nodes(3).early_snapshots()).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    cluster.kill(follower);
    let missed = write(&cluster, leader, "marker", "begin").await;
    let value = "v".repeat(4000);
    let mut last = 0;
    let mut number = 0;
    eventually("the log is purged behind what the follower has", async || {
        number += 1;
        last = write(&cluster, leader, &format!("key-{number}"), &value).await;
        let purged = metric(&cluster, leader, "confman_raft_purged_index").await?;
        (purged > missed)
            .then_some(())
            .ok_or(format!("purged up to {purged}, missed is {missed}"))
    })
    .await;
    cluster.start_node(follower);
    cluster.wait_applied(follower, last).await;
    let snapshot = metric(&cluster, follower, "confman_raft_snapshot_index")
        .await
        .expect("the metric is there");
    assert!(snapshot > missed, "it came by snapshot: {snapshot}");

    for key in ["marker", "key-1", &format!("key-{number}")] {
        let urls =
            [leader, follower].map(|node| format!("http://{}/api/v1/config/apps/{key}", cluster.http_address(node)));
        let mut answers = Vec::new();
        for url in urls {
            answers.push(get(&url, Some(&cluster.reader_key)).await.expect("an answer").text);
        }
        assert_eq!(answers[0], answers[1], "{key} is the same on both");
    }
    // It keeps what it was given, and goes on from there.
    cluster.kill(follower);
    let last = write(&cluster, leader, "after", "x").await;
    cluster.start_node(follower);
    cluster.wait_applied(follower, last).await;
}
