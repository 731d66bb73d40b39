//! The four golden signals of the HTTP ports: rate, errors and latency by route, and how full the node is.

use std::time::Duration;

use confman_api::limits;
use confman_api::problem::ProblemType;
use tokio::sync::Semaphore;

use super::register::{Counters, Latencies, Level, Levels, Register, set};
use crate::http::App;

pub(super) struct HttpMetrics {
    requests: Counters<3>,
    duration: Latencies<2>,
    problems: Counters<1>,
    in_flight: Levels<1>,
    limit: Levels<1>,
    watchers: Level,
}

impl HttpMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            requests: register.counters(
                "http_requests",
                ["method", "route", "status"],
                "Requests by route pattern and class of the status.",
            ),
            duration: register.latencies(
                "http_request_duration",
                ["method", "route"],
                "Time from the header of a request to the header of its answer.",
            ),
            problems: register.counters(
                "http_problems",
                ["problem"],
                "Answers that are no success, by type of the problem.",
            ),
            in_flight: register.levels(
                "http_requests_in_flight",
                ["port"],
                "Requests at work now; at the limit new ones are refused.",
            ),
            limit: register.levels("http_requests_limit", ["port"], "Requests that may be at work at once."),
            watchers: register.level("watchers", "Open streams and waiting reads."),
        }
    }

    pub(super) fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.requests.count([method, route, class(status)]);
        self.duration.observe([method, route], took);
    }

    pub(super) fn problem(&self, kind: ProblemType) {
        self.problems.count([kind.name()]);
    }

    pub(super) fn sample(&self, app: &App) {
        let ports = [("public", &app.public_places), ("internal", &app.internal_places)];
        for (port, places) in ports {
            self.in_flight.set([port], taken(places, limits::REQUESTS.value));
            self.limit.set([port], limits::REQUESTS.value as u64);
        }
        set(&self.watchers, app.feed.watchers() as u64);
    }
}

/// Places of `limit` that are not free.
pub(crate) fn taken(places: &Semaphore, limit: usize) -> u64 {
    limit.saturating_sub(places.available_permits()) as u64
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
