//! The log of a real process: JSON lines that lead from a caller's id to what the node did, and never a credential.

use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::Value;

use crate::dev_mode::read_welcome;
use crate::http::{Call, raw};
use crate::process::{PROGRAM, Process};
use crate::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_json_log_names_the_callers_id_and_never_a_credential() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let mut command = Command::new(PROGRAM);
    command
        .args(["dev", "--port", "0", "--log-format", "json"])
        .env("CONFMAN_LOG", "trace")
        .stdout(Stdio::piped());
    let mut process = Process::start(command, &path);
    let welcome = read_welcome(&mut process);
    let url = format!("{}/api/v1/config/greeting", welcome.url);
    let wrong_key = "confman_prod_wrong-key-canary";
    let value = "value-canary";
    let mut traces = Vec::new();
    for (id, key, status) in [("order-17", welcome.key.as_str(), 200), ("order-18", wrong_key, 401)] {
        let call = Call::new(Method::PUT, url.clone(), Some(key)).header("x-correlation-id", id);
        let answer = call.body("text/plain", value).send().await.expect("an answer");
        assert_eq!((answer.status, answer.header("x-correlation-id")), (status, id));
        traces.push(answer.header("traceparent")[3..35].to_owned());
    }
    let line = eventually("the refusal is in the log", async || {
        let log = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = lines.find(|line| line["correlation_id"] == "order-18" && line["message"] == "request refused");
        found.ok_or(log)
    })
    .await;
    assert_eq!((&line["level"], &line["status"]), (&"debug".into(), &401.into()));
    assert_eq!(line["trace_id"].as_str(), Some(traces[1].as_str()));
    assert!(line["time"].is_string() && line["target"].is_string(), "{line}");

    process.stop("-TERM").await;
    let log = std::fs::read_to_string(&path).expect("the log can be read");
    for line in log.lines() {
        assert!(
            serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()),
            "{line}"
        );
    }
    for secret in [welcome.key.as_str(), wrong_key, value] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_route_carry_the_callers_id_and_bad_ids_are_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(PROGRAM);
    command.args(["dev", "--port", "0"]).stdout(Stdio::piped());
    let mut process = Process::start(command, &folder.path().join("log"));
    let welcome = read_welcome(&mut process);
    for (method, path, status) in [(Method::GET, "/nothing", 404), (Method::DELETE, "/health", 405)] {
        let call = Call::new(method, format!("{}{path}", welcome.url), None).header("x-correlation-id", "order-19");
        let answer = call.send().await.expect("an answer");
        assert_eq!((answer.status, answer.header("x-correlation-id")), (status, "order-19"));
    }
    let address = welcome.url.trim_start_matches("http://");
    for bad in ["two words", "tab\there", "caf\u{e9}", &"x".repeat(129)] {
        let request =
            format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Correlation-Id: {bad}\r\n\r\n");
        let answer = raw(address, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let header = answer.lines().find_map(|line| line.strip_prefix("x-correlation-id: "));
        let id = header.expect("an id is made");
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
}
