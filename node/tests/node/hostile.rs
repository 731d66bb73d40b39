//! What hostile clients send, one line each: every line gets its documented answer, nothing changes, and memory stays bounded.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use confman_core::access::Role;
use serde_json::{Value, json};

use crate::bad_input::{events, parse};
use crate::cluster::{Cluster, Settings};
use crate::http::get;
use crate::wait::DEADLINE;
use crate::workflow::APPS;

const COLOUR: &str = "/api/v1/config/apps/colour";
const SCHEMA: &str = "/api/v1/schemas/apps";
const JSON: &str = "application/json";
/// What the node may keep of all that it was sent.
const KEPT_BYTES: u64 = 128 << 20;

/// Tails of paths that look like something else than they are.
const PATHS: &[&str] = &[
    "/apps/..",
    "/apps/.",
    "/apps/../apps/colour",
    "//apps/colour",
    "/apps//colour",
    "/apps/%2e%2e/colour",
    "/apps%2fcolour",
    "/apps%5ccolour",
    "/apps/%252e%252e/colour",
    "/apps/colour;x=y",
    "/apps;x=y/colour",
    "/apps/colour/",
    "/apps/colour%20",
    "/apps/colour.",
    "/apps/col%00our",
    "/apps/col%0aour",
    "/apps/%e2%80%aecolour",
    "/apps/col%e2%80%8bour",
    "/apps/cole%cc%81our",
    "/%d0%b0pps/colour",
    "/apps/%c0%ae%c0%ae/colour",
    "/apps/%ff",
    "/Apps/colour",
];

/// One line: what it is, the whole request, the status, the type of problem, the field that it names.
struct Line {
    what: String,
    request: Vec<u8>,
    status: u16,
    kind: &'static str,
    field: &'static str,
}

struct Table {
    key: String,
    lines: Vec<Line>,
}

impl Table {
    fn line(
        &mut self,
        what: &str,
        (method, path): (&str, &str),
        headers: &str,
        body: &[u8],
        expected: (u16, &'static str, &'static str),
    ) {
        let key = &self.key;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n{headers}");
        if !headers.contains("transfer-encoding") {
            write!(head, "content-length: {}\r\n", body.len()).expect("a String grows");
        }
        head.push_str("\r\n");
        let (status, kind, field) = expected;
        self.lines.push(Line {
            what: format!("{what}: {method} {}", &path[..path.len().min(80)]),
            request: [head.as_bytes(), body].concat(),
            status,
            kind,
            field,
        });
    }

    fn put(&mut self, what: &str, (media_type, body): (&str, &[u8]), expected: (u16, &'static str, &'static str)) {
        let headers = format!("content-type: {media_type}\r\n");
        self.line(what, ("PUT", COLOUR), &headers, body, expected);
    }

    fn schema(&mut self, what: &str, schema: &Value) {
        let (headers, body) = (format!("content-type: {JSON}\r\n"), schema.to_string());
        let refused = (400, "invalid-body", "schema");
        self.line(what, ("PUT", SCHEMA), &headers, body.as_bytes(), refused);
    }

    fn get(&mut self, what: &str, path: &str, headers: &str, expected: (u16, &'static str, &'static str)) {
        self.line(what, ("GET", path), headers, b"", expected);
    }
}

fn values(table: &mut Table) {
    let invalid = (400, "invalid-body", "value");
    let too_large = (413, "too-large", "body");
    let mebibyte = 1 << 20;
    table.put(
        "a body one byte too large",
        (JSON, &vec![b'1'; 2 * mebibyte + 1]),
        too_large,
    );
    table.put(
        "a number of fifty megabytes",
        (JSON, &vec![b'1'; 50_000_000]),
        too_large,
    );
    table.put(
        "a value one byte too large",
        ("text/plain", &vec![b'x'; mebibyte + 1]),
        (413, "too-large", "value"),
    );
    table.put("a long number", (JSON, &vec![b'1'; mebibyte]), invalid);
    let deep = |levels| ["[".repeat(levels), "]".repeat(levels)].concat().into_bytes();
    table.put(
        "a value of 129 levels",
        (JSON, &deep(129)),
        (400, "invalid-body", "body"),
    );
    table.put(
        "a value of a million levels",
        (JSON, &deep(1_000_000)),
        (400, "invalid-body", "body"),
    );
    let wide = format!("[{}0]", "0,".repeat(1_000_000));
    table.put(
        "a million elements",
        (JSON, wide.as_bytes()),
        (413, "too-large", "value"),
    );
    let members: Vec<String> = (0..130_000).map(|number| format!("\"k{number}\":0")).collect();
    let members = format!("{{{}}}", members.join(","));
    table.put(
        "a hundred thousand members",
        (JSON, members.as_bytes()),
        (413, "too-large", "value"),
    );
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        "9007199254740993",
        "18446744073709551617",
        "1e400",
        "-1e400",
        "0.1000000000000000055511151231257827021181583404541015625001",
        "NaN",
        "Infinity",
        "0x10",
        "010",
        "+1",
        "'a'",
        "[1,]",
        "\"\\ud800\"",
        "1 2",
        "{\"a\":1}garbage",
    ] {
        table.put(text, (JSON, text.as_bytes()), invalid);
    }
    table.put(
        "text that is not UTF-8",
        ("text/plain", b"\xc0\xae"),
        (400, "invalid-body", "body"),
    );
    let unsupported = (415, "unsupported-media-type", "Content-Type");
    table.put("YAML", ("application/yaml", b"a: &a [*a, *a]"), unsupported);
    table.put(
        "XML",
        ("application/xml", b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"),
        unsupported,
    );
    table.line("no media type", ("PUT", COLOUR), "", b"x", unsupported);
    for encoding in ["gzip", "br", "zstd", "gzip, gzip", "identity, gzip"] {
        let headers = format!("content-type: {JSON}\r\ncontent-encoding: {encoding}\r\n");
        let refused = (415, "unsupported-media-type", "Content-Encoding");
        table.line(encoding, ("PUT", COLOUR), &headers, b"\x1f\x8b\x08\x00", refused);
    }
}

