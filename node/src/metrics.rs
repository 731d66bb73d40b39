//! Metrics of one node, all with bounded labels: never a key, path, principal or error text.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use confman_core::webhook::{DeliveryResult, FailureCause};
use confman_store::StoreStats;
use openraft::async_runtime::WatchReceiver as _;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::propose::{Answered, ProposeError};
use crate::raft::Raft;

/// Content type of the exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of latency buckets, in seconds.
const LATENCY: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// What came of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ProposalResult {
    /// The rules accepted it.
    Accepted,
    /// The rules refused it.
    Rejected,
    /// Not written: no leader.
    NoLeader,
    /// Not written: too many at once.
    Overloaded,
    /// Not written: the leader does not accept the credential.
    Unauthorized,
    /// Not known.
    Unknown,
}

impl ProposalResult {
    /// The label for `result`.
    pub fn of(result: &Result<Answered, ProposeError>) -> Self {
        match result {
            Ok(Answered { verdict: Ok(_), .. }) => Self::Accepted,
            Ok(Answered { verdict: Err(_), .. }) => Self::Rejected,
            Err(ProposeError::NoLeader) => Self::NoLeader,
            Err(ProposeError::Overloaded) => Self::Overloaded,
            Err(ProposeError::Unauthorized(_)) => Self::Unauthorized,
            Err(ProposeError::OutcomeUnknown(_)) => Self::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProposalLabels {
    command: &'static str,
    result: ProposalResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: Status,
}

/// An HTTP status as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Status(u16);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        write!(encoder, "{}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    result: &'static str,
}

/// Counters and gauges of a node. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    proposals: Family<ProposalLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram>,
    webhook_attempts: Family<AttemptLabels, Counter>,
    gauges: Gauges,
}

type Level = Gauge<i64, std::sync::atomic::AtomicI64>;

/// Set just before each exposition.
#[derive(Default)]
struct Gauges {
    term: Level,
    is_leader: Level,
    has_leader: Level,
    last_log_index: Level,
    committed_index: Level,
    applied_index: Level,
    snapshot_index: Level,
    purged_index: Level,
    members: Level,
    log_bytes: Level,
    state_bytes: Level,
    memory_bytes: Level,
    tail_cache_bytes: Level,
    queued_bytes: Level,
    log_bytes_since_snapshot: Level,
    appended_entries: Level,
    synced_batches: Level,
    api_keys: Level,
    pending_deliveries: Level,
    failing_targets: Level,
    watchers: Level,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("confman");
        let proposals = Family::default();
        registry.register("proposals", "Proposals by command and result", proposals.clone());
        let requests = Family::default();
        registry.register(
            "http_requests",
            "Requests by route pattern and status",
            requests.clone(),
        );
        let latency = Family::new_with_constructor(request_latency as fn() -> Histogram);
        registry.register_with_unit(
            "http_request_duration",
            "Time from header to answer by route pattern",
            Unit::Seconds,
            latency.clone(),
        );
        let webhook_attempts = Family::default();
        registry.register(
            "webhook_attempts",
            "Attempts to deliver a webhook by result: delivered, refused-3xx, refused-4xx, refused-5xx, or a cause",
            webhook_attempts.clone(),
        );
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        Self {
            inner: Arc::new(Inner {
                registry,
                proposals,
                requests,
                latency,
                webhook_attempts,
                gauges,
            }),
        }
    }
}

