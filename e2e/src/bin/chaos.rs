//! `chaos`: a cluster of real nodes under load and faults, and whether it kept its promises.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum as _};
use confman_e2e::chaos::enclosure;
use confman_e2e::chaos::fault::Kind;
use confman_e2e::chaos::run::{Plan, run};
use tokio::signal::unix::{SignalKind, signal};

/// Needs root; everything happens in namespaces of its own, and ends with this program.
#[derive(Debug, Parser)]
struct Arguments {
    /// Gives the same faults and operations again, as far as times allow; random when missing.
    #[arg(long)]
    seed: Option<u64>,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=7))]
    nodes: u8,
    /// Clients that read and write.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    clients: u8,
    /// Faults go on for so long, and until every kind was done often enough.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    seconds: u64,
    /// How often every kind is done at least.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Kinds of faults; all of them when missing.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Keeps the logs of the nodes and the history, also if nothing was wrong.
    #[arg(long)]
    keep_logs: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if enclosure::is_inside() {
        return runtime.block_on(until_told_to_stop(arguments));
    }
    // On this thread: what it starts ends with it.
    let status = runtime.block_on(enclosure::enter())?;
    std::process::exit(status);
}

async fn until_told_to_stop(arguments: Arguments) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        ended = attack(arguments) => ended,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

async fn attack(arguments: Arguments) -> anyhow::Result<()> {
    let mut seed = [0; 8];
    seed.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..8]);
    let seed = arguments.seed.unwrap_or(u64::from_le_bytes(seed) >> 32);
    let kinds = if arguments.kinds.is_empty() {
        Kind::value_variants().to_vec()
    } else {
        arguments.kinds
    };
    let plan = Plan {
        seed,
        nodes: usize::from(arguments.nodes),
        clients: usize::from(arguments.clients),
        kinds,
        duration: Duration::from_secs(arguments.seconds),
        rounds: arguments.rounds,
        keeps_logs: arguments.keep_logs,
        say,
    };
    say(&format!("seed {seed}, {} nodes", plan.nodes));
    // On the disk of the home folder: the temporary folder is memory on some systems.
    let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
    let report = run(&plan, &home.join(".cache/confman/chaos")).await;
    let report = report.with_context(|| format!("the run with seed {seed} did not end"))?;
    say(&report.to_string());
    report.verdict().with_context(|| format!("seed {seed}"))
}

#[expect(clippy::print_stdout, reason = "what was done and found is what the tool is for")]
fn say(text: &str) {
    println!("{text}");
}
