//! `load`: writes and reads per second of Confman beside etcd and a bare HTTP server, on one machine in one run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use confman_api::internal::Identity;
use confman_e2e::load::bare;
use confman_e2e::load::drive::{Client, Measured, Plan, drive};
use confman_e2e::load::etcd::{self, LocalEtcd};
use confman_e2e::load::http::{ConfmanClient, Connection, Operation};
use confman_e2e::load::report::{self, Memory, Row};
use confman_e2e::load::{pages, watches};
use confman_e2e::nodes::{self, LocalNodes};
use confman_e2e::processes::{Process, Resident, beside_this_program, free_ports};

/// Measures on the loopback address only, unless `confman --url` names another.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Confman, etcd and the bare server in turns; what `make bench` runs.
    Compare(Load),
    /// Stale reads of Confman, with their login, beside the bare server's, in turns.
    Reads(Load),
    /// Confman alone: its own nodes, or a running one.
    Confman {
        #[command(flatten)]
        load: Load,
        /// `host:port` of a running node (plain HTTP); own nodes when missing.
        #[arg(long, requires = "api_key_file")]
        url: Option<String>,
        /// File with an API key that may write in `/`.
        #[arg(long)]
        api_key_file: Option<PathBuf>,
    },
    /// etcd alone.
    Etcd(Load),
    /// Idle watches of one node: how much memory they take, and how long until a write has reached all of them.
    Watches {
        /// Watches.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=16_000))]
        count: u16,
        /// Writes that are measured.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        writes: u16,
    },
    /// A namespace with many keys on one node: what its last pages cost beside its first ones.
    Pages {
        /// Keys of the namespace.
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2_200..=100_000))]
        keys: u64,
        /// Keys on a page.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Serves the bare answer; started by the others.
    #[command(hide = true)]
    Bare {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        body_bytes: usize,
    },
}

/// The bounds of a run.
#[derive(Clone, Debug, Args)]
struct Load {
    /// Numbers of clients, one load each.
    #[arg(long, value_delimiter = ',', default_value = "1,64,256", value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: Vec<u16>,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// How often everything is repeated, systems in turns.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    rounds: u32,
    /// Size of a value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(20..=65_536))]
    value_bytes: u32,
    /// Number of keys.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    keys: u64,
    /// Nodes of each cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// The etcd program.
    #[arg(long, default_value_os_t = etcd::default_program())]
    etcd: PathBuf,
}

/// What is done, and its name in the table.
type Named = (Operation, &'static str);

const STALE_READ: Named = (Operation::GetStale, "get stale");
const OPERATIONS: [Named; 3] = [
    (Operation::Put, "put"),
    STALE_READ,
    (Operation::GetLinearizable, "get linearizable"),
];
const WARM_UP: Duration = Duration::from_secs(1);
const MOST_OPERATIONS: u64 = 5_000_000;

impl Load {
    fn sizes(&self) -> (u64, usize) {
        (self.keys, usize::try_from(self.value_bytes).unwrap_or(usize::MAX))
    }

    fn plan(&self, clients: u16) -> Plan {
        Plan {
            clients: usize::from(clients),
            warm_up: WARM_UP,
            duration: Duration::from_secs(self.seconds),
            most_operations: MOST_OPERATIONS,
        }
    }
}

/// What a run has found so far.
#[derive(Debug, Default)]
struct Findings {
    rows: Vec<Row>,
    memory: Vec<Memory>,
    sequence: u64,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(Arguments::parse().command))
}

async fn run(command: Command) -> anyhow::Result<()> {
    // Before anything that has to be cleaned up: this one is ended by a signal.
    if let Command::Bare { port, body_bytes } = command {
        return bare::serve(port, body_bytes).await;
    }
    let mut findings = Findings::default();
    let folder = scratch_folder()?;
    match command {
        Command::Bare { .. } => {}
        Command::Compare(load) => {
            for round in 0..load.rounds {
                let folder = folder.path().join(format!("round-{round}"));
                measure_confman(&load, &OPERATIONS, &folder.join("confman"), &mut findings).await?;
                measure_etcd(&load, &folder.join("etcd"), &mut findings).await?;
                measure_bare(&load, &folder, &mut findings).await?;
            }
        }
        Command::Reads(load) => {
            for round in 0..load.rounds {
                let folder = folder.path().join(format!("round-{round}"));
                measure_confman(&load, &[STALE_READ], &folder, &mut findings).await?;
                measure_bare(&load, &folder, &mut findings).await?;
            }
        }
        Command::Confman {
            load,
            url: Some(address),
            api_key_file,
        } => {
            let file = api_key_file.context("--url needs --api-key-file")?;
            let api_key = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            let addresses = [address.trim_start_matches("http://").trim_end_matches('/').to_owned()];
            load_confman(&load, &OPERATIONS, (&addresses, api_key.trim()), &[], &mut findings).await?;
        }
        Command::Confman { load, .. } => {
            for round in 0..load.rounds {
                let folder = folder.path().join(format!("round-{round}"));
                measure_confman(&load, &OPERATIONS, &folder, &mut findings).await?;
            }
        }
        Command::Watches { count, writes } => {
            let options = node_options(folder.path(), 1)?;
            let measured = watches::measure(&options, usize::from(count), usize::from(writes)).await?;
            print(&measured.to_string());
            return Ok(());
        }
        Command::Pages { keys, limit } => {
            let options = node_options(folder.path(), 1)?;
            let measured = pages::measure(&options, keys, usize::from(limit)).await?;
            print(&measured.to_string());
            return Ok(());
        }
        Command::Etcd(load) => {
            for round in 0..load.rounds {
                measure_etcd(&load, &folder.path().join(format!("round-{round}")), &mut findings).await?;
            }
        }
    }
    print(&report::render(&findings.rows, &findings.memory));
    Ok(())
}

