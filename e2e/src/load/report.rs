//! The table that a load run ends with.

use std::fmt::Write as _;

use super::drive::Measured;

/// The system that the others' speed is compared with.
pub const BARE: &str = "bare axum";

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// `confman`, `etcd`, [`BARE`].
    pub system: &'static str,
    /// What was done.
    pub operation: &'static str,
    /// How many clients at once.
    pub clients: usize,
    /// What came of it.
    pub measured: Measured,
}

/// Resident memory of one system's processes.
#[derive(Clone, Debug)]
pub struct Memory {
    /// `confman` or `etcd`.
    pub system: &'static str,
    /// The largest process after its start, KiB.
    pub idle_kib: u64,
    /// The largest process at any moment of the load, KiB.
    pub loaded_kib: u64,
}

/// Adds `row` to `rows`, together with an earlier round of the same load.
pub fn add(rows: &mut Vec<Row>, row: Row) -> anyhow::Result<()> {
    let same = |known: &&mut Row| {
        known.system == row.system && known.operation == row.operation && known.clients == row.clients
    };
    if let Some(known) = rows.iter_mut().find(same) {
        return known.measured.merge(&row.measured);
    }
    rows.push(row);
    Ok(())
}

/// The whole report as text, grouped by operation and number of clients so that systems stand beside each other.
pub fn render(rows: &[Row], memory: &[Memory]) -> String {
    let mut sorted: Vec<_> = rows.iter().collect();
    let first_seen = |row: &Row| rows.iter().position(|other| other.operation == row.operation);
    sorted.sort_by_key(|row| (first_seen(row), row.clients, row.system));
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<18} {:>7}  {:<10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "operation", "clients", "system", "ops/s", "p50 ms", "p99 ms", "failures", "driver %"
    );
    let mut group = None;
    for row in sorted {
        if group
            .replace((row.operation, row.clients))
            .is_some_and(|before| before != (row.operation, row.clients))
        {
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{:<18} {:>7}  {:<10} {:>9.0} {:>9.2} {:>9.2} {:>9} {:>9.0}",
            row.operation,
            row.clients,
            row.system,
            row.measured.per_second(),
            milliseconds(&row.measured, 0.50),
            milliseconds(&row.measured, 0.99),
            row.measured.failures,
            100.0 * row.measured.driver_processor.as_secs_f64() / row.measured.elapsed.as_secs_f64(),
        );
    }
    for row in rows.iter().filter(|row| row.measured.failures > 0) {
        let failure = row.measured.first_failure.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "first failure of {} {} with {} clients: {failure}",
            row.system, row.operation, row.clients
        );
    }
    text.push('\n');
    for bare in rows.iter().filter(|row| row.system == BARE) {
        let same = |row: &&Row| (row.operation, row.clients) == (bare.operation, bare.clients);
        for row in rows.iter().filter(same).filter(|row| row.system != BARE) {
            let percent = 100.0 * row.measured.per_second() / bare.measured.per_second();
            let (operation, clients, system) = (row.operation, row.clients, row.system);
            let _ = writeln!(
                text,
                "{operation} with {clients} clients: {system} is at {percent:.0} % of {BARE}"
            );
        }
    }
    for entry in memory {
        let (idle, loaded) = (entry.idle_kib / 1024, entry.loaded_kib / 1024);
        let _ = writeln!(
            text,
            "memory of one {} process (the largest): {idle} MiB idle, {loaded} MiB under load",
            entry.system
        );
    }
    text
}

fn milliseconds(measured: &Measured, quantile: f64) -> f64 {
    // Latencies end at 60 s, so the microseconds are exact in a double.
    #[expect(clippy::cast_precision_loss, reason = "at most 6 * 10^7")]
    let micros = measured.latency_us.value_at_quantile(quantile) as f64;
    micros / 1_000.0
}