fn request_latency() -> Histogram {
    Histogram::new(LATENCY)
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let table: [(&str, &str, &Level); 21] = [
            ("raft_term", "Current term", &self.term),
            ("raft_is_leader", "1 on the leader", &self.is_leader),
            ("raft_has_leader", "1 if a leader is known", &self.has_leader),
            ("raft_last_log_index", "Last entry in the log", &self.last_log_index),
            (
                "raft_committed_index",
                "Last entry known to be committed",
                &self.committed_index,
            ),
            ("raft_applied_index", "Last applied entry", &self.applied_index),
            (
                "raft_snapshot_index",
                "Last entry in the snapshot",
                &self.snapshot_index,
            ),
            (
                "raft_purged_index",
                "Last entry purged from the log",
                &self.purged_index,
            ),
            ("raft_members", "Members of the cluster", &self.members),
            ("log_disk_bytes", "Size of the log on disk", &self.log_bytes),
            ("state_disk_bytes", "Size of the state on disk", &self.state_bytes),
            (
                "rocksdb_memory_bytes",
                "Memory of the storage engine",
                &self.memory_bytes,
            ),
            ("log_tail_cache_bytes", "Entries kept in memory", &self.tail_cache_bytes),
            ("log_queued_bytes", "Entries waiting for the disk", &self.queued_bytes),
            (
                "log_since_snapshot_bytes",
                "Log since the last snapshot",
                &self.log_bytes_since_snapshot,
            ),
            (
                "log_appended_entries",
                "Entries written since the start",
                &self.appended_entries,
            ),
            (
                "log_synced_batches",
                "Batches synced since the start",
                &self.synced_batches,
            ),
            ("api_keys", "API keys that are accepted", &self.api_keys),
            (
                "webhook_pending_deliveries",
                "Deliveries in the outbox; on the leader only",
                &self.pending_deliveries,
            ),
            (
                "webhook_failing_targets",
                "Webhook targets whose last attempt failed; on the leader only",
                &self.failing_targets,
            ),
            ("watchers", "Open streams and waiting reads", &self.watchers),
        ];
        for (name, help, gauge) in table {
            registry.register(name, help, gauge.clone());
        }
    }

    fn set_raft(&self, raft: &Raft) {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let index = |log_id: Option<confman_store::types::LogId>| log_id.map_or(0, |log_id| log_id.index);
        set(&self.term, metrics.current_term);
        set(&self.is_leader, u64::from(metrics.state.is_leader()));
        set(&self.has_leader, u64::from(metrics.current_leader.is_some()));
        set(&self.last_log_index, metrics.last_log_index.unwrap_or(0));
        set(&self.committed_index, index(metrics.local_committed));
        set(&self.applied_index, index(metrics.last_applied));
        set(&self.snapshot_index, index(metrics.snapshot));
        set(&self.purged_index, index(metrics.purged));
        set(
            &self.members,
            metrics.membership_config.membership().nodes().count() as u64,
        );
    }

    fn set_store(&self, stats: &StoreStats) {
        set(&self.log_bytes, stats.log_disk_bytes());
        set(&self.state_bytes, stats.state_disk_bytes());
        set(&self.memory_bytes, stats.rocksdb_memory_bytes());
        set(&self.tail_cache_bytes, stats.tail_cache_bytes());
        set(&self.queued_bytes, stats.queued_bytes());
        set(&self.log_bytes_since_snapshot, stats.log_bytes_since_snapshot());
        set(&self.appended_entries, stats.appended_entries());
        set(&self.synced_batches, stats.synced_batches());
    }
}

fn set(gauge: &Level, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

impl Metrics {
    /// Counts one proposal.
    pub fn proposal(&self, command: &'static str, result: ProposalResult) {
        let labels = ProposalLabels { command, result };
        self.inner.proposals.get_or_create(&labels).inc();
    }

    /// Counts one request. `route` is a pattern of the route table.
    pub fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        let status = Status(status);
        let labels = RequestLabels { method, route, status };
        self.inner.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route };
        self.inner.latency.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts one attempt to deliver a webhook.
    pub fn webhook_attempt(&self, result: DeliveryResult) {
        let result = attempt_result(result);
        self.inner
            .webhook_attempts
            .get_or_create(&AttemptLabels { result })
            .inc();
    }

    /// Sets how many deliveries wait, and how many targets fail.
    pub fn webhook_outbox(&self, pending: u64, failing: usize) {
        set(&self.inner.gauges.pending_deliveries, pending);
        set(&self.inner.gauges.failing_targets, failing as u64);
    }

    /// Sets how many watch.
    pub fn set_watchers(&self, watchers: usize) {
        set(&self.inner.gauges.watchers, watchers as u64);
    }

    /// The exposition, with gauges as of now.
    pub fn expose(&self, raft: &Raft, stats: &StoreStats, api_keys: usize) -> Result<String, std::fmt::Error> {
        self.inner.gauges.set_raft(raft);
        self.inner.gauges.set_store(stats);
        set(&self.inner.gauges.api_keys, api_keys as u64);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.inner.registry)?;
        Ok(text)
    }
}

fn attempt_result(result: DeliveryResult) -> &'static str {
    match result {
        DeliveryResult::Delivered { .. } => "delivered",
        DeliveryResult::Refused { status: 300..=399, .. } => "refused-3xx",
        DeliveryResult::Refused { status: 400..=499, .. } => "refused-4xx",
        DeliveryResult::Refused { .. } => "refused-5xx",
        DeliveryResult::Failed { cause } => match cause {
            FailureCause::TargetRemoved => "target-removed",
            FailureCause::SecretUnusable => "secret-unusable",
            FailureCause::NameUnresolved => "name-unresolved",
            FailureCause::AddressForbidden => "address-forbidden",
            FailureCause::ConnectFailed => "connect-failed",
            FailureCause::TlsFailed => "tls-failed",
            FailureCause::TimedOut => "timed-out",
            FailureCause::AnswerBroken => "answer-broken",
        },
    }
}
