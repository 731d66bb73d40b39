//! Metrics of the operator, all with bounded labels: never a name of an object, a user or an error text.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Content type of the exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const DURATIONS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// A kind that a controller is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    /// `ConfmanCluster`.
    ConfmanCluster,
    /// `ConfigNamespace`.
    ConfigNamespace,
    /// `PublishRequest`.
    PublishRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Ended {
    Done,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: Kind,
    result: Ended,
}

/// Every metric. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<KindLabel, Histogram, fn() -> Histogram>,
    leads: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("confman_operator");
        let reconciles = Family::default();
        registry.register("reconciles", "Reconciles of an object", reconciles.clone());
        let histogram: fn() -> Histogram = || Histogram::new(DURATIONS);
        let durations = Family::new_with_constructor(histogram);
        registry.register_with_unit("reconcile", "Time of a reconcile", Unit::Seconds, durations.clone());
        let leads = Gauge::default();
        registry.register("leads", "1 while this process holds the Lease", leads.clone());
        Self {
            registry: Arc::new(Mutex::new(registry)),
            reconciles,
            durations,
            leads,
        }
    }
}

impl Metrics {
    /// A reconcile of `kind` has ended.
    pub fn reconciled(&self, kind: Kind, succeeded: bool, took: Duration) {
        let result = if succeeded { Ended::Done } else { Ended::Failed };
        self.reconciles.get_or_create(&ReconcileLabels { kind, result }).inc();
        self.durations
            .get_or_create(&KindLabel { kind })
            .observe(took.as_secs_f64());
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    /// What Prometheus reads.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
