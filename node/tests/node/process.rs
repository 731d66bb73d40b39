//! Child processes that never outlive their test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::wait::eventually;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_confman-node");

/// A running program; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its standard error in `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be opened");
        if !command.get_envs().any(|(variable, _)| variable == "CONFMAN_LOG") {
            command.env_remove("CONFMAN_LOG");
        }
        let child = command
            .stdin(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the program can be started");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Kills without warning, like a power switch.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Asks to stop with `signal` and waits until it has.
    pub(crate) async fn stop(&mut self, signal: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.expect("kill runs").success());
        eventually("the process ends", async || self.ended().ok_or("still running")).await
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child has a status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(15)..];
            eprintln!("--- end of {} ---\n{}", self.log.display(), tail.join("\n"));
        }
    }
}