fn schemas(table: &mut Table) {
    let subschemas: serde_json::Map<_, _> = (0..100_000).map(|number| (format!("p{number}"), json!({}))).collect();
    for (what, schema) in [
        (
            "a schema from elsewhere",
            json!({"$ref": "https://example.com/schema.json"}),
        ),
        ("a schema from a file", json!({"$ref": "file:///etc/passwd"})),
        ("a schema that is itself", json!({"$ref": "#"})),
        (
            "a schema that is nothing but loops",
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ),
        ("a dynamic loop", json!({"$dynamicAnchor": "a", "$dynamicRef": "#a"})),
        (
            "a name for somebody else",
            json!({"$id": "https://example.com/x", "$defs": {"a": {"$id": "https://example.com/x"}}}),
        ),
        ("a pattern that looks around", json!({"pattern": "(?=a)b"})),
        ("a pattern that refers back", json!({"pattern": "(a+)\\1"})),
        ("a pattern that is huge", json!({"pattern": "(a{1000}){1000}"})),
        ("a hundred thousand subschemas", json!({"properties": subschemas})),
        ("an enumeration of a megabyte", json!({"enum": ["x".repeat(1 << 20)]})),
        ("a keyword nobody knows", json!({"x-confman-secrets": true})),
        (
            "another dialect",
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
        ),
    ] {
        table.schema(what, &schema);
    }
}

fn conditions_and_positions(table: &mut Table, cursor_of_others: &str) {
    let parameter = |field| (400, "invalid-parameter", field);
    for tag in ["blue", "\"sha256:zz\"", "W/\"x\"", "\"a\", \"b\""] {
        let headers = format!("content-type: text/plain\r\nif-match: {tag}\r\n");
        table.line(
            "a tag that is none",
            ("PUT", COLOUR),
            &headers,
            b"x",
            parameter("If-Match"),
        );
    }
    let headers = format!(
        "content-type: text/plain\r\nif-match: \"sha256:{}\"\r\n",
        "0".repeat(64)
    );
    table.line(
        "a tag of nothing",
        ("PUT", COLOUR),
        &headers,
        b"x",
        (412, "precondition-failed", ""),
    );
    let key = "k".repeat(300);
    let headers = format!("content-type: text/plain\r\nidempotency-key: {key}\r\n");
    table.line(
        "a long idempotency key",
        ("PUT", COLOUR),
        &headers,
        b"x",
        parameter("Idempotency-Key"),
    );
    for path in [
        "?cursor=x",
        "?cursor=AAAA",
        "?limit=-1",
        "?limit=18446744073709551616",
        "?surprise",
    ] {
        let field = path[1..].split('=').next().unwrap_or_default();
        table.get("a listing", &format!("/api/v1/config/apps{path}"), "", parameter(field));
    }
    let path = format!("/api/v1/audit/apps?cursor={cursor_of_others}");
    table.get("a cursor of another listing", &path, "", parameter("cursor"));
    table.get(
        "a version from the future",
        &format!("{COLOUR}?version=99"),
        "",
        (404, "not-found", ""),
    );
    table.get(
        "a version that is none",
        &format!("{COLOUR}?version=-1"),
        "",
        parameter("version"),
    );
    table.get(
        "a key in the query",
        &format!("{COLOUR}?api_key={}", table.key.clone()),
        "",
        parameter("api_key"),
    );
}

