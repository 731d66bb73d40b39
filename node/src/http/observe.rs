//! What is kept of a request when it has been answered: its metrics, its span, and a log line if it was slow.

use std::time::{Duration, Instant};

use axum::body::Body;
use confman_api::problem::Problem;
use http::{HeaderMap, Response};

use super::trace::Trace;
use crate::metrics::Metrics;

/// A request that takes longer is logged.
const SLOW: Duration = Duration::from_secs(1);

/// One request from its header to the header of its answer.
pub(super) struct Observed {
    method: &'static str,
    /// A pattern of the route table.
    route: &'static str,
    started: Instant,
    trace: Trace,
    /// What it may take without being slow.
    slow: Duration,
}

impl Observed {
    /// A request with this header has come.
    pub(super) fn begin(method: &'static str, route: &'static str, headers: &HeaderMap) -> Self {
        Self {
            method,
            route,
            started: Instant::now(),
            trace: Trace::of(headers, method, route),
            slow: SLOW,
        }
    }

    /// It may wait so long for a change; that does not make it slow.
    #[must_use]
    pub(super) fn may_wait(self, wait: Duration) -> Self {
        let slow = self.slow + wait;
        Self { slow, ..self }
    }

    /// Its ids.
    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// It ends in `problem`, whatever else happens.
    pub(super) fn refused(&self, metrics: &Metrics, problem: &Problem) {
        tracing::debug!(
            status = problem.status,
            kind = problem.type_uri,
            route = self.route,
            "request refused"
        );
        if let Some(kind) = problem.kind() {
            metrics.problem(kind);
            if problem.status >= 500 {
                self.trace.span().fail(kind.name());
            }
        }
    }

    /// It is answered with `response`, which gets the ids.
    pub(super) fn end(self, metrics: &Metrics, response: &mut Response<Body>) {
        let took = self.started.elapsed();
        let status = response.status().as_u16();
        self.trace.answer(response.headers_mut());
        self.trace.span().set("http.response.status_code", i64::from(status));
        metrics.request(self.method, self.route, status, took);
        if took >= self.slow {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                method = self.method,
                route = self.route,
                status,
                took_ms,
                "slow request"
            );
        }
    }
}
