//! The audit over HTTP and on the command line: filters, exports, stubs, and every alteration of an export.

use std::io::Write as _;
use std::process::{Command, Stdio};

use confman_core::access::Role;
use confman_core::principal::Principal;
use confman_node::audit::{Anchor, Finding, Verified, verify};
use reqwest::Method;
use serde_json::Value;

use crate::alter::{edits, moves, rechained};
use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call, get};
use crate::process::PROGRAM;
use crate::wait::eventually;
use crate::workflow::{APPS, publish};

/// `/apps`, which the reader and the stranger read, and `/hidden`, which only the reader does: an admin of `/`.
async fn site() -> Cluster {
    let cluster = Cluster::start(Settings::nodes(1));
    let courier = cluster.courier(0);
    let mut body = cluster.initialise();
    body.root_admins.push(Principal::api_key("reader"));
    eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await;
    cluster.wait_ready(0).await;
    let apps: &[(Role, &str)] = &[
        (Role::Viewer, "key:stranger"),
        (Role::Editor, "user:ada"),
        (Role::Publisher, "user:bob"),
    ];
    for (name, at, roles) in [(APPS, "/apps", apps), ("secret", "/hidden", &apps[1..])] {
        let declared = courier
            .declare_namespace(&cluster.stamper.declare(name, at, roles, None))
            .await;
        declared.expect("root may declare a namespace");
    }
    publish(&cluster, &courier, "request-1", "colour", "\"blue\"").await;
    let secret = cluster
        .stamper
        .submit("request-2", "ada", ("secret", "codename"), "\"x\"");
    courier.submit(&secret).await.expect("ada may submit");
    publish(&cluster, &courier, "request-3", "shape", "\"round\"").await;
    cluster
}

async fn audit(cluster: &Cluster, rest: &str, key: &str) -> Answer {
    let url = format!("http://{}/api/v1/audit{rest}", cluster.http_address(0));
    get(&url, Some(key)).await.expect("an answer")
}

async fn export(cluster: &Cluster, rest: &str, key: &str) -> Vec<String> {
    let url = format!("http://{}/api/v1/audit{rest}", cluster.http_address(0));
    let call = Call::new(Method::GET, url, Some(key)).header("accept", "application/jsonl");
    let answer = call.send().await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer.text.lines().map(str::to_owned).collect()
}

fn verified(lines: &[String]) -> Result<Verified, Finding> {
    let text = lines.join("\n") + "\n";
    verify(text.as_bytes(), None)
}

