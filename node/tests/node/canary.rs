//! A secret is planted everywhere that one can be written, and then looked for in everything that comes out.

use std::path::Path;

use base64::Engine as _;
use confman_core::access::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call, get};
use crate::streams::Request;
use crate::wait::eventually;
use crate::workflow::APPS;

/// Sealed before it enters the log.
const ENCRYPTED: &str = "canary-kestrel-7f3a";
/// Kept as it is, shown to who reads the key alone.
const SENSITIVE: &str = "canary-merlin-19be";
/// Refused by the schema, each under one of the keys above.
const REFUSED: [&str; 2] = ["canary-hobby-c0d4", "canary-harrier-5e11"];

async fn site() -> Cluster {
    let mut cluster = Cluster::prepare(Settings::nodes(1).direct_writes().early_snapshots());
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    std::fs::write(cluster.sealing_keys(), format!("first:{key}\n")).expect("the key can be written");
    cluster.start_node(0);
    cluster.bootstrap().await;
    cluster.wait_ready(0).await;
    let roles = [(Role::Admin, "key:reader")];
    let body = cluster.stamper.declare(APPS, "/apps", &roles, None);
    let declared = cluster.courier(0).declare_namespace(&body).await;
    declared.expect("root may declare a namespace");
    cluster
}

async fn send(cluster: &Cluster, method: Method, path: &str, body: &Value) -> Answer {
    let url = format!("http://{}/api/v1{path}", cluster.http_address(0));
    let call = Call::new(method, url, Some(&cluster.reader_key)).body("application/json", body.to_string());
    call.send().await.expect("an answer")
}

async fn read(cluster: &Cluster, path: &str) -> Answer {
    let url = format!("http://{}/api/v1{path}", cluster.http_address(0));
    get(&url, Some(&cluster.reader_key)).await.expect("an answer")
}

/// A namespace whose schema makes secrets of its keys.
async fn vault(cluster: &Cluster, path: &str, workflow: Value) {
    let schema = json!({"properties": {
        "sealed": {"x-confman-encrypted": true, "type": "string", "pattern": "^canary-kestrel"},
        "masked": {"x-confman-sensitive": true, "type": "string", "pattern": "^canary-merlin"},
    }});
    let governance = json!({"inherit": true, "workflow": workflow, "schema": {"inline": schema.to_string()}});
    let body = json!({"path": path, "settings": {"governance": governance}});
    let created = send(cluster, Method::POST, "/namespaces", &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
}

/// Whether a file below `folder` has these bytes.
fn on_disk(folder: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    entries.map(|entry| entry.expect("an entry").path()).any(|path| {
        if path.is_dir() {
            return on_disk(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

fn tell_nothing(outputs: &[(String, String)]) {
    for (output, text) in outputs {
        assert!(!text.is_empty(), "{output} says something");
        for secret in [ENCRYPTED, SENSITIVE, REFUSED[0], REFUSED[1]] {
            assert!(!text.contains(secret), "{output} tells {secret}: {text}");
            let coded = base64::engine::general_purpose::STANDARD.encode(secret);
            assert!(
                !text.contains(coded.trim_end_matches('=')),
                "{output} tells {secret} in base64"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_but_a_read_of_its_key_has_a_secret_and_no_file_has_a_sealed_one() {
    let cluster = site().await;
    let open = json!({"requireApproval": false, "minApprovers": 1});
    let reviewed = json!({"requireApproval": true, "minApprovers": 1});
    vault(&cluster, "/apps/open", open).await;
    vault(&cluster, "/apps/reviewed", reviewed).await;
    let watched = "/apps?recursive=true&types=values,workflow,governance&values=true";
    let (mut stream, _) = Request::new(&cluster, watched).open(&cluster).await;

    let mut outputs: Vec<(String, String)> = Vec::new();
    for (key, secret, wrong) in [("sealed", ENCRYPTED, REFUSED[0]), ("masked", SENSITIVE, REFUSED[1])] {
        let path = format!("/config/apps/open/{key}");
        for secret in [format!("{secret}-first"), secret.to_owned()] {
            let written = send(&cluster, Method::PUT, &path, &json!(secret)).await;
            assert_eq!(written.status, 200, "{key}: {}", written.text);
            outputs.push((format!("write of {key}"), written.text));
        }
        assert_eq!(
            read(&cluster, &path).await.json()["value"],
            secret,
            "whoever reads the key has it"
        );
        // Refused by the schema, by the precondition, and for want of approval.
        let refused = send(&cluster, Method::PUT, &path, &json!(wrong)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        outputs.push((format!("violation of {key}"), refused.text));
        let direct = send(
            &cluster,
            Method::PUT,
            &format!("/config/apps/reviewed/{key}"),
            &json!(secret),
        )
        .await;
        assert_eq!(direct.status, 409, "{}", direct.text);
        outputs.push((format!("direct write of {key}"), direct.text));

        let draft = send(
            &cluster,
            Method::PUT,
            &format!("/drafts/apps/reviewed/{key}"),
            &json!(secret),
        )
        .await;
        assert_eq!(draft.status, 200, "{}", draft.text);
        let body = json!({"namespace": "/apps/reviewed", "key": key, "reason": "because"});
        let submitted = send(&cluster, Method::POST, "/publish-requests", &body).await;
        assert_eq!(submitted.status, 201, "{}", submitted.text);
        let id = submitted.json()["id"].as_str().expect("an id").to_owned();
        let approved = send(
            &cluster,
            Method::POST,
            &format!("/publish-requests/{id}/approve"),
            &json!({}),
        )
        .await;
        assert!(approved.status >= 400, "a key approves nothing: {}", approved.text);
        outputs.push((
            format!("request for {key}"),
            read(&cluster, &format!("/publish-requests/{id}")).await.text,
        ));
        outputs.push((format!("submission of {key}"), submitted.text));
        outputs.push((format!("approval of {key}"), approved.text));
    }
    for path in [
        "/audit/apps?limit=1000",
        "/config/apps/open/masked:meta",
        "/config/apps?recursive=true",
        "/config/apps/open",
        "/namespaces",
        "/namespaces/apps/open",
        "/namespaces/apps/open:schema",
        "/schemas/apps",
        "/whoami",
        "/openapi.json",
    ] {
        outputs.push((path.to_owned(), read(&cluster, path).await.text));
    }
    let metrics = get(&format!("http://{}/metrics", cluster.metrics_address(0)), None).await;
    outputs.push(("metrics".to_owned(), metrics.expect("an answer").text));
    // The four writes and the two submissions, whatever else is told.
    let mut told = 0;
    while told < 6 {
        let event = stream.next().await.expect("the stream goes on");
        told += 1;
        outputs.push(("watch".to_owned(), event.data.to_string()));
    }
    let log = std::fs::read_to_string(cluster.path("log-0")).expect("the log can be read");
    outputs.push(("log".to_owned(), log));
    tell_nothing(&outputs);
    // Log, state and snapshots; what is only sensitive is there, which shows that the search finds what there is.
    let folder = cluster.data_folder(0);
    eventually("the state is on disk", async || {
        on_disk(&folder, SENSITIVE.as_bytes()).then_some(()).ok_or("not yet")
    })
    .await;
    for secret in [ENCRYPTED, REFUSED[0]] {
        assert!(!on_disk(&folder, secret.as_bytes()), "{secret} is on disk");
    }
}
