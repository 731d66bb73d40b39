//! `confman-node dev`: what it prints works, and nothing is left behind.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use confman_api::problem::ProblemType;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Call, get};
use crate::process::{PROGRAM, Process};

/// What `dev` tells a newcomer.
pub(crate) struct Welcome {
    pub(crate) url: String,
    pub(crate) key: String,
    folder: PathBuf,
    /// What Ada and Bob send as `Authorization`.
    ada: String,
    bob: String,
}

impl Welcome {
    async fn send(&self, authorization: &str, method: Method, path: &str, body: Value) -> Answer {
        let call = Call::new(method, format!("{}/api/v1{path}", self.url), None).header("authorization", authorization);
        let call = call.body("application/json", body.to_string());
        call.send().await.expect("an answer")
    }

    async fn decide(&self, authorization: &str, request: &Value, action: &str) -> Answer {
        let path = format!("/publish-requests/{}/{action}", request["id"].as_str().expect("an id"));
        let decision = json!({"digest": request["digest"]});
        self.send(authorization, Method::POST, &path, decision).await
    }

    async fn get(&self, authorization: &str, path: &str) -> Answer {
        let call = Call::new(Method::GET, format!("{}/api/v1{path}", self.url), None);
        let call = call.header("authorization", authorization);
        call.send().await.expect("an answer")
    }
}

pub(crate) fn read_welcome(process: &mut Process) -> Welcome {
    let out = process.child().stdout.take().expect("standard output is a pipe");
    let mut lines = BufReader::new(out).lines().map(|line| line.expect("text"));
    let first = lines.next().expect("a first line");
    let key = lines.next().expect("a second line");
    let (head, folder) = first.split_once("; data in ").expect("the folder is named");
    let mut authorization = |variable: &str| {
        let begin = format!("export {variable}='Authorization: ");
        let line = lines.find(|line| line.starts_with(&begin)).expect("the token is named");
        line[begin.len()..].trim_end_matches('\'').to_owned()
    };
    let (ada, bob) = (authorization("ADA"), authorization("BOB"));
    assert!(lines.any(|line| line == "Ctrl-C stops it."), "the end of the welcome");
    Welcome {
        ada,
        bob,
        url: head.rsplit(' ').next().expect("the URL is named").to_owned(),
        key: key.rsplit(' ').next().expect("the key is named").to_owned(),
        folder: PathBuf::from(folder),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_mode_takes_a_value_shows_it_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(PROGRAM);
    command.args(["dev", "--port", "0"]).stdout(Stdio::piped());
    let mut process = Process::start(command, &folder.path().join("log"));
    let welcome = read_welcome(&mut process);

    let url = format!("{}/api/v1/config/greeting", welcome.url);
    let call = Call::new(Method::PUT, url.clone(), Some(&welcome.key)).body("application/json", "\"hello\"");
    let written = call.send().await.expect("an answer");
    assert_eq!(written.status, 200, "{}", written.text);
    let read = get(&url, Some(&welcome.key)).await.expect("an answer");
    assert_eq!(
        (read.json()["value"].as_str(), read.json()["version"].as_u64()),
        (Some("hello"), Some(1))
    );
    let audit = get(&format!("{}/api/v1/audit", welcome.url), Some(&welcome.key))
        .await
        .expect("an answer");
    assert_eq!(audit.json()["items"][0]["action"], "config.unreviewed");
    let ready = get(&format!("{}/health/ready?level=linearizable", welcome.url), None)
        .await
        .expect("an answer");
    assert_eq!(ready.status, 200);

    assert!(welcome.folder.exists());
    let status = process.stop("-INT").await;
    assert_eq!(status.code(), Some(0));
    assert!(!welcome.folder.exists(), "the temporary folder is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_dev_mode_draft_approve_publish_and_roll_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(PROGRAM);
    command.args(["dev", "--port", "0"]).stdout(Stdio::piped());
    let mut process = Process::start(command, &folder.path().join("log"));
    let dev = read_welcome(&mut process);
    let (ada, bob) = (dev.ada.as_str(), dev.bob.as_str());
    assert_eq!(dev.get(ada, "/whoami").await.json()["principal"], "user:dev/ada");

    let workflow = json!({"requireApproval": true, "minApprovers": 1, "publish": "manual"});
    let shop = json!({"path": "/shop", "settings": {"governance": {"inherit": true, "workflow": workflow}}});
    let created = dev.send(ada, Method::POST, "/namespaces", shop).await;
    assert_eq!(created.status, 201, "{}", created.text);
    for (version, value) in [(1, 1000), (2, 2000)] {
        let draft = dev
            .send(ada, Method::PUT, "/drafts/shop/rate-limit", json!(value))
            .await;
        assert_eq!(draft.status, 200, "{}", draft.text);
        let asked = json!({"namespace": "/shop", "key": "rate-limit"});
        let asked = dev.send(ada, Method::POST, "/publish-requests", asked).await;
        assert_eq!(asked.status, 201, "{}", asked.text);
        let request = asked.json();
        let own = dev.decide(ada, &request, "approve").await;
        assert_eq!(own.problem().kind(), Some(ProblemType::SelfApproval), "{}", own.text);
        let approved = dev.decide(bob, &request, "approve").await;
        assert_eq!(approved.json()["state"], "Approved", "{}", approved.text);
        let published = dev.decide(bob, &request, "publish").await;
        assert_eq!(published.json()["publishedVersion"], version, "{}", published.text);
    }
    let rollback = json!({"toVersion": 1});
    let back = dev.send(bob, Method::POST, "/rollback/shop/rate-limit", rollback).await;
    assert_eq!(back.status, 202, "{}", back.text);
    dev.decide(ada, &back.json(), "approve").await;
    let published = dev.decide(ada, &back.json(), "publish").await;
    assert_eq!(published.json()["publishedVersion"], 3, "{}", published.text);
    let read = dev.get(ada, "/config/shop/rate-limit").await.json();
    assert_eq!((&read["value"], &read["version"]), (&json!(1000), &json!(3)));
    process.stop("-INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_mode_keeps_a_folder_that_it_was_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    for round in 1..=2 {
        let mut command = Command::new(PROGRAM);
        command
            .args(["dev", "--port", "0", "--data-dir"])
            .arg(&data)
            .stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("log"));
        let welcome = read_welcome(&mut process);
        let url = format!("{}/api/v1/config/round", welcome.url);
        let call = Call::new(Method::PUT, url, Some(&welcome.key)).body("application/json", round.to_string());
        let written = call.send().await.expect("an answer");
        assert_eq!(written.json()["version"].as_u64(), Some(round), "{}", written.text);
        let known = welcome.get(&welcome.ada, "/whoami").await;
        assert_eq!(known.json()["principal"], "user:dev/ada", "{}", known.text);
        process.stop("-TERM").await;
    }
}

#[test]
fn keys_are_made_and_hashed() {
    let made = Command::new(PROGRAM)
        .args(["keys", "generate", "--environment", "prod"])
        .output();
    let made = String::from_utf8(made.expect("the program runs").stdout).expect("text");
    let mut lines = made
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap_or("").to_owned());
    let (key, digest) = (lines.next().expect("a key"), lines.next().expect("a digest"));
    assert!(key.starts_with("confman_prod_"), "{key}");
    assert_eq!(confman_node::auth::api_keys::digest_of(&key).to_string(), digest);
}