/// On the disk of the home folder: the temporary folder is memory on some systems, and an fsync there costs nothing.
fn scratch_folder() -> anyhow::Result<tempfile::TempDir> {
    let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
    let parent = home.join(".cache/confman/bench");
    std::fs::create_dir_all(&parent).context("create the folder for the data")?;
    tempfile::tempdir_in(parent).context("create a folder for the data")
}

fn node_options(folder: &Path, nodes: u8) -> anyhow::Result<nodes::Options> {
    std::fs::create_dir_all(folder).context("create the folder of the nodes")?;
    Ok(nodes::Options {
        program: beside_this_program("confman-node")?,
        folder: folder.to_owned(),
        nodes: usize::from(nodes),
        identity: Identity::default(),
    })
}

async fn measure_confman(
    load: &Load,
    operations: &[Named],
    folder: &Path,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let options = node_options(folder, load.nodes)?;
    let cluster = LocalNodes::start(&options).await?;
    let at = (&cluster.http[..], &cluster.api_key[..]);
    load_confman(load, operations, at, cluster.processes(), findings).await
}

async fn load_confman(
    load: &Load,
    operations: &[Named],
    (addresses, api_key): (&[String], &str),
    processes: &[Process],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let idle_kib = largest(processes, |memory| memory.now_kib);
    let open = async |operation, count: u16| {
        let mut clients = Vec::new();
        for address in addresses.iter().cycle().take(usize::from(count)) {
            clients.push(ConfmanClient::open(address, api_key, operation, load.sizes()).await?);
        }
        anyhow::Ok(clients)
    };
    let fill = Plan {
        warm_up: Duration::ZERO,
        most_operations: load.keys,
        ..load.plan(16)
    };
    drive(fill, open(Operation::Put, 16).await?, 0)
        .await
        .context("fill Confman")?;
    for (operation, name) in operations.iter().copied() {
        for clients in load.clients.iter().copied() {
            let opened = open(operation, clients).await?;
            findings.measure("confman", name, load.plan(clients), opened).await?;
        }
    }
    let peak_kib = largest(processes, |memory| memory.peak_kib);
    findings.remember_memory("confman", idle_kib, peak_kib);
    Ok(())
}

async fn measure_etcd(load: &Load, folder: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let cluster = LocalEtcd::start(&load.etcd, folder, usize::from(load.nodes)).await?;
    let idle_kib = largest(cluster.processes(), |memory| memory.now_kib);
    let open = |operation, count: u16| -> Vec<_> {
        (0..usize::from(count))
            .map(|index| cluster.client(index, operation, load.sizes()))
            .collect()
    };
    let fill = Plan {
        warm_up: Duration::ZERO,
        most_operations: load.keys,
        ..load.plan(16)
    };
    drive(fill, open(Operation::Put, 16), 0).await.context("fill etcd")?;
    for (operation, name) in OPERATIONS {
        for clients in load.clients.iter().copied() {
            findings
                .measure("etcd", name, load.plan(clients), open(operation, clients))
                .await?;
        }
    }
    let peak_kib = largest(cluster.processes(), |memory| memory.peak_kib);
    findings.remember_memory("etcd", idle_kib, peak_kib);
    Ok(())
}

async fn measure_bare(load: &Load, folder: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let port = free_ports(1)?.first().copied().context("no free port")?;
    let address = format!("127.0.0.1:{port}");
    let mut command = std::process::Command::new(std::env::current_exe().context("find this program")?);
    command.args([
        "bare",
        "--port",
        &port.to_string(),
        "--body-bytes",
        &load.value_bytes.to_string(),
    ]);
    let mut server = Process::start("bare", &mut command, folder)?;
    while Connection::open(&address).await.is_err() {
        server.expect_running()?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for clients in load.clients.iter().copied() {
        let mut opened = Vec::new();
        for _ in 0..clients {
            opened.push(ConfmanClient::open(&address, "", STALE_READ.0, load.sizes()).await?);
        }
        findings
            .measure(report::BARE, STALE_READ.1, load.plan(clients), opened)
            .await?;
    }
    Ok(())
}

fn largest(processes: &[Process], kib: impl Fn(Resident) -> u64) -> u64 {
    processes.iter().map(|process| kib(process.memory())).max().unwrap_or(0)
}

impl Findings {
    async fn measure<C: Client>(
        &mut self,
        system: &'static str,
        operation: &'static str,
        plan: Plan,
        clients: Vec<C>,
    ) -> anyhow::Result<()> {
        self.sequence += MOST_OPERATIONS;
        let measured: Measured = drive(plan, clients, self.sequence)
            .await
            .with_context(|| format!("{system}: {operation} with {} clients", plan.clients))?;
        let speed = measured.per_second();
        print(&format!(
            "{system}: {operation} with {} clients: {speed:.0}/s\n",
            plan.clients
        ));
        report::add(
            &mut self.rows,
            Row {
                system,
                operation,
                clients: plan.clients,
                measured,
            },
        )
    }

    fn remember_memory(&mut self, system: &'static str, idle_kib: u64, loaded_kib: u64) {
        match self.memory.iter_mut().find(|known| known.system == system) {
            Some(known) => {
                known.idle_kib = known.idle_kib.max(idle_kib);
                known.loaded_kib = known.loaded_kib.max(loaded_kib);
            }
            None => self.memory.push(Memory {
                system,
                idle_kib,
                loaded_kib,
            }),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the tool is for")]
fn print(text: &str) {
    print!("{text}");
}
