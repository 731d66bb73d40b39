//! `confman-node dev`: what it prints works, and nothing is left behind.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::json;

use crate::http::{Answer, Call, get};
use crate::process::{PROGRAM, Process};

/// What `dev` tells a newcomer.
pub(crate) struct Welcome {
    pub(crate) url: String,
    pub(crate) key: String,
    folder: PathBuf,
    /// What Ada and Bob send as `Authorization`.
    pub(crate) ada: String,
    pub(crate) bob: String,
}

impl Welcome {
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

/// The block of shell commands in the README that `confman-node dev` prints too.
fn tour() -> String {
    let readme = include_str!("../../../README.md");
    let printed = include_str!("../../src/dev/people.txt").trim_end();
    let block = readme.split("```sh\n").find(|block| block.starts_with(printed));
    let block = block.expect("the README has the commands that dev prints, to the letter");
    block.split("```").next().expect("a block ends").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_goes_from_draft_to_published_to_rolled_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(PROGRAM);
    command.args(["dev", "--port", "0"]).stdout(Stdio::piped());
    let mut process = Process::start(command, &folder.path().join("log"));
    let dev = read_welcome(&mut process);
    let tour = tour();
    let calls = tour
        .lines()
        .filter(|line| line.contains("curl ") || line.starts_with("decide "));
    // One line defines `decide`.
    assert_eq!(calls.count(), 10 + 1, "ten commands");
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-euc", &tour]).current_dir(folder.path());
    shell.env("url", format!("{}/api/v1", dev.url));
    shell
        .env("ADA", format!("Authorization: {}", dev.ada))
        .env("BOB", format!("Authorization: {}", dev.bob));
    let output = shell.output().await.expect("bash runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}{errors}");
    assert!(printed.contains("/problems/self-approval"), "{printed}");
    for version in 1..=3 {
        assert!(
            printed.contains(&format!("\"publishedVersion\":{version}")),
            "{version}: {printed}"
        );
    }
    assert_eq!(dev.get(&dev.ada, "/whoami").await.json()["principal"], "user:dev/ada");
    let read = dev.get(&dev.ada, "/config/shop/rate-limit").await.json();
    assert_eq!((&read["value"], &read["version"]), (&json!(1000), &json!(3)));
    assert!(
        printed.trim_end().ends_with('}') && printed.contains("\"version\":3"),
        "{printed}"
    );
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