fn framing(table: &mut Table) {
    let headers = "x-one: 1\r\n".repeat(1_000);
    table.get("a thousand headers", COLOUR, &headers, (431, "", ""));
    let headers = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    table.get("a header of a megabyte", COLOUR, &headers, (431, "", ""));
    let headers = format!("authorization: Bearer {}\r\n", "y".repeat(1 << 20));
    table.get("a token of a megabyte", COLOUR, &headers, (431, "", ""));
    let long = format!("{COLOUR}?prefix={}", "a".repeat(1 << 20));
    table.get("a path of a megabyte", &long, "", (431, "", ""));
    for method in ["POST", "OPTIONS", "TRACE", "PURGE"] {
        let headers = "x-http-method-override: PUT\r\n";
        table.line(
            "a method",
            (method, COLOUR),
            headers,
            b"",
            (405, "method-not-allowed", ""),
        );
    }
    // Chunks win over the length (RFC 9112, 6.3), and nothing behind them passes for a second request.
    let both = "transfer-encoding: chunked\r\ncontent-length: 5\r\n";
    let smuggled = b"0\r\n\r\nGET /x HTTP/1.1\r\nhost: x\r\n\r\n";
    table.line("a length and chunks", ("GET", COLOUR), both, smuggled, (200, "", ""));
    let chunks = "content-type: text/plain\r\ntransfer-encoding: chunked\r\n";
    table.line(
        "chunks that are none",
        ("PUT", COLOUR),
        chunks,
        b"zz\r\nx\r\n",
        (400, "", ""),
    );
}

async fn site() -> Cluster {
    let cluster = Cluster::running(Settings::nodes(1).direct_writes()).await;
    for (name, path, holder) in [(APPS, "/apps", "key:reader"), ("secret", "/secret", "user:nobody")] {
        let body = cluster.stamper.declare(name, path, &[(Role::Admin, holder)], None);
        let declared = cluster.courier(0).declare_namespace(&body).await;
        declared.expect("root may declare a namespace");
    }
    for key in ["colour", "size"] {
        crate::catch_up::write(&cluster, 0, key, "blue").await;
    }
    cluster
}

/// Sends what the node may refuse to read to its end, and gives the answer.
fn send(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    let reading = stream.try_clone().expect("a socket has two halves");
    reading.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
    let answer = std::thread::spawn(move || {
        let (mut reading, mut answer) = (reading, Vec::new());
        let _ = reading.read_to_end(&mut answer);
        answer
    });
    let _ = stream.write_all(bytes);
    let answer = answer.join().expect("the answer is read");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Memory of the node that is not given back.
fn resident_bytes(cluster: &mut Cluster) -> u64 {
    let status = format!("/proc/{}/status", cluster.process(0).child().id());
    let status = std::fs::read_to_string(status).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.expect("the kernel tells") << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_input_gets_its_documented_answer_and_changes_nothing() {
    let mut cluster = site().await;
    let told = events(&cluster).await;
    let url = format!("http://{}/api/v1/config/apps?limit=1", cluster.http_address(0));
    let page = get(&url, Some(&cluster.reader_key)).await.expect("an answer").json();
    let cursor = page["pagination"]["nextCursor"]
        .as_str()
        .expect("a second page")
        .to_owned();
    let mut table = Table {
        key: cluster.reader_key.clone(),
        lines: Vec::new(),
    };
    for tail in PATHS {
        for (method, route) in [
            ("GET", "config"),
            ("PUT", "config"),
            ("GET", "audit"),
            ("PUT", "drafts"),
        ] {
            // Whole namespaces are read by `config`, and the trail of a key is that of a namespace.
            let headers = if method == "PUT" {
                "content-type: text/plain\r\n"
            } else {
                ""
            };
            let path = format!("/api/v1/{route}{tail}");
            table.line("a path", (method, &path), headers, b"", (400, "invalid-path", "*"));
        }
    }
    values(&mut table);
    schemas(&mut table);
    conditions_and_positions(&mut table, &cursor);
    framing(&mut table);

    let before = resident_bytes(&mut cluster);
    let address = cluster.http_address(0);
    let mut wrong = Vec::new();
    for line in &table.lines {
        let answer = send(&address, &line.request);
        let (status, problem) = parse(&answer);
        let uri = format!("https://confman.io/problems/{}", line.kind);
        let named = line.kind.is_empty() || problem["type"] == uri.as_str();
        let field = problem["field"].as_str().unwrap_or_default();
        let field = matches!(line.field, "" | "*") || field == line.field;
        if status != line.status || !named || !field {
            wrong.push(format!("{}: {status} {problem}", line.what));
        }
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{}: {answer}", line.what);
        assert!(!answer.contains(&cluster.reader_key), "{}: a key comes back", line.what);
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
    let after = resident_bytes(&mut cluster);
    assert!(after < before + KEPT_BYTES, "{before} and then {after} bytes of memory");
    assert_eq!(events(&cluster).await, told, "nothing was written");
}
