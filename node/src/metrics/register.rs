//! Registering metrics: a name, its labels and what it says in one call, which also makes the table for the docs. Label values
//! are `&'static str`, so that no text of a caller can become one.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Begins every name.
const PREFIX: &str = "confman";
/// Upper bounds of the buckets of every latency, in seconds.
const SECONDS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// A whole number that goes up and down.
pub(crate) type Level = Gauge<i64, AtomicI64>;
/// A duration that goes up and down.
pub(crate) type Age = Gauge<f64, AtomicU64>;
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// One row of the table for the docs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As Prometheus shows it; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// counter, gauge, histogram or info.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: Vec<&'static str>,
    /// What it says.
    pub about: &'static str,
}

/// A registry in the making.
pub(crate) struct Register {
    pub(crate) registry: Registry,
    pub(crate) rows: Vec<Row>,
}

/// Counters by labels.
pub(crate) struct Counters<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Counter>,
}

/// Whole numbers by labels.
pub(crate) struct Levels<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Level>,
}

/// Latencies by labels.
pub(crate) struct Latencies<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Histogram>,
}

fn labels<const N: usize>(names: &[&'static str; N], values: [&'static str; N]) -> Labels<N> {
    std::array::from_fn(|index| (names[index], values[index]))
}

impl<const N: usize> Counters<N> {
    /// Shows 0 until the first one is counted, so that its rate is known from the start.
    pub(crate) fn expect(&self, values: [&'static str; N]) {
        drop(self.family.get_or_create(&labels(&self.names, values)));
    }

    /// Counts one. Values are in the order of the names.
    pub(crate) fn count(&self, values: [&'static str; N]) {
        self.family.get_or_create(&labels(&self.names, values)).inc();
    }
}

impl<const N: usize> Levels<N> {
    pub(crate) fn set(&self, values: [&'static str; N], value: u64) {
        set(&self.family.get_or_create(&labels(&self.names, values)), value);
    }
}

impl<const N: usize> Latencies<N> {
    pub(crate) fn observe(&self, values: [&'static str; N], took: std::time::Duration) {
        let histogram = self.family.get_or_create(&labels(&self.names, values));
        histogram.observe(took.as_secs_f64());
    }
}

/// Sets a gauge to a number that is never negative.
pub(crate) fn set(gauge: &Level, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Sets an age; not a number while there is none, which no alert compares with.
pub(crate) fn set_age(gauge: &Age, age: Option<std::time::Duration>) {
    gauge.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
}

fn buckets() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Register {
    fn default() -> Self {
        Self {
            registry: Registry::with_prefix(PREFIX),
            rows: Vec::new(),
        }
    }
}

impl Register {
    fn row(&mut self, name: &str, kind: &'static str, labels: &[&'static str], about: &'static str) {
        self.rows.push(Row {
            name: format!("{PREFIX}_{name}"),
            kind,
            labels: labels.to_vec(),
            about,
        });
    }

    /// `confman_NAME_total{…}`.
    pub(crate) fn counters<const N: usize>(
        &mut self,
        name: &str,
        names: [&'static str; N],
        about: &'static str,
    ) -> Counters<N> {
        self.row(&format!("{name}_total"), "counter", &names, about);
        let family = Family::default();
        self.registry.register(name, about, family.clone());
        Counters { names, family }
    }

    /// `confman_NAME_total{LABEL}`, where the label is the name of a variant.
    pub(crate) fn variants(
        &mut self,
        name: &str,
        label: &'static str,
        about: &'static str,
    ) -> Family<[(&'static str, String); 1], Counter> {
        self.row(&format!("{name}_total"), "counter", &[label], about);
        let family = Family::default();
        self.registry.register(name, about, family.clone());
        family
    }

    /// `confman_NAME_total`.
    pub(crate) fn counter(&mut self, name: &str, about: &'static str) -> Counter {
        self.row(&format!("{name}_total"), "counter", &[], about);
        let counter = Counter::default();
        self.registry.register(name, about, counter.clone());
        counter
    }

    /// `confman_NAME`.
    pub(crate) fn level(&mut self, name: &str, about: &'static str) -> Level {
        self.row(name, "gauge", &[], about);
        let gauge = Level::default();
        self.registry.register(name, about, gauge.clone());
        gauge
    }

    /// `confman_NAME{…}`.
    pub(crate) fn levels<const N: usize>(
        &mut self,
        name: &str,
        names: [&'static str; N],
        about: &'static str,
    ) -> Levels<N> {
        self.row(name, "gauge", &names, about);
        let family = Family::default();
        self.registry.register(name, about, family.clone());
        Levels { names, family }
    }

    /// `confman_NAME_seconds`.
    pub(crate) fn age(&mut self, name: &str, about: &'static str) -> Age {
        self.row(&format!("{name}_seconds"), "gauge", &[], about);
        let gauge = Age::default();
        self.registry
            .register_with_unit(name, about, Unit::Seconds, gauge.clone());
        gauge
    }

    /// `confman_NAME_seconds{…}`, a histogram.
    pub(crate) fn latencies<const N: usize>(
        &mut self,
        name: &str,
        names: [&'static str; N],
        about: &'static str,
    ) -> Latencies<N> {
        self.row(&format!("{name}_seconds"), "histogram", &names, about);
        let family = Family::new_with_constructor(buckets as fn() -> Histogram);
        self.registry
            .register_with_unit(name, about, Unit::Seconds, family.clone());
        Latencies { names, family }
    }

    /// `confman_NAME_seconds`, a histogram.
    pub(crate) fn latency(&mut self, name: &str, about: &'static str) -> Histogram {
        self.row(&format!("{name}_seconds"), "histogram", &[], about);
        let histogram = buckets();
        self.registry
            .register_with_unit(name, about, Unit::Seconds, histogram.clone());
        histogram
    }

    /// `confman_NAME_info{…} 1`.
    pub(crate) fn info<const N: usize>(&mut self, name: &str, pairs: Labels<N>, about: &'static str) {
        let names = pairs.map(|(name, _)| name);
        self.row(&format!("{name}_info"), "info", &names, about);
        let info = prometheus_client::metrics::info::Info::new(pairs);
        self.registry.register(name, about, info);
    }
}

/// The table as Markdown, for the docs.
///
/// # Panics
/// Never: writing to a string does not fail.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| Metric | Kind | Labels | What it says |\n|---|---|---|---|\n");
    for Row {
        name,
        kind,
        labels,
        about,
    } in rows
    {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let written = writeln!(text, "| `{name}` | {kind} | {} | {about} |", labels.join(", "));
        written.expect("writing to a string does not fail");
    }
    text
}
