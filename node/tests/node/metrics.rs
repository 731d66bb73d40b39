//! Metrics as Prometheus reads them, and the page that lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use confman_api::problem::ProblemType;
use confman_api::routes::ROUTES;
use confman_core::access::Role;
use confman_node::metrics::{CONTENT_TYPE, Metrics};
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call, get};
use crate::workflow::APPS;

/// The value of the metric `name` on node `index`.
pub(crate) async fn metric(cluster: &Cluster, index: u8, name: &str) -> Result<u64, String> {
    let text = scrape(cluster, index).await?.text;
    let value = value(&text, name).ok_or(format!("no {name}"))?;
    value.parse().map_err(|error| format!("{name} {value}: {error}"))
}

async fn scrape(cluster: &Cluster, index: u8) -> Result<Answer, String> {
    get(&format!("http://{}/metrics", cluster.metrics_address(index)), None).await
}

/// The value of the first sample of `name`, with the labels it is written with, if any.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text
        .lines()
        .find(|line| line.split(' ').next() == Some(name) || line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()
}

/// Writes, a refused write, problems, and requests without a route; all of them name a canary.
async fn make_traffic(cluster: &Cluster) {
    let roles = [(Role::Publisher, "key:reader")];
    let body = cluster.stamper.declare(APPS, "/canary-path", &roles, None);
    let declared = cluster.courier(0).declare_namespace(&body).await;
    declared.expect("root may declare a namespace");
    let url = |path: &str| format!("http://{}{path}", cluster.http_address(0));
    let config = url("/api/v1/config/canary-path/canary-key");
    for (headers, expected) in [
        (None, 200),
        (Some(("if-match", format!("\"sha256:{}\"", "0".repeat(64)))), 412),
    ] {
        let mut call = Call::new(Method::PUT, &config, Some(&cluster.reader_key));
        if let Some((name, value)) = headers {
            call = call.header(name, value);
        }
        let answer = call.body("text/plain", "canary-value").send().await.expect("an answer");
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
    for path in [
        "/api/v1/config/canary-path/none",
        "/canary-route",
        "/api/v1/whoami?canary-query=1",
    ] {
        let answer = get(&url(path), Some(&cluster.reader_key)).await.expect("an answer");
        assert!(answer.status >= 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_shows_every_metric_and_no_label_is_unbounded() {
    let cluster = Cluster::running(Settings::nodes(1).direct_writes()).await;
    make_traffic(&cluster).await;
    let answer = scrape(&cluster, 0).await.expect("an answer");
    assert_eq!(answer.header("content-type"), CONTENT_TYPE);
    let text = answer.text;
    assert!(text.ends_with("# EOF\n"), "the exposition is whole");
    for row in Metrics::default().rows() {
        let samples: Vec<_> = samples(&text).filter(|sample| sample.family() == row.name).collect();
        assert!(!samples.is_empty(), "{} has no sample", row.name);
        for sample in samples {
            let labels: Vec<_> = sample.labels.keys().copied().filter(|label| *label != "le").collect();
            let expected: BTreeSet<_> = row.labels.iter().copied().collect();
            assert_eq!(labels, Vec::from_iter(expected), "{}", row.name);
        }
    }
    for Sample { name, labels } in samples(&text) {
        for (label, value) in labels {
            assert!(is_bounded(label, value), "{name} has {label}={value:?}");
        }
    }
    assert!(
        !text.contains("canary"),
        "nothing that a caller wrote is in the metrics"
    );
    // Leader state, commit latency, quorum health.
    for (name, expected) in [
        ("confman_raft_is_leader", "1"),
        ("confman_raft_state{state=\"leader\"}", "1"),
        ("confman_raft_voters", "1"),
        ("confman_raft_voters_heard", "1"),
        ("confman_raft_quorum_margin", "0"),
        ("confman_raft_leader_changes_total", "1"),
        ("confman_proposals_total{command=\"put-entry\",result=\"refused\"}", "1"),
        ("confman_proposal_refusals_total{rejection=\"PreconditionFailed\"}", "1"),
        ("confman_audit_events_total{action=\"ConfigUnreviewed\"}", "1"),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name}");
    }
    let commits = value(&text, "confman_raft_commit_duration_seconds_count").and_then(|count| count.parse().ok());
    assert!(
        commits >= Some(4_u64),
        "bootstrap, declaration and two writes were committed: {commits:?}"
    );
    let age: Option<f64> =
        value(&text, "confman_raft_quorum_acknowledged_age_seconds").and_then(|age| age.parse().ok());
    assert!(age.is_some_and(f64::is_finite), "a quorum has confirmed the leader");
}

/// One line of the exposition.
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
}

impl Sample<'_> {
    /// Its name without what a histogram adds.
    fn family(&self) -> &str {
        let parts = ["_bucket", "_sum", "_count"];
        let found = parts.into_iter().find_map(|part| self.name.strip_suffix(part));
        found.unwrap_or(self.name)
    }
}

fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (id, _) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = id.split_once('{').unwrap_or((id, ""));
        let labels = labels.trim_end_matches('}').trim_end_matches('"');
        let pairs = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
        Sample {
            name,
            labels: pairs
                .map(|(label, value)| (label, value.trim_end_matches('"')))
                .collect(),
        }
    })
}

