//! Backups, what is restored from them, and a cluster that has lost its majority for ever.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use confman_api::cluster::{BackupView, BackupsView};
use confman_api::problem::ProblemType;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::publish_request::RequestState;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call, get};
use crate::process::PROGRAM;
use crate::s3::S3Server;
use crate::status::running;
use crate::wait::eventually;
use crate::workflow::{APPS, declare_apps, publish, read_value, reader, request_of};

fn url(cluster: &Cluster, node: u8, path: &str) -> String {
    format!("http://{}/api/v1{path}", cluster.http_address(node))
}

async fn call(cluster: &Cluster, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let mut call = Call::new(method, url(cluster, 0, path), Some(&cluster.reader_key));
    if let Some(body) = body {
        call = call.body("application/json", body.to_string());
    }
    call.send().await.expect("an answer")
}

/// Writes a key of `/`; its log index.
async fn put(cluster: &Cluster, key: &str, value: &Value) -> u64 {
    let answer = call(cluster, Method::PUT, &format!("/config/{key}"), Some(value)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("confman-index").parse().expect("an index")
}

async fn value(cluster: &Cluster, key: &str) -> Option<Value> {
    let path = format!("/config/{key}?consistency=linearizable");
    let answer = call(cluster, Method::GET, &path, None).await;
    (answer.status == 200).then(|| answer.json()["value"].clone())
}

async fn back_up(cluster: &Cluster) -> BackupView {
    let answer = call(cluster, Method::POST, "/admin/backup", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    serde_json::from_value(answer.json()).expect("a backup")
}

fn folder_url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// Runs the program with `arguments`, as the owner of the first volume of `new`.
fn confman_node(new: &Cluster, arguments: &[&str], environment: &[(&'static str, String)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).envs(environment.iter().cloned());
    command.arg("--data-dir").arg(new.data_folder(0));
    command.args(["--cluster-id", new.id.as_str(), "--advertise", &new.peer_address(0)]);
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A cluster to restore into, with a place for a second node.
fn new_cluster() -> Cluster {
    Cluster::prepare(Settings::nodes(1).with_spares(1).direct_writes())
}

async fn start(cluster: &mut Cluster) {
    cluster.start_node(0);
    cluster.wait_ready(0).await;
    cluster.leader().await;
}

/// Makes the second place a member, which gets everything from the first.
async fn grow(cluster: &mut Cluster) {
    cluster.start_node(1);
    let body = json!({"add": cluster.peer_address(1)});
    let cluster = &*cluster;
    eventually("the second node votes", async || {
        let answer = call(cluster, Method::POST, "/admin/membership", Some(&body)).await;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    cluster.wait_ready(1).await;
}

async fn assert_chain(cluster: &Cluster) {
    let verified = call(cluster, Method::GET, "/audit:verify", None).await;
    assert_eq!(
        (verified.status, verified.json()["ok"].clone()),
        (200, json!(true)),
        "{}",
        verified.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_into_a_new_cluster_that_tells_old_readers_what_they_have_lost() {
    let backups = tempfile::tempdir().expect("a temporary folder");
    let place = folder_url(backups.path());
    let settings = Settings::nodes(3).direct_writes().early_snapshots();
    let old = running(settings.with_variable("CONFMAN_BACKUP_URL", &place)).await;
    declare_apps(&old).await;
    let courier = old.courier_for_all();
    publish(&old, &courier, "published", "colour", "\"blue\"").await;
    let open = old.stamper.submit("open", "ada", (APPS, "size"), "\"large\"");
    request_of(courier.submit(&open).await.expect("ada may submit").outcome);
    let large = "x".repeat(32 << 10);
    for number in 0..20 {
        put(
            &old,
            &format!("key-{number}"),
            &json!({ "text": large, "number": number }),
        )
        .await;
    }
    let kept = put(&old, "last", &json!("kept")).await;
    let backup = back_up(&old).await;
    assert!(
        backup.last_index >= kept && backup.snapshot_index <= backup.last_index,
        "{backup:?}"
    );
    let lost = put(&old, "last", &json!("lost")).await;
    let listed = call(&old, Method::GET, "/admin/backups", None).await;
    let listed: BackupsView = serde_json::from_value(listed.json()).expect("a list");
    assert_eq!(listed.items.as_slice(), std::slice::from_ref(&backup));

    let mut new = new_cluster();
    let restored = confman_node(&new, &["restore", "--backup-url", &place], &[]);
    assert!(restored.status.success(), "{}", text(&restored));
    let again = confman_node(&new, &["restore", "--backup-url", &place], &[]);
    assert!(text(&again).contains("is not empty"), "{}", text(&again));
    start(&mut new).await;
    assert_eq!(value(&new, "last").await, Some(json!("kept")));
    for number in 0..20 {
        let expected = json!({ "text": large, "number": number });
        assert_eq!(value(&new, &format!("key-{number}")).await, Some(expected));
    }
    assert_eq!(
        read_value(&new, 0, "colour", "linearizable").await.as_deref(),
        Some("\"blue\"")
    );
    assert_chain(&new).await;
    let request = call(&new, Method::GET, "/publish-requests/open", None).await;
    assert_eq!(
        request.json()["state"],
        json!(RequestState::Withdrawn),
        "{}",
        request.text
    );

    // A position after the backup is of a log that is gone, also once the new log is further.
    let after = put(&new, "last", &json!("new")).await;
    assert!(after > lost + 1_000_000);
    let positions = [(lost, Some("recovered")), (kept, None), (after, None)];
    for (position, reason) in positions {
        let reset = first_event(&new, position).await;
        assert_eq!(reset.as_deref(), reason, "from {position}");
    }
    let path = format!("/config/last?consistency=index={lost}");
    let stale = call(&new, Method::GET, &path, None).await.problem();
    assert_eq!(stale.kind(), Some(ProblemType::TooStale), "{stale:?}");
    assert!(stale.detail.contains("was lost"), "{stale:?}");
    grow(&mut new).await;
    let second = reader(&new, 1);
    let (root, key) = (NamespacePath::root(), ConfigKey::parse("last").expect("a key"));
    let found = second.value(&root, &key).await.expect("it is served");
    assert_eq!(found.expect("it is there").value.get(), "\"new\"");
}

/// Why a watch from `position` begins anew; none if it goes on.
async fn first_event(cluster: &Cluster, position: u64) -> Option<String> {
    let stream = crate::http::endless()
        .get(url(cluster, 0, "/watch?recursive=true"))
        .header("x-api-key", &cluster.reader_key)
        .header("last-event-id", position.to_string())
        .send();
    let mut stream = stream.await.expect("a stream");
    let mut text = String::new();
    while !text.contains("\n\n") {
        let piece = stream.chunk().await.expect("the stream goes on").expect("an event");
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    let data = text
        .lines()
        .find_map(|line| line.strip_prefix("data:"))
        .expect("an event with data");
    let data: Value = serde_json::from_str(data).expect("JSON");
    text.contains("event: reset")
        .then(|| data["reason"].as_str().expect("a reason").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_a_bucket_is_restored_as_of_the_log_index_that_is_asked_for() {
    let server = S3Server::start().await;
    let environment = server.environment("s3://backups/confman");
    let mut settings = Settings::nodes(1).direct_writes();
    settings.environment = environment.clone();
    let old = running(settings).await;
    let mut indexes = Vec::new();
    for number in 0..5 {
        indexes.push(put(&old, "number", &json!(number)).await);
    }
    // More than one part of an upload.
    let mut noise = String::new();
    for number in 0..400_000_u32 {
        write!(noise, "{:08x}", number.wrapping_mul(2_654_435_761)).expect("a text takes more");
    }
    for number in 0..4 {
        put(
            &old,
            &format!("noise-{number}"),
            &json!(noise[number * 800_000..(number + 1) * 800_000]),
        )
        .await;
    }
    let backup = back_up(&old).await;

    let mut new = new_cluster();
    let wanted = indexes[2].to_string();
    let restored = confman_node(&new, &["restore", "--at-index", &wanted], &environment);
    assert!(restored.status.success(), "{}", text(&restored));
    start(&mut new).await;
    assert_eq!(value(&new, "number").await, Some(json!(2)));
    assert_eq!(value(&new, "noise-0").await, None);
    assert_chain(&new).await;

    let whole = new_cluster();
    let restored = confman_node(&whole, &["restore", "--backup", &backup.name], &environment);
    assert!(restored.status.success(), "{}", text(&restored));

    let beyond = new_cluster();
    let wanted = (backup.last_index + 1).to_string();
    let refused = confman_node(&beyond, &["restore", "--at-index", &wanted], &environment);
    assert!(!refused.status.success());
    let last = format!("ends at {}", backup.last_index);
    assert!(text(&refused).contains(&last), "{}", text(&refused));
    // What is left of the refusal does not stand in the way.
    let restored = confman_node(&beyond, &["restore"], &environment);
    assert!(restored.status.success(), "{}", text(&restored));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_and_so_is_one_that_nobody_made() {
    let backups = tempfile::tempdir().expect("a temporary folder");
    let place = folder_url(backups.path());
    let old = running(
        Settings::nodes(1)
            .direct_writes()
            .with_variable("CONFMAN_BACKUP_URL", &place),
    )
    .await;
    put(&old, "key", &json!(1)).await;
    let new = new_cluster();
    let none = confman_node(&new, &["restore", "--backup-url", &place], &[]);
    assert!(
        text(&none).contains("there is no such backup; none are there"),
        "{}",
        text(&none)
    );
    let snapshot = call(&old, Method::POST, "/admin/snapshot", None).await;
    assert_eq!(snapshot.status, 200, "{}", snapshot.text);
    put(&old, "key", &json!(2)).await;
    let backup = back_up(&old).await;
    let log = backups.path().join(old.id.as_str()).join(&backup.name).join("log");
    let state = log.with_file_name("snapshot").join("files");
    let table = std::fs::read_dir(state).expect("the files are there");
    let table = table
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "sst"));
    for path in [log, table.expect("a table")] {
        let sound = std::fs::read(&path).expect("the file is there");
        let mut damaged = sound.clone();
        if damaged.is_empty() {
            damaged.push(1);
        } else {
            let middle = damaged.len() / 2;
            damaged[middle] ^= 1;
        }
        std::fs::write(&path, damaged).expect("it can be written");
        let refused = confman_node(&new, &["restore", "--backup-url", &place], &[]);
        assert!(!refused.status.success());
        assert!(text(&refused).contains("is damaged"), "{}", text(&refused));
        std::fs::write(&path, sound).expect("it can be written");
    }
    let restored = confman_node(&new, &["restore", "--backup-url", &place], &[]);
    assert!(restored.status.success(), "{}", text(&restored));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_keeps_the_schedule_and_as_many_backups_as_it_is_told() {
    let backups = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::nodes(3).direct_writes();
    let settings = settings
        .with_variable("CONFMAN_BACKUP_URL", folder_url(backups.path()))
        .with_variable("CONFMAN_BACKUP_INTERVAL_SECONDS", "1")
        .with_variable("CONFMAN_BACKUP_KEEP", "2");
    let cluster = running(settings).await;
    let names = async || {
        let listed = call(&cluster, Method::GET, "/admin/backups", None).await;
        let listed: BackupsView = serde_json::from_value(listed.json()).map_err(|error| error.to_string())?;
        Ok::<_, String>(listed.items.into_iter().map(|backup| backup.name).collect::<Vec<_>>())
    };
    let first = eventually("there are two", async || {
        let names = names().await?;
        (names.len() == 2).then_some(names.clone()).ok_or(format!("{names:?}"))
    })
    .await;
    eventually("two newer ones took their place", async || {
        let names = names().await?;
        let are_new = names.len() == 2 && !names.iter().any(|name| first.contains(name));
        are_new.then_some(()).ok_or(format!("{names:?}"))
    })
    .await;
    let folders = std::fs::read_dir(backups.path().join(cluster.id.as_str())).expect("the folder is there");
    assert!(folders.count() <= 3, "one is being taken at most");
    let leader = cluster.leader().await;
    let metrics = get(&format!("http://{}/metrics", cluster.metrics_address(leader)), None).await;
    let metrics = metrics.expect("an answer").text;
    let at = metrics
        .lines()
        .find_map(|line| line.strip_prefix("confman_backup_last_timestamp_seconds "))
        .expect("the metric is there");
    assert!(at.parse::<f64>().expect("a number") > 1_700_000_000.0, "{at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_a_backup_is_refused_with_what_to_do() {
    let cluster = running(Settings::nodes(1)).await;
    let refused = call(&cluster, Method::POST, "/admin/backup", None).await.problem();
    assert_eq!(refused.kind(), Some(ProblemType::Conflict));
    assert!(refused.detail.contains("--backup-url"), "{}", refused.detail);
    let listed = call(&cluster, Method::GET, "/admin/backups", None).await;
    assert_eq!((listed.status, listed.json()), (200, json!({"items": []})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_volume_of_a_lost_majority_becomes_a_new_cluster_once() {
    let mut old = running(Settings::nodes(3).direct_writes()).await;
    for number in 0..30 {
        put(&old, &format!("key-{number}"), &json!(number)).await;
    }
    let committed = put(&old, "last", &json!("committed")).await;
    for node in 0..3 {
        old.wait_applied(node, committed).await;
    }
    // The leader alone: what it takes now is in its log and on nobody else's disk.
    let leader = old.leader().await;
    for node in 0..3 {
        if node != leader {
            old.lose_volume(node);
        }
    }
    let key = old.reader_key.clone();
    let tail = Call::new(Method::PUT, url(&old, leader, "/config/last"), Some(&key));
    let tail = tail.body("application/json", "\"uncommitted\"");
    let tail = tokio::time::timeout(std::time::Duration::from_millis(300), tail.send()).await;
    assert!(tail.is_err(), "nobody may be told that it is committed: {tail:?}");
    old.kill(leader);

    let mut new = new_cluster();
    std::fs::rename(old.data_folder(leader), new.data_folder(0)).expect("the volume moves");
    let stranger = Cluster::prepare(Settings::nodes(1));
    let refused = confman_node(&new, &["recover", "--lost-cluster-id", stranger.id.as_str()], &[]);
    assert!(
        text(&refused).contains(&format!("belongs to cluster {}", old.id)),
        "{}",
        text(&refused)
    );
    let lost = old.id.clone();
    let recover = ["recover", "--lost-cluster-id", lost.as_str()];
    let recovered = confman_node(&new, &recover, &[]);
    assert!(recovered.status.success(), "{}", text(&recovered));
    let again = confman_node(&new, &recover, &[]);
    assert!(!again.status.success());
    assert!(
        text(&again).contains(&format!("belongs to cluster {}", new.id)),
        "{}",
        text(&again)
    );

    start(&mut new).await;
    assert_eq!(
        value(&new, "last").await,
        Some(json!("uncommitted")),
        "the tail is kept"
    );
    for number in 0..30 {
        assert_eq!(value(&new, &format!("key-{number}")).await, Some(json!(number)));
    }
    assert_chain(&new).await;
    grow(&mut new).await;
    // It keeps its own volume from then on.
    new.kill(0);
    new.start_node(0);
    new.wait_ready(0).await;
    assert_eq!(value(&new, "key-7").await, Some(json!(7)));
}
