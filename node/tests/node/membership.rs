//! Who is a member: clusters that grow, shrink and lose volumes while writes go on.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use confman_api::cluster::{ClusterStatusView, MembershipState, MembershipView};
use confman_api::internal::MemberRole;
use confman_api::problem::ProblemType;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::status::{at, running};
use crate::wait::eventually;
use crate::workflow::reader;

async fn post(cluster: &Cluster, node: u8, path: &str, body: &Value) -> Answer {
    let url = format!("http://{}/api/v1{path}", cluster.http_address(node));
    let call = Call::new(Method::POST, url, Some(&cluster.reader_key));
    let call = call.body("application/json", body.to_string());
    call.send().await.expect("an answer")
}

async fn put(cluster: &Cluster, node: u8, key: &str) -> Answer {
    let url = format!("http://{}/api/v1/config/{key}", cluster.http_address(node));
    let call = Call::new(Method::PUT, url, Some(&cluster.reader_key));
    call.body("application/json", "1").send().await.expect("an answer")
}

async fn status(cluster: &Cluster, node: u8) -> ClusterStatusView {
    let status = reader(cluster, node).cluster_status().await;
    status.expect("the status is served")
}

async fn id_of(cluster: &Cluster, asked: u8, node: u8) -> String {
    let status = status(cluster, asked).await;
    at(&status, &cluster.peer_address(node)).node_id.clone()
}

/// Starts `node` and asks `asked` for it to be a member until it votes.
async fn join(cluster: &mut Cluster, asked: u8, node: u8) {
    cluster.start_node(node);
    let body = json!({"add": cluster.peer_address(node)});
    let cluster = &*cluster;
    eventually(&format!("node {node} votes"), async || {
        let answer = post(cluster, asked, "/admin/membership", &body).await;
        match (answer.status, &answer.text) {
            (200, _) => Ok(()),
            (_, text) => Err(text.clone()),
        }
    })
    .await;
    cluster.wait_ready(node).await;
}

async fn leave(cluster: &mut Cluster, asked: u8, node: u8) {
    let id = id_of(cluster, asked, node).await;
    let body = json!({"remove": id});
    let answer = post(cluster, asked, "/admin/membership", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let view: MembershipView = serde_json::from_value(answer.json()).expect("the view");
    assert_eq!((view.node_id, view.state), (id, MembershipState::Removed));
    cluster.kill(node);
}

/// Writes a key after the other on node 0, and counts those that were acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Writer {
    fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, key, stopped) = (cluster.http_address(0), cluster.reader_key.clone(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut acknowledged = 0;
            while !stopped.load(Ordering::Relaxed) {
                let url = format!("http://{address}/api/v1/config/key-{acknowledged}");
                let call = Call::new(Method::PUT, url, Some(&key)).body("application/json", "1");
                // A write without a verdict is sent again, under the same name.
                if call.send().await.is_ok_and(|answer| answer.status == 200) {
                    acknowledged += 1;
                }
            }
            acknowledged
        });
        Self { stop, task }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the writer does not fail")
    }
}

