//! The closed loop: each client sends its next operation when the last one was answered.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;

use crate::processes::own_processor_time;

/// How much load, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Clients that run at once.
    pub clients: usize,
    /// Unmeasured time before.
    pub warm_up: Duration,
    /// Measured time.
    pub duration: Duration,
    /// Most operations of all clients together, warm-up included.
    pub most_operations: u64,
}

/// What came of one plan.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Operations that succeeded in the measured time.
    pub operations: u64,
    /// Operations that failed.
    pub failures: u64,
    /// The first failure's text.
    pub first_failure: Option<String>,
    /// Length of the measured time.
    pub elapsed: Duration,
    /// Latency of the successful ones in microseconds.
    pub latency_us: Histogram<u64>,
    /// Processor time that the driver itself used in the measured time: what the servers could not have.
    pub driver_processor: Duration,
}

impl Measured {
    /// Successful operations per second.
    pub fn per_second(&self) -> f64 {
        // Counts here are far below 2^52, where a double is exact.
        #[expect(clippy::cast_precision_loss, reason = "operations are bounded far below 2^52")]
        let operations = self.operations as f64;
        operations / self.elapsed.as_secs_f64()
    }

    /// Adds another run of the same plan.
    pub fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.operations += other.operations;
        self.failures += other.failures;
        self.elapsed += other.elapsed;
        self.driver_processor += other.driver_processor;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
        self.latency_us.add(&other.latency_us).context("add two histograms")
    }
}

/// One connection's worth of load.
pub trait Client: Send + 'static {
    /// Does operation number `sequence` and waits for its answer.
    fn call(&mut self, sequence: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Runs `clients` until time or count is used up.
pub async fn drive<C: Client>(plan: Plan, clients: Vec<C>, first_sequence: u64) -> anyhow::Result<Measured> {
    let sequence = Arc::new(AtomicU64::new(first_sequence));
    let begin = Instant::now() + plan.warm_up;
    let end = begin + plan.duration;
    let last_sequence = first_sequence.saturating_add(plan.most_operations);
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(run_client(client, Arc::clone(&sequence), last_sequence, (begin, end))))
        .collect();
    tokio::time::sleep_until(begin.into()).await;
    let processor_before = own_processor_time();
    let mut total = empty(plan.duration)?;
    for task in tasks {
        let part = task.await.context("a client of the load panicked")??;
        total.merge(&part)?;
    }
    total.elapsed = begin.elapsed().min(plan.duration);
    total.driver_processor = own_processor_time().saturating_sub(processor_before);
    Ok(total)
}

async fn run_client<C: Client>(
    mut client: C,
    sequence: Arc<AtomicU64>,
    last_sequence: u64,
    (begin, end): (Instant, Instant),
) -> anyhow::Result<Measured> {
    let mut measured = empty(Duration::ZERO)?;
    loop {
        let number = sequence.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        if started >= end || number >= last_sequence {
            return Ok(measured);
        }
        let answer = client.call(number).await;
        if started < begin {
            continue;
        }
        match answer {
            Ok(()) => {
                measured.operations += 1;
                let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                measured.latency_us.saturating_record(micros);
            }
            Err(error) => {
                measured.failures += 1;
                measured.first_failure.get_or_insert_with(|| format!("{error:#}"));
                // A server that refuses at once must not be asked a million times.
                anyhow::ensure!(
                    measured.failures < 1_000,
                    "a client failed 1,000 times, first: {error:#}"
                );
            }
        }
    }
}

fn empty(elapsed: Duration) -> anyhow::Result<Measured> {
    Ok(Measured {
        operations: 0,
        failures: 0,
        first_failure: None,
        elapsed,
        // 1 µs to 60 s with three significant digits.
        latency_us: Histogram::new_with_bounds(1, 60_000_000, 3).context("make a histogram")?,
        driver_processor: Duration::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct EveryThirdFails;

    impl Client for EveryThirdFails {
        async fn call(&mut self, sequence: u64) -> anyhow::Result<()> {
            anyhow::ensure!(!sequence.is_multiple_of(3), "three");
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_loop_ends_at_its_count_and_tells_failures_from_successes() -> anyhow::Result<()> {
        let plan = Plan {
            clients: 2,
            warm_up: Duration::ZERO,
            duration: Duration::from_mins(1),
            most_operations: 300,
        };
        let measured = drive(plan, vec![EveryThirdFails, EveryThirdFails], 0).await?;
        assert_eq!((measured.operations, measured.failures), (200, 100));
        assert_eq!(measured.first_failure.as_deref(), Some("three"));
        Ok(())
    }
}
