//! Disks that are slow to sync, or fail to: strace, attached to a running node, delays its calls or answers them itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::processes::Process;

/// The calls that make a write durable.
const CALLS: &str = "fsync,fdatasync";

/// An attached tracer. It lets go when it is dropped.
#[derive(Debug)]
pub struct Tracer {
    process: Process,
}

impl Tracer {
    /// Every sync of `process` takes so much longer.
    pub fn delay(process: &Process, by: Duration, folder: &Path) -> anyhow::Result<Self> {
        Self::attach(process, &format!("delay_enter={}", by.as_micros()), folder)
    }

    /// Every sync of `process` fails with `EIO`.
    pub fn fail(process: &Process, folder: &Path) -> anyhow::Result<Self> {
        Self::attach(process, "error=EIO", folder)
    }

    fn attach(process: &Process, what: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-e", &format!("trace={CALLS}")])
            .args(["-e", &format!("inject={CALLS}:{what}")])
            .args(["-p", &process.id().to_string()]);
        let name = format!("strace-{}-{what}", process.id());
        let process = Process::start(&name, &mut command, folder)?;
        Ok(Self { process })
    }

    /// How many syncs were delayed, or failed, so far.
    pub fn injected(&self) -> anyhow::Result<usize> {
        let log = std::fs::read_to_string(self.process.log()).context("read what strace says")?;
        let is_injected = |line: &&str| line.contains("(DELAYED)") || line.contains("(INJECTED)");
        Ok(log.lines().filter(is_injected).count())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It fails where strace has ended with its node. Told like this it lets go of the node; killed it would not ask.
        if self.process.signal("INT").is_ok() {
            let _ = self.process.wait();
        }
    }
}