fn actions(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.json()["items"].as_array().expect("items").clone();
    let action = |event: &Value| event["action"].as_str().expect("an action").to_owned();
    items.iter().map(action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_whole_chain_and_every_alteration_of_it_is_seen() {
    let cluster = site().await;
    let lines = export(&cluster, "", &cluster.reader_key).await;
    let whole = verified(&lines).expect("the export verifies");
    assert_eq!(
        (whole.events, whole.hidden, whole.has_end),
        (lines.len() as u64 - 2, 0, true)
    );
    for altered in edits(&lines).into_iter().chain(moves(&lines)) {
        assert!(verified(&altered.lines).is_err(), "{} is not seen", altered.what);
    }

    let anchor = Anchor {
        count: whole.events,
        hash: whole.hash,
    };
    let with_anchor = |lines: &[String]| {
        let text = lines.join("\n") + "\n";
        verify(text.as_bytes(), Some(anchor))
    };
    assert!(with_anchor(&lines).is_ok());
    let without_end = verified(&lines[..lines.len() - 2]).expect("what is there holds");
    assert!(!without_end.has_end, "and it says that more may have been there");
    let missing = with_anchor(&lines[..lines.len() - 2]);
    assert!(matches!(missing, Err(Finding::BeforeHead { .. })), "{missing:?}");
    let mut edited = lines.clone();
    edited[1] = edited[1].replace("cluster.initialised", "namespace.created");
    let anew = rechained(&edited);
    assert!(verified(&anew).is_ok(), "a chain made anew holds");
    let anew = with_anchor(&anew);
    assert!(matches!(anew, Err(Finding::OtherHead { .. })), "{anew:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_everything_gets_stubs_that_verify_and_tell_nothing() {
    let cluster = site().await;
    for (rest, key) in [
        ("/apps", &cluster.stranger_key),
        ("/apps", &cluster.reader_key),
        ("/apps?action=config.published", &cluster.reader_key),
        ("?actor=user:bob", &cluster.reader_key),
    ] {
        let lines = export(&cluster, rest, key).await;
        let partial = verified(&lines).expect("the partial export verifies");
        assert!(
            partial.hidden > 0 && partial.hidden < partial.events,
            "{rest}: {partial:?}"
        );
        let text = lines.concat();
        for secret in ["/hidden", "codename", "request-2"] {
            assert!(!text.contains(secret), "{rest}: {secret}");
        }
        assert!(text.contains("\"colour\""), "{rest}");
        for altered in moves(&lines).into_iter().chain(edits(&lines)) {
            assert!(
                verified(&altered.lines).is_err(),
                "{rest}: {} is not seen",
                altered.what
            );
        }
    }
    let answer = audit(&cluster, "", &cluster.stranger_key).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_filtered_by_actor_key_action_request_and_time() {
    let cluster = site().await;
    let key = &cluster.reader_key;
    for (rest, expected) in [
        (
            "/apps?order=oldest&request=request-1",
            "request.submitted request.approved config.published",
        ),
        (
            "/apps?order=oldest&key=shape",
            "request.submitted request.approved config.published",
        ),
        (
            "?order=oldest&action=request.submitted&actor=user:ada&key=codename",
            "request.submitted",
        ),
        ("?action=namespace.created", "namespace.created namespace.created"),
        ("?to=2000-01-01T00:00:00Z", ""),
        ("?from=2100-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", ""),
        (
            "?from=2000-01-01T00:00:00Z&action=cluster.initialised&to=2100-01-01T00:00:00%2B01:00",
            "cluster.initialised",
        ),
        ("?actor=user:nobody", ""),
    ] {
        assert_eq!(actions(&audit(&cluster, rest, key).await).join(" "), expected, "{rest}");
    }

    let mut seen = Vec::new();
    let mut rest = "?order=oldest&actor=user:bob&limit=1".to_owned();
    loop {
        let answer = audit(&cluster, &rest, key).await;
        seen.extend(actions(&answer));
        let Some(cursor) = answer.json()["pagination"]["nextCursor"].as_str().map(str::to_owned) else {
            break;
        };
        let foreign = audit(&cluster, &format!("?order=oldest&actor=user:ada&cursor={cursor}"), key).await;
        assert_eq!(foreign.problem().field.as_deref(), Some("cursor"), "bound to its query");
        rest = format!("?order=oldest&actor=user:bob&limit=1&cursor={cursor}");
    }
    let bobs = ["request.approved", "config.published"].repeat(2);
    assert_eq!(seen, bobs);

    let last = audit(&cluster, "?limit=1", key).await.json()["items"][0].clone();
    let at = last["time"].as_str().expect("a time");
    let from = audit(&cluster, &format!("?from={at}"), key).await;
    assert!(
        actions(&from).contains(&"config.published".to_owned()),
        "from is included"
    );
    let to = audit(&cluster, &format!("?to={at}"), key).await.json();
    let ids: Vec<&Value> = to["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|event| &event["id"])
        .collect();
    assert!(!ids.contains(&&last["id"]), "to is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_of_the_root_have_the_chain_walked_on_a_node() {
    let cluster = site().await;
    let answer = audit(&cluster, ":verify?consistency=linearizable", &cluster.reader_key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.json();
    let lines = export(&cluster, "", &cluster.reader_key).await;
    let whole = verified(&lines).expect("the export verifies");
    assert_eq!(found["ok"], true);
    assert_eq!(found["complete"], true);
    assert_eq!(
        (found["count"].as_u64(), found["head"]["count"].as_u64()),
        (Some(whole.events), Some(whole.events))
    );
    assert_eq!(found["head"]["hash"], whole.hash.to_string());
    let refused = audit(&cluster, ":verify", &cluster.stranger_key).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    let forged = audit(&cluster, ":verify?cursor=AAAA", &cluster.reader_key).await;
    assert_eq!(forged.problem().field.as_deref(), Some("cursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_which_line_is_wrong_and_what_it_cannot_tell() {
    let cluster = site().await;
    let lines = export(&cluster, "", &cluster.reader_key).await;
    let (whole, cut) = (lines.join("\n") + "\n", lines[..4].join("\n") + "\n");
    let edited = whole.replacen("user:bob", "user:eve", 1);
    let at = lines
        .iter()
        .position(|line| line.contains("\"principal\":\"user:bob\""))
        .expect("bob acts")
        + 1;
    let (status, said) = run(&["audit", "verify", "-"], &whole);
    assert!(
        status == Some(0) && said.contains("verified") && !said.contains("note:"),
        "{said}"
    );
    let head = said
        .lines()
        .find_map(|line| line.strip_prefix("head: "))
        .expect("the head is said")
        .to_owned();
    let (status, said) = run(&["audit", "verify", "-", "--head", &head], &cut);
    assert!(status == Some(1) && said.contains("has 3 events"), "{said}");
    let (status, said) = run(&["audit", "verify", "-"], &cut);
    assert!(
        status == Some(0) && said.contains("truncation cannot be excluded"),
        "{said}"
    );
    let (status, said) = run(&["audit", "verify", "-"], &edited);
    let named = format!("line {at}: event evt_");
    assert!(
        status == Some(1) && said.contains(&named) && said.contains("was altered"),
        "{said}"
    );
    let (status, said) = run(&["audit", "verify", "/no/such/file"], "");
    assert!(status == Some(1) && said.contains("cannot be opened"), "{said}");
    let (status, _) = run(&["audit", "verify", "-", "--head", "0:sha256:00"], "");
    assert_eq!(status, Some(2), "a head must be one");
    let endless = format!("{}\n{}", lines[0], "x".repeat(2 << 20));
    let (status, said) = run(&["audit", "verify", "-"], &endless);
    assert!(status == Some(1) && said.contains("line 2 is longer than"), "{said}");
}

/// Runs the program with `input`; its status and all that it printed.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut standard_input = child.stdin.take().expect("standard input is a pipe");
    // A program that has seen enough hangs up.
    let _ = standard_input.write_all(input.as_bytes());
    drop(standard_input);
    let output = child.wait_with_output().expect("the program ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("text"))
}
