//! Metrics of one node, all with bounded labels: never a key, path, principal or error text.
//!
//! One file an area; each has a struct that registers its metrics when it is made, methods for whoever counts, and `sample`
//! for what is looked up just before each exposition. A new area is a file and a line in `Inner`.

mod backup;
mod http;
mod raft;
mod register;
mod state;
mod store;
mod webhooks;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use confman_api::problem::ProblemType;
use confman_core::audit::AuditAction;
use confman_core::ids::Timestamp;
use confman_core::webhook::DeliveryResult;
use prometheus_client::registry::Registry;

pub(crate) use self::http::taken;
use self::register::Register;
pub use self::register::Row;
use crate::http::App;
use crate::propose::{Answered, ProposeError};

/// Content type of the exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters and gauges of a node. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    rows: Vec<Row>,
    http: http::HttpMetrics,
    writes: writes::WriteMetrics,
    raft: raft::RaftMetrics,
    store: store::StoreMetrics,
    state: state::StateMetrics,
    webhooks: webhooks::WebhookMetrics,
    backup: backup::BackupMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut register = Register::default();
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        register.info("build", version, "Version of the program; always 1.");
        let http = http::HttpMetrics::new(&mut register);
        let writes = writes::WriteMetrics::new(&mut register);
        let raft = raft::RaftMetrics::new(&mut register);
        let store = store::StoreMetrics::new(&mut register);
        let state = state::StateMetrics::new(&mut register);
        let webhooks = webhooks::WebhookMetrics::new(&mut register);
        let backup = backup::BackupMetrics::new(&mut register);
        let Register { registry, rows } = register;
        Self {
            inner: Arc::new(Inner {
                registry,
                rows,
                http,
                writes,
                raft,
                store,
                state,
                webhooks,
                backup,
            }),
        }
    }
}

impl Metrics {
    /// Counts one request. `route` is a pattern of the route table.
    pub fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.inner.http.request(method, route, status, took);
    }

    /// Counts one answer that is no success.
    pub fn problem(&self, kind: ProblemType) {
        self.inner.http.problem(kind);
    }

    /// Counts one command of a caller of this node; gives the word for what came of it.
    pub fn proposed(
        &self,
        command: &'static str,
        result: &Result<Answered, ProposeError>,
        took: Duration,
    ) -> &'static str {
        self.inner.writes.proposed(command, result, took)
    }

    /// A forwarded write was answered.
    pub(crate) fn forwarded(&self, took: Duration) {
        self.inner.writes.forwarded(took);
    }

    /// An entry that this leader offered was committed.
    pub(crate) fn committed(&self, took: Duration) {
        self.inner.writes.committed(took);
    }

    /// The rules have decided on a committed command.
    pub(crate) fn applied(&self, command: &'static str, took: Duration) {
        self.inner.writes.applied(command, took);
    }

    /// A batch of commands was written.
    pub(crate) fn applied_batch(&self, took: Duration) {
        self.inner.writes.batch(took);
    }

    /// An audit event was made.
    pub(crate) fn audited(&self, action: AuditAction) {
        self.inner.writes.audited(action);
    }

    /// Counts one attempt to deliver a webhook.
    pub fn webhook_attempt(&self, result: DeliveryResult) {
        self.inner.webhooks.attempt(result);
    }

    /// Sets how many deliveries wait, and how many targets fail.
    pub fn webhook_outbox(&self, pending: u64, failing: usize) {
        self.inner.webhooks.outbox(pending, failing);
    }

    /// Sets how many live values are older than their schemas allow.
    pub fn rotation_due(&self, keys: usize) {
        self.inner.webhooks.rotation_due(keys);
    }

    /// A backup is complete, or was found to be.
    pub(crate) fn backup_taken(&self, at: Timestamp, bytes: u64) {
        self.inner.backup.taken(at, bytes);
    }

    /// A backup was not taken.
    pub(crate) fn backup_failed(&self) {
        self.inner.backup.failed();
    }

    /// Every metric, for the docs.
    pub fn rows(&self) -> &[Row] {
        &self.inner.rows
    }

    /// The table of every metric as Markdown.
    pub fn table(&self) -> String {
        register::markdown(&self.inner.rows)
    }

    /// The exposition, with gauges as of now.
    pub fn expose(&self, app: &App) -> Result<String, std::fmt::Error> {
        let Inner {
            registry,
            rows: _,
            http,
            writes,
            raft,
            store,
            state,
            webhooks: _,
            backup: _,
        } = &*self.inner;
        http.sample(app);
        writes.sample(app.proposer.in_flight());
        raft.sample(app);
        store.sample(&app.stats, &app.room);
        state.sample(app);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry)?;
        Ok(text)
    }
}
