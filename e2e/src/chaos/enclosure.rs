//! A room of its own for a run: namespaces for network, mounts and processes. When its first process ends, for whatever
//! reason, the kernel ends all others in it and takes the network, the mounts and the loop devices away.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// Each program that a run needs, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("strace", "strace"),
    ("xfs_io", "xfsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];
/// Set for whoever is inside.
const INSIDE: &str = "CONFMAN_CHAOS_INSIDE";

/// True in the room.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again, with the same arguments, in a room of its own; what it ended with. The room ends with the
/// thread that polls this first.
pub async fn enter() -> anyhow::Result<i32> {
    check_rights()?;
    let mut room = Command::new("setpriv");
    room.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork"])
        .args(["--kill-child=KILL", "--mount-proc"])
        .arg(std::env::current_exe().context("find this program")?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("PATH", search_path()?)
        .stdin(Stdio::null());
    let mut child = tokio::process::Command::from(room).spawn().context("start unshare")?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Who interrupts this program interrupts the one inside too, which tidies up and ends.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for unshare")?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => break terminated(&mut child).await?,
        }
    };
    // Ended by a signal, as a shell says it.
    Ok(status.code().unwrap_or(128))
}

/// A terminal tells everybody to stop when it is interrupted; who terminates this program tells nobody else.
async fn terminated(child: &mut Child) -> anyhow::Result<ExitStatus> {
    child.kill().await.context("end the room")?;
    child.wait().await.context("wait for the room")
}

/// Where programs are looked for: those of root too.
fn search_path() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_root = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::join_paths(std::env::split_paths(&path).chain(of_root)).context("put the search path together")
}

/// Fails where a program or a right is missing, and says which: a fault that cannot be done must not pass for one that
/// did no harm.
fn check_rights() -> anyhow::Result<()> {
    let folders: Vec<_> = std::env::split_paths(&search_path()?).collect();
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    for (program, package) in PROGRAMS {
        anyhow::ensure!(
            is_there(program),
            "{program} is missing: install the Debian package {package} (e2e/prepare does it for root)"
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").context("read the rights of this process")?;
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t0\t"));
    anyhow::ensure!(
        is_root,
        "network namespaces, loop devices and strace need root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE)"
    );
    let has_loop = Path::new("/dev/loop-control").exists();
    anyhow::ensure!(
        has_loop,
        "/dev/loop-control is missing: this kernel has no loop devices"
    );
    Ok(())
}

/// Runs `program` to its end; fails, with what it said, unless it succeeds.
pub(crate) fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    run_command(&mut command)
}

/// The same for a command that is more than words.
pub(crate) fn run_command(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("start {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {:?}: {} {}",
        command.get_args().collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
