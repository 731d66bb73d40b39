//! Logs: one event a line on standard error, filtered by `CONFMAN_LOG` (default `info`). Lines written while a request is
//! worked on carry its trace id and its correlation id.

use std::fmt;
use std::io::IsTerminal as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogFormat;
use crate::http::trace::Trace;

const VARIABLE: &str = "CONFMAN_LOG";
/// openraft warns of every single heartbeat that a dead peer misses; the network layer logs the change instead.
const DEFAULT: &str = "info,openraft=error";
/// Keys that every line may have; a field of the same name is left out.
const TRACE_ID: &str = "trace_id";
const CORRELATION_ID: &str = "correlation_id";

/// Begins to log. Without a format people at a terminal get text, machines get JSON.
pub fn init(format: Option<LogFormat>) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal)
        .with_writer(std::io::stderr);
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    // A second call, in a test, keeps the first one's settings.
    let _ = match format {
        LogFormat::Json => builder.event_format(Json).try_init(),
        LogFormat::Text => builder.event_format(Text(Format::default())).try_init(),
    };
}

/// One JSON object a line.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line(Map::new());
        event.record(&mut line);
        let Line(mut line) = line;
        line.insert("time".to_owned(), format!("{:.6}", jiff::Timestamp::now()).into());
        line.insert(
            "level".to_owned(),
            metadata.level().as_str().to_ascii_lowercase().into(),
        );
        line.insert("target".to_owned(), metadata.target().into());
        if let Some(trace) = Trace::current() {
            line.insert(TRACE_ID.to_owned(), trace.id().into());
            line.insert(CORRELATION_ID.to_owned(), trace.correlation_id().into());
        }
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// The fields of an event.
struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, error.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// The usual lines, with the ids of the request at the end.
struct Text(Format);

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(trace) = Trace::current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let (line, id) = (line.trim_end(), trace.id());
        writeln!(
            writer,
            "{line} {TRACE_ID}={id} {CORRELATION_ID}={}",
            trace.correlation_id()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use http::{HeaderMap, HeaderName, HeaderValue};
    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("text")
        }
    }

    async fn in_a_request(work: impl Future<Output = ()>) {
        let id = HeaderValue::from_static("order-17");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-correlation-id"), id)]);
        Trace::of(&headers, "GET", "/").scope(work).await;
    }

    #[tokio::test]
    async fn a_json_line_has_the_fields_of_its_event_and_the_ids_of_its_request() {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt().event_format(Json).with_writer(lines.clone());
        let guard = tracing::subscriber::set_default(builder.finish());
        in_a_request(async { tracing::warn!(count = 3, text = "a \"quoted\"\nline", "something happened") }).await;
        tracing::info!("outside of a request");
        drop(guard);
        let text = lines.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 2, "one line an event: {text}");
        let line = &lines[0];
        assert_eq!(line["message"], "something happened");
        assert_eq!((&line["level"], &line["count"]), (&"warn".into(), &3.into()));
        assert_eq!(line["correlation_id"], "order-17");
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert_eq!(line["target"], module_path!());
        let time = line["time"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
        assert_eq!(lines[1].get("trace_id"), None);
    }

    #[tokio::test]
    async fn a_text_line_ends_with_the_ids_of_its_request() {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Text(Format::default()))
            .with_writer(lines.clone());
        let guard = tracing::subscriber::set_default(builder.finish());
        in_a_request(async { tracing::info!("something happened") }).await;
        drop(guard);
        let text = lines.text();
        assert!(text.contains("something happened trace_id="), "{text}");
        assert!(text.ends_with(" correlation_id=order-17\n"), "{text}");
    }
}
