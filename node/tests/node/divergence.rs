//! A replica whose state is another than everybody else's stops and says so.

use std::path::Path;

use confman_core::proposal::Command;
use confman_core::value::ConfigValue;
use confman_store::EncodedProposal;
use confman_store::types::Entry;
use futures::stream;
use openraft::EntryPayload;
use openraft::storage::{RaftLogReader as _, RaftStateMachine as _};
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::status::running;
use crate::wait::eventually;

/// Status of a node that stopped because it cannot trust itself.
const FAULT: i32 = 70;

async fn put(cluster: &Cluster, node: u8) -> Answer {
    let url = format!("http://{}/api/v1/config/victim", cluster.http_address(node));
    let call = Call::new(Method::PUT, url, Some(&cluster.reader_key));
    call.body("application/json", "\"sound\"")
        .send()
        .await
        .expect("an answer")
}

/// Has the replica in `folder` apply what is in its log, but for the last value of the victim, which becomes another one.
/// False if a comparison came after that: then it would be found out at once.
async fn damage(folder: &Path) -> bool {
    let store = confman_store::open(folder, &confman_store::Options::default());
    let mut store = store.expect("the folder of a stopped node opens");
    let (applied, _) = store
        .state_machine
        .applied_state()
        .await
        .expect("the state is readable");
    let first = applied.map_or(0, |applied| applied.index + 1);
    let entries = store.log.try_get_log_entries(first..).await;
    let mut entries = entries.expect("the log is readable");
    let command = |entry: &Entry| match &entry.payload {
        EntryPayload::Normal(encoded) => Some(encoded.decode().expect("a sound proposal")),
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    };
    let last = entries
        .iter()
        .rev()
        .find_map(|entry| Some((entry.log_id, command(entry)?)));
    let Some((log_id, mut proposal)) = last else {
        return false;
    };
    let Command::PutEntry(put) = &mut proposal.command else {
        return false;
    };
    put.value = ConfigValue::from_text("damaged").expect("a value");
    for entry in entries.iter_mut().filter(|entry| entry.log_id == log_id) {
        entry.payload = EntryPayload::Normal(EncodedProposal::encode(&proposal));
    }
    let replayed = entries.into_iter().map(|entry: Entry| Ok((entry, None)));
    let replayed = store.state_machine.apply(stream::iter(replayed)).await;
    replayed.expect("the damage is not noticed yet");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_another_state_stops_and_the_others_go_on() {
    let settings = Settings::nodes(3).direct_writes();
    let mut cluster = running(settings.with_variable("CONFMAN_COMPARE_INTERVAL_SECONDS", "2")).await;
    let victim = cluster.follower().await;
    loop {
        assert_eq!(put(&cluster, victim).await.status, 200);
        cluster.kill(victim);
        if damage(&cluster.data_folder(victim)).await {
            break;
        }
        cluster.start_node(victim);
        cluster.wait_ready(victim).await;
    }
    cluster.start_node(victim);
    let status = eventually("the replica stops", async || {
        cluster.process(victim).ended().ok_or("it still runs")
    })
    .await;
    assert_eq!(status.code(), Some(FAULT));
    let log = cluster.log(victim);
    assert!(log.contains("has come to another state than the majority"), "{log}");
    assert!(log.contains("joins as a new member"), "it says what to do: {log}");

    // Nor does it come back as it is.
    cluster.start_node(victim);
    let status = eventually("it stops again", async || {
        cluster.process(victim).ended().ok_or("it still runs")
    })
    .await;
    assert!(!status.success());
    let leader = (0..3).find(|node| *node != victim).expect("two nodes are left");
    assert_eq!(put(&cluster, leader).await.status, 200, "the others go on");

    cluster.lose_volume(victim);
    cluster.start_node(victim);
    cluster.wait_ready(victim).await;
    assert_eq!(put(&cluster, victim).await.status, 200, "it is a new member");
}
