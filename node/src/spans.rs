//! Spans by OpenTelemetry, sent in the background to an OTLP receiver over gRPC; nothing at all unless the standard variable
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is set. A full queue drops spans, never requests.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tonic::transport::ClientTlsConfig;

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const SERVICE: &str = "confman-node";
/// Longest wait for the last spans when the node stops.
const LAST_EXPORT: Duration = Duration::from_secs(2);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum SpansError {
    /// Another protocol is asked for.
    #[error("{variable} is {value:?}; this program speaks grpc")]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// The settings make no sense to the exporter.
    #[error("the exporter cannot be set up")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends what is left when it is stopped.
pub struct Exporter(Option<SdkTracerProvider>);

/// Begins to export spans if the environment says where to. To be called once, on the runtime that stays.
pub fn start(instance: &str) -> Result<Exporter, SpansError> {
    let Some(endpoint) = endpoint() else {
        return Ok(Exporter(None));
    };
    for variable in PROTOCOLS {
        if let Some(value) = setting(variable).filter(|value| value != "grpc") {
            return Err(SpansError::Protocol { variable, value });
        }
    }
    let builder = SpanExporter::builder().with_tonic().with_endpoint(endpoint.clone());
    let exporter = if endpoint.starts_with("https:") {
        builder
            .with_tls_config(ClientTlsConfig::new().with_native_roots())
            .build()
    } else {
        builder.build()
    }?;
    let mut resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance.to_owned()),
    ]);
    if setting("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(SERVICE);
    }
    // Sampler, queue and batch sizes come from the standard variables.
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    // A second node in one process, in a test, shares the first one's.
    drop(TRACER.set(provider.tracer(SERVICE)));
    tracing::info!("spans are exported");
    Ok(Exporter(Some(provider)))
}

/// Where to; none if spans are off.
fn endpoint() -> Option<String> {
    let disabled = setting("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || setting("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    ENDPOINTS.into_iter().find_map(setting).filter(|_| !disabled)
}

fn setting(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Exporter {
    /// Sends what is left, for a short while. Blocking.
    pub fn stop(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST_EXPORT)
        {
            tracing::debug!(%error, "the last spans were not exported");
        }
    }
}

/// The ids of a span, as they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Of the whole trace; not zero.
    pub trace: u128,
    /// Of the span; not zero.
    pub span: u64,
    /// Bit 0: sampled.
    pub flags: u8,
}

/// A span in the making; it ends when its last clone is dropped. Does nothing while spans are off.
#[derive(Clone, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// A span for something that somebody else asked for; `parent` is theirs.
    pub fn received(
        name: impl FnOnce() -> String,
        parent: Option<Ids>,
        attributes: &[(&'static str, &'static str)],
    ) -> Self {
        if TRACER.get().is_none() {
            return Self(None);
        }
        let parent = parent.map_or_else(Context::new, |ids| {
            let flags = TraceFlags::new(ids.flags);
            let (trace, span) = (TraceId::from(ids.trace), SpanId::from(ids.span));
            let remote = SpanContext::new(trace, span, flags, true, TraceState::default());
            Context::new().with_remote_span_context(remote)
        });
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(*key, *value));
        let builder = SpanBuilder::from_name(name()).with_kind(SpanKind::Server);
        Self::begin(builder.with_attributes(attributes), &parent)
    }

    /// A part of this span that begins now.
    #[must_use]
    pub fn child(&self, name: &'static str, kind: SpanKind) -> Self {
        match &self.0 {
            Some(parent) => Self::begin(SpanBuilder::from_name(name).with_kind(kind), parent),
            None => Self(None),
        }
    }

    /// A part of this span that is over: it went from the first to the second time.
    pub fn past(&self, name: &'static str, (from, to): (Instant, Instant), attributes: Vec<(&'static str, String)>) {
        let (Some(parent), Some(tracer)) = (&self.0, TRACER.get()) else {
            return;
        };
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(wall_clock(from))
            .with_attributes(attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)));
        let mut span = tracer.build_with_context(builder, parent);
        span.end_with_timestamp(wall_clock(to));
    }

    fn begin(builder: SpanBuilder, parent: &Context) -> Self {
        let tracer = TRACER.get();
        Self(tracer.map(|tracer| Context::new().with_span(tracer.build_with_context(builder, parent))))
    }

    /// True if what it is told goes anywhere.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// Its ids; none while spans are off.
    pub fn ids(&self) -> Option<Ids> {
        let context = self.0.as_ref()?;
        let span = context.span();
        let ids = span.span_context();
        Some(Ids {
            trace: u128::from_be_bytes(ids.trace_id().to_bytes()),
            span: u64::from_be_bytes(ids.span_id().to_bytes()),
            flags: ids.trace_flags().to_u8(),
        })
    }

    /// Adds to what it says.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// It went wrong. `what` is a fixed word, never a text with a value in it.
    pub fn fail(&self, what: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", what));
            context.span().set_status(Status::error(what));
        }
    }
}

/// The wall clock at `instant`, which is not long ago.
fn wall_clock(instant: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(instant.elapsed()).unwrap_or(now)
}
