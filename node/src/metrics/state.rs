//! What the replicated state holds, as far as that is cheap to know.

use confman_core::publish_request::RequestState;

use super::register::{Level, Register, set};
use crate::http::App;

/// Open requests are counted up to here, so that reading the metrics stays cheap.
const MOST_COUNTED: usize = 10_000;

pub(super) struct StateMetrics {
    namespaces: Level,
    open_requests: Level,
    api_keys: Level,
}

impl StateMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            namespaces: register.level("namespaces", "Config namespaces."),
            open_requests: register.level(
                "publish_requests_open",
                "Publish requests that wait for review; counted up to 10000.",
            ),
            api_keys: register.level("api_keys", "API keys that this node accepts."),
        }
    }

    pub(super) fn sample(&self, app: &App) {
        let state = app.reader.state();
        set(&self.namespaces, state.namespaces().len() as u64);
        set(&self.api_keys, app.authenticator.key_count() as u64);
        match state.read(|view| view.count_requests(RequestState::PendingReview, MOST_COUNTED)) {
            Ok(open) => set(&self.open_requests, open as u64),
            Err(error) => tracing::warn!(%error, "open requests cannot be counted"),
        }
    }
}
