//! Child processes on this machine: started with a log file, watched through `/proc`, ended with their owner.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// One child process; dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with output to `folder/name.log`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log file")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Fails when the process has ended, with the end of its log.
    pub fn expect_running(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait().context("ask for the process")? else {
            return Ok(());
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(10)..].join("\n");
        anyhow::bail!("{} ended with {status}; the end of its log:\n{end}", self.name);
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it ended with; none while it runs.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("ask for the process")
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().context("wait for the process")
    }

    /// Sends it a signal, named as `kill` names it: `STOP`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let mut command = Command::new("kill");
        let status = command.args(["-s", name]).arg(self.id().to_string()).status();
        anyhow::ensure!(status.context("run kill")?.success(), "{} takes no signal", self.name);
        Ok(())
    }

    /// Its memory.
    pub fn memory(&self) -> Resident {
        Resident::of(self.child.id())
    }
}

/// Resident memory of a process in KiB, as the kernel counts it (proc(5)); 0 once the process is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now_kib: u64,
    /// The most so far.
    pub peak_kib: u64,
}

impl Resident {
    /// That of the process with this id.
    pub fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        };
        Self {
            now_kib: field("VmRSS:").unwrap_or(0),
            peak_kib: field("VmHWM:").unwrap_or(0),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of every process whose command line begins with `command` and whose control group names `group`.
pub fn memory_of(command: &str, group: &str) -> anyhow::Result<Vec<Resident>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list the processes")? {
        let entry = entry.context("list the processes")?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that ends meanwhile has neither.
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if read("cmdline").replace('\0', " ").starts_with(command) && read("cgroup").contains(group) {
            found.push(Resident::of(id));
        }
    }
    Ok(found)
}

/// Processor time that this process has used, user and system together.
pub fn own_processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields after the parenthesised name (proc(5)): utime is the 12th of them, stime the 13th, in ticks of 10 ms.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// A program of the workspace: it lies beside this one, or one folder up when this one is a test.
pub fn beside_this_program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let candidates = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: run `make build`"))
}

/// `count` different free ports of the loopback address.
pub fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // All are held until all are known, so that no port is given twice.
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .context("find free ports")?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}
