//! What is wrong is refused with a problem that names the field and the limit, and changes nothing.

use confman_core::access::Role;
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Call, raw};
use crate::workflow::APPS;

/// Method, path, what type of problem, which field.
const READS: &[(&str, &str, &str)] = &[
    ("/api/v1/config/apps/../secret", "invalid-path", "path"),
    ("/api/v1/config/apps//key", "invalid-path", "path"),
    ("/api/v1/config/apps%2Fkey/x", "invalid-path", "path"),
    ("/api/v1/config/apps/%2e%2e", "invalid-path", "key"),
    ("/api/v1/config/Apps/key", "invalid-path", "path"),
    ("/api/v1/config/apps/k%00y", "invalid-path", "key"),
    ("/api/v1/config/apps/", "invalid-path", "key"),
    (
        "/api/v1/config/apps/colour?consistency=eventually",
        "invalid-parameter",
        "consistency",
    ),
    (
        "/api/v1/config/apps/colour?consistency=index=x",
        "invalid-parameter",
        "consistency",
    ),
    ("/api/v1/config/apps/colour?surprise=1", "invalid-parameter", "surprise"),
    (
        "/api/v1/config/apps/colour?version=1&version=2",
        "invalid-parameter",
        "version",
    ),
    ("/api/v1/config/apps/colour?version=-1", "invalid-parameter", "version"),
    ("/api/v1/config/apps/colour?limit=5", "invalid-parameter", "limit"),
    ("/api/v1/config/apps?limit=0", "invalid-parameter", "limit"),
    ("/api/v1/config/apps?limit=1001", "invalid-parameter", "limit"),
    ("/api/v1/config/apps?cursor=nonsense", "invalid-parameter", "cursor"),
    ("/api/v1/config/apps?values=yes", "invalid-parameter", "values"),
    ("/api/v1/config/apps?version=1", "invalid-parameter", "version"),
    ("/api/v1/audit/apps?order=sideways", "invalid-parameter", "order"),
    ("/api/v1/audit/apps?cursor=MS54LnkueA", "invalid-parameter", "cursor"),
    ("/api/v1/audit/apps?actor=ada", "invalid-parameter", "actor"),
    ("/api/v1/audit/apps?key=a/b", "invalid-parameter", "key"),
    ("/api/v1/audit/apps?action=Published", "invalid-parameter", "action"),
    ("/api/v1/audit/apps?request=a%20b", "invalid-parameter", "request"),
    ("/api/v1/audit/apps?from=yesterday", "invalid-parameter", "from"),
    ("/api/v1/audit/apps?to=2026-13-01T00:00:00Z", "invalid-parameter", "to"),
    (
        "/api/v1/audit/apps?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "invalid-parameter",
        "to",
    ),
    ("/api/v1/publish-requests/not%20an%20id", "invalid-path", "id"),
    ("/health/ready?level=maybe", "invalid-parameter", "level"),
];

/// Media type, body, type of problem, field.
const WRITES: &[(&str, &str, &str, &str)] = &[
    ("application/json", "{", "invalid-body", "value"),
    ("application/json", "", "invalid-body", "value"),
    ("application/json", "18446744073709551617", "invalid-body", "value"),
    ("application/json", "{\"a\":1,\"a\":2}", "invalid-body", "value"),
    ("application/json", "\"\\ud800\"", "invalid-body", "value"),
    (
        "application/x-www-form-urlencoded",
        "a=b",
        "unsupported-media-type",
        "Content-Type",
    ),
    ("text/html", "<b>", "unsupported-media-type", "Content-Type"),
];

async fn site() -> Cluster {
    let cluster = Cluster::running(Settings::nodes(1).direct_writes()).await;
    let body = cluster
        .stamper
        .declare(APPS, "/apps", &[(Role::Publisher, "key:reader")], None);
    cluster
        .courier(0)
        .declare_namespace(&body)
        .await
        .expect("root may declare a namespace");
    cluster
}

pub(crate) async fn events(cluster: &Cluster) -> usize {
    let url = format!("http://{}/api/v1/audit/apps", cluster.http_address(0));
    let audit = crate::http::get(&url, Some(&cluster.reader_key))
        .await
        .expect("an answer");
    audit.json()["items"].as_array().expect("items").len()
}