async fn assert_reads(cluster: &Cluster, node: u8, keys: usize) {
    for key in 0..keys {
        let url = format!(
            "http://{}/api/v1/config/key-{key}?consistency=linearizable",
            cluster.http_address(node)
        );
        let answer = Call::new(Method::GET, url, Some(&cluster.reader_key)).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "key-{key} on node {node}: {}", answer.text);
        assert_eq!(answer.json()["value"], 1, "key-{key} on node {node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_to_five_shrinks_to_one_and_grows_again_while_writes_go_on() {
    let mut cluster = running(Settings::nodes(3).with_spares(2).direct_writes()).await;
    let writer = Writer::start(&cluster);
    join(&mut cluster, 1, 3).await;
    join(&mut cluster, 2, 4).await;
    assert_eq!(status(&cluster, 0).await.members.len(), 5);

    let four = id_of(&cluster, 0, 4).await;
    let led = post(&cluster, 0, "/admin/transfer-leader", &json!({"to": four})).await;
    assert_eq!((led.status, led.json()["leader"].clone()), (200, json!(four)));
    // The leader is removed too: it hands over first.
    for node in [4, 3, 2, 1] {
        leave(&mut cluster, 0, node).await;
    }
    let alone = status(&cluster, 0).await;
    assert_eq!((alone.members.len(), alone.members[0].role), (1, MemberRole::Leader));

    // What a removed member still has may not come back.
    cluster.start_node(1);
    let body = json!({"add": cluster.peer_address(1)});
    eventually("the old volume is refused", async || {
        let answer = post(&cluster, 0, "/admin/membership", &body).await;
        let is_refused = answer.status == 409 && answer.text.contains("empty its data folder");
        is_refused.then_some(()).ok_or(answer.text)
    })
    .await;
    cluster.lose_volume(1);
    join(&mut cluster, 0, 1).await;
    std::fs::remove_dir_all(cluster.data_folder(2)).expect("the folder was there");
    join(&mut cluster, 0, 2).await;

    let written = writer.stop().await;
    assert!(written > 20, "only {written} writes");
    for node in 0..3 {
        assert_reads(&cluster, node, written).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_restored_from_an_old_copy_is_refused() {
    let mut cluster = running(Settings::nodes(3).direct_writes()).await;
    let node = cluster.follower().await;
    assert_eq!(put(&cluster, node, "before").await.status, 200);
    cluster.kill(node);
    let (volume, copy) = (cluster.data_folder(node), cluster.path("copy"));
    let copied = Command::new("cp").arg("-a").arg(&volume).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    cluster.start_node(node);
    cluster.wait_ready(node).await;
    let written = put(&cluster, node, "after").await;
    let index = written.header("confman-index").parse().expect("an index");
    cluster.wait_applied(node, index).await;
    cluster.kill(node);
    std::fs::remove_dir_all(&volume).expect("the folder was there");
    std::fs::rename(&copy, &volume).expect("the copy takes its place");

    cluster.start_node(node);
    let ended = eventually("the node refuses to run", async || {
        cluster.process(node).ended().ok_or("it runs")
    })
    .await;
    assert!(!ended.success());
    let log = cluster.log(node);
    assert!(log.contains("the volume was restored from an old copy"), "{log}");

    cluster.lose_volume(node);
    cluster.start_node(node);
    cluster.wait_ready(node).await;
    assert_eq!(put(&cluster, node, "new").await.status, 200, "it is a new member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_volume_comes_back_under_another_id_by_itself() {
    let mut cluster = running(Settings::nodes(3).direct_writes().early_snapshots()).await;
    let writer = Writer::start(&cluster);
    let lost = id_of(&cluster, 0, 2).await;
    cluster.lose_volume(2);
    cluster.start_node(2);
    let address = cluster.peer_address(2);
    eventually("the member is replaced", async || {
        let status = status(&cluster, 0).await;
        let member = at(&status, &address);
        let votes = matches!(member.role, MemberRole::Follower | MemberRole::Leader);
        let is_replaced = status.members.len() == 3 && member.node_id != lost && votes;
        is_replaced.then_some(()).ok_or(format!("{status:?}"))
    })
    .await;
    cluster.wait_ready(2).await;
    // Its vote counts: without the other one writes still go on.
    cluster.kill(1);
    let url = format!("http://{}/api/v1/config/after", cluster.http_address(2));
    let write = || Call::new(Method::PUT, url.clone(), Some(&cluster.reader_key)).body("application/json", "1");
    eventually("the new member votes", async || {
        let answer = write().send().await?;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    let written = writer.stop().await;
    assert_reads(&cluster, 2, written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_would_not_end_or_names_nobody_is_refused_with_the_reason() {
    let mut cluster = running(Settings::nodes(3).direct_writes()).await;
    let refused = async |body: Value| post(&cluster, 0, "/admin/membership", &body).await.problem();
    let nobody = refused(json!({"add": "127.0.0.1:1"})).await;
    assert_eq!(nobody.kind(), Some(ProblemType::Conflict));
    assert!(nobody.detail.contains("127.0.0.1:1 cannot join"), "{}", nobody.detail);
    for (body, field) in [
        (json!({}), "add"),
        (json!({"add": "a:1", "remove": "1"}), "add"),
        (json!({"add": "no-port"}), "add"),
        (json!({"remove": "first"}), "remove"),
    ] {
        let problem = refused(body).await;
        assert_eq!(
            (problem.kind(), problem.field.as_deref()),
            (Some(ProblemType::InvalidBody), Some(field))
        );
    }
    assert_eq!(
        refused(json!({"remove": "17"})).await.kind(),
        Some(ProblemType::NotFound)
    );
    let member = post(
        &cluster,
        1,
        "/admin/membership",
        &json!({"add": cluster.peer_address(2)}),
    )
    .await;
    assert_eq!((member.status, member.json()["state"].clone()), (200, json!("voter")));
    let unknown = post(&cluster, 0, "/admin/transfer-leader", &json!({"to": "17"})).await;
    assert_eq!(unknown.problem().kind(), Some(ProblemType::NotFound));

    let leader = cluster.leader().await;
    let [dead, other] = [0, 1, 2]
        .into_iter()
        .filter(|node| *node != leader)
        .collect::<Vec<u8>>()[..]
    else {
        unreachable!("three nodes");
    };
    let (other, dead_id) = (
        id_of(&cluster, leader, other).await,
        id_of(&cluster, leader, dead).await,
    );
    cluster.kill(dead);
    // At once: that it answered a moment ago says nothing.
    let given_away = post(&cluster, leader, "/admin/membership", &json!({"remove": other})).await;
    let problem = given_away.problem();
    assert_eq!(problem.kind(), Some(ProblemType::Conflict), "{}", problem.detail);
    assert!(
        problem.detail.contains("no majority of the voters"),
        "{}",
        problem.detail
    );
    let offered = post(&cluster, leader, "/admin/transfer-leader", &json!({"to": dead_id})).await;
    assert_eq!(offered.status, 409, "a dead node takes no leadership: {}", offered.text);
    assert_eq!(status(&cluster, leader).await.members.len(), 3);
    let written = put(&cluster, leader, "after").await;
    assert_eq!(written.status, 200, "the cluster goes on: {}", written.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_taken_when_an_admin_asks() {
    let cluster = running(Settings::nodes(1)).await;
    let taken = post(&cluster, 0, "/admin/snapshot", &json!({})).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let index = taken.json()["snapshotIndex"].as_u64().expect("an index");
    let status = status(&cluster, 0).await;
    let report = status.members[0].report.as_ref().expect("it answers");
    assert!(index > 0 && report.snapshot_index == index, "{status:?}");
}
