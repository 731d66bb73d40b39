//! Spans, as an OTLP receiver gets them over a real socket.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use confman_core::access::Role;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::Method;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::cluster::{Cluster, Settings};
use crate::dev_mode::read_welcome;
use crate::http::{Call, get};
use crate::process::{PROGRAM, Process};
use crate::wait::eventually;
use crate::workflow::APPS;

/// Keeps every span that it gets.
#[derive(Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let mut spans = self.spans.lock().expect("no holder panics");
        spans.extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    /// Listens, and says where.
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(receiver.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        (receiver, format!("http://{address}"))
    }

    fn of_trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("no holder panics");
        let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == trace);
        of_trace.cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let Value::StringValue(text) = value {
        return Some(text.clone());
    }
    if let Value::IntValue(number) = value {
        return Some(number.to_string());
    }
    None
}

fn named<'a>(spans: &'a [Span], name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.name == name)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";
const REQUEST: &str = "PUT /api/v1/config/{*path}";
/// Every span of a forwarded write, with the one it is a part of.
const TREE: [(&str, &str); 5] = [
    ("propose", REQUEST),
    ("forward to the leader", "propose"),
    ("forwarded write", "forward to the leader"),
    ("log append and commit", "forwarded write"),
    ("apply", "forwarded write"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_write_is_one_tree_of_spans_from_the_caller_to_the_audit_event() {
    let (receiver, endpoint) = Receiver::start().await;
    let settings = Settings::nodes(3)
        .direct_writes()
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .with_variable("OTEL_BSP_SCHEDULE_DELAY", "50")
        .with_variable("CONFMAN_LOG", "debug");
    let cluster = Cluster::running(settings).await;
    let body = cluster
        .stamper
        .declare(APPS, "/apps", &[(Role::Publisher, "key:reader")], None);
    let declared = cluster.courier_for_all().declare_namespace(&body).await;
    let index = declared.expect("root may declare a namespace").position.index;
    let follower = cluster.follower().await;
    cluster.wait_applied(follower, index).await;

    let address = cluster.http_address(follower);
    let url = format!("http://{address}/api/v1/config/apps/colour");
    let call = Call::new(Method::PUT, url, Some(&cluster.reader_key))
        .header("traceparent", format!("00-{TRACE}-{CALLERS_SPAN}-01"))
        .body("text/plain", "blue");
    let written = call.send().await.expect("an answer");
    assert_eq!(written.status, 200, "{}", written.text);

    let spans = eventually("every span has come", async || {
        let spans = receiver.of_trace(TRACE);
        let names: Vec<_> = spans.iter().map(|span| span.name.clone()).collect();
        let all = TREE.iter().all(|(name, _)| named(&spans, name).is_some()) && named(&spans, REQUEST).is_some();
        all.then_some(spans).ok_or(names)
    })
    .await;
    let root = named(&spans, REQUEST).expect("it has come");
    assert_eq!(
        hex(&root.parent_span_id),
        CALLERS_SPAN,
        "the caller's span is the parent of all"
    );
    assert_eq!(
        written.header("traceparent"),
        format!("00-{TRACE}-{}-01", hex(&root.span_id))
    );
    for (name, parent) in TREE {
        let (span, parent) = (named(&spans, name), named(&spans, parent));
        let (span, parent) = (span.expect("it has come"), parent.expect("it has come"));
        assert_eq!(
            span.parent_span_id, parent.span_id,
            "{name} is a part of {}",
            parent.name
        );
    }
    assert_eq!(attribute(root, "http.request.method").as_deref(), Some("PUT"));
    assert_eq!(attribute(root, "http.route").as_deref(), Some("/api/v1/config/{*path}"));
    assert_eq!(attribute(root, "http.response.status_code").as_deref(), Some("200"));

    let index = written.header("confman-index");
    let audit = get(
        &format!("http://{address}/api/v1/audit/apps?consistency=index={index}&limit=1"),
        Some(&cluster.reader_key),
    )
    .await
    .expect("an answer");
    let event = &audit.json()["items"][0];
    assert_eq!(event["traceId"], TRACE, "{}", audit.text);
    let apply = named(&spans, "apply").expect("it has come");
    assert_eq!(
        attribute(apply, "confman.audit.event_id").as_deref(),
        event["id"].as_str()
    );
    assert_eq!(attribute(apply, "confman.raft.index").as_deref(), Some(index));
    for node in 0..3 {
        let log = cluster.log(node);
        assert!(
            !log.contains(&cluster.reader_key),
            "node {node} has logged a credential"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_although_nobody_takes_the_spans() {
    // Connections are accepted by the system and never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(PROGRAM);
    command
        .args(["dev", "--port", "0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "10")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .stdout(Stdio::piped());
    let mut process = Process::start(command, &folder.path().join("log"));
    let welcome = read_welcome(&mut process);
    let url = format!("{}/api/v1/config/greeting", welcome.url);
    for round in 0..60 {
        let call = Call::new(Method::PUT, url.clone(), Some(&welcome.key)).body("application/json", round.to_string());
        let written = call.send().await.expect("an answer");
        assert_eq!(written.status, 200, "{}", written.text);
    }
    let status = process.stop("-INT").await;
    assert_eq!(status.code(), Some(0), "and it stops all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_than_grpc_is_refused_with_its_variable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = Command::new(PROGRAM)
        .args(["dev", "--port", "0", "--data-dir"])
        .arg(folder.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && text.contains("OTEL_EXPORTER_OTLP_PROTOCOL"),
        "{text}"
    );
}