/// Says for every label that there is why it has few values; an unknown label fails.
fn is_bounded(label: &str, value: &str) -> bool {
    let one_of = |values: &[&str]| values.contains(&value);
    match label {
        "method" => one_of(&["GET", "PUT", "POST", "PATCH", "DELETE", "any"]),
        "route" => value == "none" || ROUTES.iter().any(|route| route.pattern == value),
        "status" => one_of(&["1xx", "2xx", "3xx", "4xx", "5xx"]),
        "problem" => ProblemType::ALL.iter().any(|kind| kind.name() == value),
        "port" => one_of(&["public", "internal"]),
        "result" => one_of(&["accepted", "refused", "fault", "delivered"]),
        "cause" => one_of(&[
            "no-leader",
            "overloaded",
            "storage-full",
            "unauthorized",
            "outcome-unknown",
        ]),
        "state" => one_of(&["leader", "follower", "candidate", "learner", "shutdown"]),
        // Names of variants of enums: no text of a caller looks like one.
        "command" => value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
        "rejection" | "action" => value.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "version" => value == env!("CARGO_PKG_VERSION"),
        "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
        _ => false,
    }
}

const BEGIN: &str = "<!-- metrics: generated from node/src/metrics by `make generate` -->\n\n";
const END: &str = "\n<!-- end of metrics -->\n";

fn documentation(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file)
}

#[test]
fn the_committed_table_of_metrics_is_that_of_the_code() {
    let path = documentation("observability.md");
    let committed = std::fs::read_to_string(&path).expect("the page is there");
    let (above, rest) = committed
        .split_once(BEGIN)
        .expect("the page says where the table begins");
    let (_, below) = rest.split_once(END).expect("the page says where the table ends");
    let generated = format!("{above}{BEGIN}{}{END}{below}", Metrics::default().table());
    if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &generated).expect("the page can be written");
    } else {
        assert!(
            committed == generated,
            "docs/observability.md is not current; run `make generate`"
        );
    }
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_there_are() {
    let metrics = Metrics::default();
    let known = |word: &str| {
        metrics.rows().iter().any(|row| {
            let rest = word.strip_prefix(row.name.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || row.kind == "histogram" && ["_bucket", "_sum", "_count"].contains(&rest)
            })
        })
    };
    for file in [
        "observability.md",
        "observability/alerts.yaml",
        "observability/dashboard.json",
    ] {
        let text = std::fs::read_to_string(documentation(file)).expect("the file is there");
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: BTreeSet<_> = words.filter(|word| word.starts_with("confman_")).collect();
        assert!(named.len() > 4, "{file} names metrics");
        for word in named {
            assert!(known(word), "{file} names {word}, which is no metric");
        }
    }
}