/// Sends a request line as it is: clients like to tidy paths up.
fn raw_get(cluster: &Cluster, path: &str) -> (u16, serde_json::Value) {
    let key = &cluster.reader_key;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n");
    parse(&raw(&cluster.http_address(0), request.as_bytes()))
}

pub(crate) fn parse(answer: &str) -> (u16, serde_json::Value) {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = body.trim_start_matches(|letter: char| letter != '{');
    let end = body.rfind('}').map_or(0, |end| end + 1);
    (status, serde_json::from_str(&body[..end]).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_read_names_its_field() {
    let cluster = site().await;
    for (path, kind, field) in READS {
        let (status, problem) = raw_get(&cluster, path);
        let uri = format!("https://confman.io/problems/{kind}");
        assert_eq!(
            (status, problem["type"].as_str()),
            (400, Some(uri.as_str())),
            "{path}: {problem}"
        );
        assert_eq!(problem["field"], *field, "{path}: {problem}");
        assert!(
            problem["instance"].is_string() && problem["traceId"].is_string(),
            "{path}: {problem}"
        );
    }
    let long = "a".repeat(600);
    let (_, problem) = raw_get(&cluster, &format!("/api/v1/config/{long}/key"));
    assert_eq!(
        (&problem["field"], &problem["limit"]),
        (&"path".into(), &"512 bytes".into()),
        "{problem}"
    );
    let deep = vec!["a"; 18].join("/");
    let (_, problem) = raw_get(&cluster, &format!("/api/v1/config/{deep}"));
    assert_eq!(problem["limit"], "16 segments", "{problem}");
    let (_, problem) = raw_get(&cluster, &format!("/api/v1/config/apps/{}", "k".repeat(64)));
    assert_eq!(
        (&problem["field"], &problem["limit"]),
        (&"key".into(), &"63 bytes".into()),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_wrong_methods_are_problems_too() {
    let cluster = site().await;
    for path in [
        "/",
        "/api",
        "/api/v2/config/apps",
        "/metrics",
        "/internal/v1/status",
        "/api/v1/config/../..",
    ] {
        let (status, problem) = raw_get(&cluster, path);
        assert!(
            status == 404 || problem["field"] == "path",
            "{path}: {status} {problem}"
        );
        assert!(problem["type"].is_string(), "{path}: {status}");
    }
    for method in [Method::POST, Method::OPTIONS, Method::TRACE] {
        let url = format!("http://{}/api/v1/config/apps/colour", cluster.http_address(0));
        let answer = Call::new(method.clone(), url, Some(&cluster.reader_key))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").contains("GET"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_write_changes_nothing() {
    let cluster = site().await;
    let before = events(&cluster).await;
    let url = format!("http://{}/api/v1/config/apps/colour", cluster.http_address(0));
    let put = || Call::new(Method::PUT, url.clone(), Some(cluster.reader_key.as_str()));
    for (media_type, body, kind, field) in WRITES {
        let problem = put().body(media_type, *body).send().await.expect("an answer").problem();
        let (uri, shown) = (
            format!("https://confman.io/problems/{kind}"),
            format!("{body}: {problem:?}"),
        );
        assert_eq!(
            (problem.type_uri, problem.field.as_deref()),
            (uri, Some(*field)),
            "{shown}"
        );
    }
    let deep = put()
        .body("application/json", "[".repeat(65) + &"]".repeat(65))
        .send()
        .await;
    assert_eq!(deep.expect("an answer").problem().limit.as_deref(), Some("64 levels"));
    let bytes = put()
        .body("text/plain", vec![0xff, 0xfe])
        .send()
        .await
        .expect("an answer");
    assert_eq!(bytes.problem().status, 400, "text is UTF-8");
    let large = put()
        .body("text/plain", vec![b'x'; 1_048_577])
        .send()
        .await
        .expect("an answer")
        .problem();
    assert_eq!((large.status, large.limit.as_deref()), (413, Some("1048576 bytes")));
    let huge = put()
        .body("text/plain", vec![b'x'; 3_000_000])
        .send()
        .await
        .expect("an answer")
        .problem();
    assert_eq!((huge.status, huge.field.as_deref()), (413, Some("body")));
    let no_digest = put()
        .header("if-match", "blue")
        .body("text/plain", "x")
        .send()
        .await
        .expect("an answer");
    assert_eq!(no_digest.problem().field.as_deref(), Some("If-Match"));
    let namespace = format!("http://{}/api/v1/config/apps", cluster.http_address(0));
    let call = Call::new(Method::PUT, namespace, Some(&cluster.reader_key)).body("text/plain", "x");
    let status = call.send().await.expect("an answer").status;
    assert!((400..500).contains(&status), "a namespace is no key: {status}");
    assert_eq!(events(&cluster).await, before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_over_the_limit_and_a_large_header_are_refused() {
    let cluster = site().await;
    let key = &cluster.reader_key;
    let mut request = format!(
        "PUT /api/v1/config/apps/colour HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n\
         content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..40 {
        request.extend_from_slice(b"10000\r\n");
        request.extend(std::iter::repeat_n(b'x', 0x10000));
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let (status, problem) = parse(&raw(&cluster.http_address(0), &request));
    assert_eq!((status, &problem["field"]), (413, &"body".into()), "{problem}");

    let long = "y".repeat(20_000);
    let request = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\nconnection: close\r\n\r\n");
    let (status, problem) = parse(&raw(&cluster.http_address(0), request.as_bytes()));
    assert_eq!((status, &problem["limit"]), (431, &"16384 bytes".into()), "{problem}");
    let lines = "x-one: 1\r\n".repeat(80);
    let request = format!("GET /health HTTP/1.1\r\nhost: x\r\n{lines}connection: close\r\n\r\n");
    let (status, problem) = parse(&raw(&cluster.http_address(0), request.as_bytes()));
    assert_eq!((status, &problem["limit"]), (431, &"64 lines".into()), "{problem}");
    for nonsense in ["GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        let answer = raw(&cluster.http_address(0), nonsense.as_bytes());
        assert!(answer.is_empty() || answer.contains("400"), "{nonsense:?}: {answer}");
    }
    cluster.wait_ready(0).await;
}

/// What is refused before its body was read: the route, the key, the length.
const UNREAD: &[(&str, &str, u16)] = &[
    ("/nowhere", "", 404),
    ("/api/v1/config/apps/colour", "x-api-key: wrong\r\n", 401),
    ("/api/v1/config/apps/colour", "", 401),
    ("/api/v1/config/apps/colour", "KEYcontent-type: text/plain\r\n", 413),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_before_it_listens_hears_why_it_was_refused() {
    let cluster = site().await;
    let key = format!("x-api-key: {}\r\n", cluster.reader_key);
    let body = vec![b'x'; 8_000_000];
    for (path, headers, status) in UNREAD {
        let headers = headers.replace("KEY", &key);
        let length = body.len();
        let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n");
        // Without `connection: close`: the connection is still good for the next request.
        let mut request = [head.as_bytes(), body.as_slice()].concat();
        request.extend_from_slice(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answers = raw(&cluster.http_address(0), &request);
        assert_eq!(parse(&answers).0, *status, "{path} {headers}: {answers}");
        assert!(answers.contains("HTTP/1.1 200"), "{path} {headers}: {answers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_couriers_bodies_are_checked_too() {
    let cluster = site().await;
    let body = cluster.stamper.submit("request-1", "ada", (APPS, "colour"), "1");
    let valid = serde_json::to_value(&body).expect("commands serialise");
    let mut unknown = valid.clone();
    unknown["surprise"] = 1.into();
    let mut wrong_type = valid.clone();
    wrong_type["spec"]["key"] = 7.into();
    let mut bad_path = valid.clone();
    bad_path["spec"]["key"] = "../x".into();
    let cases = [(unknown, "surprise"), (wrong_type, "spec.key"), (bad_path, "spec.key")];
    for (body, field) in cases {
        let parsed =
            confman_node::http::body::parse_json::<confman_core::proposal::SubmitRequest>(body.to_string().as_bytes());
        let problem = parsed.expect_err("the body is wrong");
        assert_eq!(problem.field.as_deref(), Some(field), "{}", problem.detail);
    }
    let mut forged = body.clone();
    forged.requester.signature[0] ^= 1;
    let refused = cluster
        .courier(0)
        .submit(&forged)
        .await
        .expect_err("a forged stamp is refused");
    let problem = refused.problem().expect("the node answers");
    assert_eq!(problem.type_uri, "https://confman.io/problems/invalid-stamp");
}
