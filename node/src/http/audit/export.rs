//! The whole chain as lines of JSON, oldest event first, in the memory of a few events: what the caller may not read, or
//! did not ask for, is a stub, so that the chain can be verified all the same.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use confman_api::audit::{AuditBegin, AuditEnd, AuditLine};
use confman_api::problem::{Problem, ProblemType};
use confman_core::audit::{AuditEvent, AuditHead};
use confman_core::ids::NamespacePath;
use confman_core::state::StateView as _;
use confman_store::{AuditPosition, AuditRange, Order, SnapshotView, StateReader, Take};
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::Semaphore;

use super::App;
use crate::http::call::{Call, bad_parameter, refuse_parameters};

/// Media types that ask for an export; the first is what it is answered with.
const LINES: [&str; 2] = ["application/x-ndjson", "application/jsonl"];
/// Events that are in memory at once.
const EVENTS_AT_ONCE: usize = 64;

/// What is shown to whom.
pub(super) struct Subject {
    /// Events outside of it are hidden.
    pub(super) namespace: NamespacePath,
    /// Whether the query leaves out events that the caller could read.
    pub(super) filtered: bool,
    /// What else must hold for an event to be shown.
    pub(super) is_visible: Box<dyn Fn(&AuditEvent) -> bool + Send + Sync>,
}

/// True if the caller accepts lines of JSON. The parameters of pages are refused then.
pub(super) fn is_wanted(call: &Call) -> Result<bool, Problem> {
    let lines = call.headers().get_all(ACCEPT).iter();
    let mut ranges = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let wanted = ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        LINES.iter().any(|known| known.eq_ignore_ascii_case(name)) && !parts.any(is_refused)
    });
    if wanted {
        refuse_parameters(
            call,
            &["cursor", "limit"],
            "is for pages; an export is always the whole chain",
        )?;
        if call.parameter("order") == Some("newest") {
            return Err(bad_parameter(
                "order",
                "must be oldest: an export begins with the oldest event",
            ));
        }
    }
    Ok(wanted)
}

/// True for a quality of zero.
fn is_refused(part: &str) -> bool {
    part.strip_prefix("q=")
        .is_some_and(|quality| quality.starts_with('0') && quality.trim_end_matches(['0', '.']).is_empty())
}

/// Begins the export. The chain ends where it ended when this was called.
pub(super) async fn export(app: &App, subject: Subject) -> Result<Response<Body>, Problem> {
    let (head, cluster) = app.list(|view| Ok((view.audit_head()?, view.cluster()?))).await?;
    let Some(cluster) = cluster else {
        return Err(Problem::new(
            ProblemType::NotInitialised,
            "the cluster is not initialised",
        ));
    };
    let begin = AuditLine::Begin(AuditBegin {
        format: AuditBegin::FORMAT,
        cluster_id: cluster.cluster_id.clone(),
        namespace: subject.namespace.clone(),
        filtered: subject.filtered,
    });
    let mut first = Vec::new();
    begin.write(&mut first).map_err(|error| {
        tracing::error!(%error, "an export cannot be written as JSON");
        Problem::new(ProblemType::Internal, "the export cannot be written as JSON")
    })?;
    let walk = Walk {
        state: app.reader.state().clone(),
        places: Arc::clone(&app.audit_walks),
        subject,
        head,
        last: None,
        lines: first,
        counted: 0,
        hidden: 0,
        is_done: false,
    };
    let chunks = futures::stream::try_unfold(walk, Walk::next);
    let mut response = Response::new(Body::from_stream(chunks));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(LINES[0]));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// How far an export is.
struct Walk {
    state: StateReader,
    places: Arc<Semaphore>,
    subject: Subject,
    head: AuditHead,
    last: Option<AuditPosition>,
    /// Lines that are not sent yet.
    lines: Vec<u8>,
    counted: u64,
    hidden: u64,
    is_done: bool,
}

impl Walk {
    /// The next lines; none behind the last. An error breaks the connection, and the export has no end then.
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.is_done {
            return Ok(None);
        }
        // Only who reads holds a place: one who is slow to take the lines keeps nobody waiting.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let walked = tokio::task::spawn_blocking(move || {
            let state = self.state.clone();
            let read = state.read(|view| self.read(view));
            drop(place);
            read.map(|()| self)
        });
        let mut walk = walked.await.map_err(io::Error::other)?.inspect_err(|error| {
            tracing::error!(%error, "an export of the audit cannot go on");
        })?;
        let lines = std::mem::take(&mut walk.lines);
        Ok(Some((lines.into(), walk)))
    }

    /// Writes the next events, and the end behind the last.
    fn read(&mut self, view: &SnapshotView<'_>) -> io::Result<()> {
        let (mut failed, counted) = (None, self.counted);
        if counted < self.head.count {
            let range = AuditRange {
                from: self.last.map_or(Bound::Unbounded, Bound::Excluded),
                to: Bound::Unbounded,
                order: Order::OldestFirst,
                limit: EVENTS_AT_ONCE,
                walk: EVENTS_AT_ONCE,
            };
            let page = view.audit_below(&NamespacePath::root(), range, |event| {
                if self.counted == self.head.count {
                    return Take::End;
                }
                failed = failed.take().or_else(|| self.write(event).err());
                Take::PassOver
            });
            page.map_err(io::Error::other)?;
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        if self.counted == self.head.count {
            self.is_done = true;
            let end = AuditLine::End(AuditEnd {
                count: self.head.count,
                hidden: self.hidden,
                hash: self.head.hash,
            });
            end.write(&mut self.lines)?;
        } else if self.counted == counted {
            return Err(io::Error::other("the state has fewer events than its head says"));
        }
        Ok(())
    }

    fn write(&mut self, event: &AuditEvent) -> Result<(), serde_json::Error> {
        let namespace = &event.resource.namespace;
        let is_inside = *namespace == self.subject.namespace || namespace.is_below(&self.subject.namespace);
        let line = if is_inside && (self.subject.is_visible)(event) {
            AuditLine::Event(Box::new(event.clone()))
        } else {
            self.hidden += 1;
            AuditLine::Hidden(event.stub())
        };
        self.counted += 1;
        self.last = Some(AuditPosition {
            index: event.position.index,
            seq: event.seq,
        });
        line.write(&mut self.lines)
    }
}
