//! A volume that fills up: writes stop before it is full, reads go on, and so does the node when there is room again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use confman_api::problem::ProblemType;
use reqwest::Method;
use rustix::fs::FallocateFlags;

use crate::dev_mode::{Welcome, read_welcome};
use crate::http::{Answer, Call, get};
use crate::process::{PROGRAM, Process};
use crate::wait::eventually;

/// Mounts a file system of its own at the volume, in a mount namespace of its own, and becomes the node.
const START: &str = "mount -t tmpfs -o size=256m tmpfs \"$1\" && exec \"$0\" dev --port 0 --data-dir \"$1\"";
/// Left free by the file that takes the room: less than the eighth of the volume that stays free.
const LEFT: u64 = 16 << 20;

/// One node on a volume of 256 MiB.
struct SmallVolume {
    process: Process,
    welcome: Welcome,
    /// The volume, as seen from here.
    volume: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallVolume {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let volume = folder.path().join("volume");
        std::fs::create_dir(&volume).expect("the folder can be made");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", START, PROGRAM]);
        command.arg(&volume).stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("log"));
        let welcome = read_welcome(&mut process);
        let root = format!("/proc/{}/root", process.child().id());
        Self {
            process,
            welcome,
            volume: Path::new(&root).join(volume.strip_prefix("/").expect("an absolute path")),
            _folder: folder,
        }
    }

    /// Takes all room but [`LEFT`].
    fn fill(&self) {
        let volume = rustix::fs::statvfs(&self.volume).expect("the volume can be asked");
        let file = File::create(self.volume.join("ballast")).expect("there is room for a file");
        let bytes = volume.f_bavail * volume.f_frsize - LEFT;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).expect("there is room");
    }

    fn make_room(&self) {
        std::fs::remove_file(self.volume.join("ballast")).expect("the file is there");
    }

    async fn put(&self, value: &str) -> Answer {
        let url = format!("{}/api/v1/config/word", self.welcome.url);
        let call = Call::new(Method::PUT, url, Some(&self.welcome.key));
        let call = call.body("application/json", format!("\"{value}\""));
        call.send().await.expect("an answer")
    }

    async fn word(&self) -> String {
        let url = format!("{}/api/v1/config/word?consistency=linearizable", self.welcome.url);
        let read = get(&url, Some(&self.welcome.key)).await.expect("an answer");
        assert_eq!(read.status, 200, "{}", read.text);
        read.json()["value"].as_str().expect("a text").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_stop_before_the_volume_is_full_and_go_on_when_there_is_room_again() {
    let mut node = SmallVolume::start();
    assert_eq!(node.put("before").await.status, 200);
    node.fill();
    let refused = eventually("writes are refused", async || {
        let answer = node.put("before").await;
        (answer.status != 200).then_some(answer).ok_or("it was written")
    })
    .await;
    assert_eq!(
        refused.problem().kind(),
        Some(ProblemType::StorageFull),
        "{}",
        refused.text
    );
    assert_eq!(node.put("while it is full").await.status, 507);
    assert_eq!(node.word().await, "before");
    node.make_room();
    eventually("writes go on", async || {
        let answer = node.put("after").await;
        (answer.status == 200).then_some(()).ok_or(answer.text)
    })
    .await;
    assert_eq!(node.word().await, "after");
    node.process.stop("-INT").await;
}
