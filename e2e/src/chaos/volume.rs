//! The volume of a node: an ext4 file system of its own in a file, which can fill up, and lose its power.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::enclosure::{run, run_command};

/// Size of a file system; the file takes what is written only.
const BYTES: u64 = 512 << 20;
/// Left free by the file that takes the room: less than the eighth of the volume that a node keeps back.
const LEFT: u64 = 16 << 20;
/// Written and synced before a cut, so it must be there after it.
const SYNCED: &str = "synced";
/// Written and not synced before a cut, so it must not.
const UNSYNCED: &str = "unsynced";

/// A mounted file system. Dropping it unmounts it; at the latest it is unmounted when the room of the run ends. With the
/// mount the loop device ends.
#[derive(Debug)]
pub struct Volume {
    image: PathBuf,
    mounted: PathBuf,
}

impl Volume {
    /// Makes and mounts the file system `name` below `folder`.
    pub fn make(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let volume = Self {
            image: folder.join(format!("{name}.ext4")),
            mounted: folder.join(name),
        };
        let image = File::create(&volume.image).context("create the image")?;
        image.set_len(BYTES).context("size the image")?;
        std::fs::create_dir_all(&volume.mounted).context("create the mount point")?;
        let mut format = Command::new("mkfs.ext4");
        format.args([
            "-q",
            "-F",
            "-m",
            "0",
            "-E",
            "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
        ]);
        run_command(format.arg(&volume.image))?;
        volume.mount()?;
        Ok(volume)
    }

    /// Where the node keeps its data.
    pub fn data(&self) -> PathBuf {
        self.mounted.join("data")
    }

    fn mount(&self) -> anyhow::Result<()> {
        let mut mount = Command::new("mount");
        run_command(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.mounted))?;
        Ok(())
    }

    /// Takes all room but a little.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mounted = self.mounted.display().to_string();
        let free = run("df", ["--output=avail", "-B1", &mounted])?;
        let free: u64 = free
            .lines()
            .nth(1)
            .and_then(|line| line.trim().parse().ok())
            .context("df says nothing")?;
        let mut fallocate = Command::new("fallocate");
        fallocate.arg("-l").arg(free.saturating_sub(LEFT).to_string());
        run_command(fallocate.arg(self.mounted.join("ballast")))?;
        Ok(())
    }

    /// Gives the room back.
    pub fn make_room(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.mounted.join("ballast")).context("remove what takes the room")
    }

    /// Throws away what the node had. The node must have ended.
    pub fn wipe(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.data()).context("remove the data")
    }

    /// Writes what [`Self::restore_power`] looks for.
    pub fn prepare_cut(&self) -> anyhow::Result<()> {
        let mut synced = File::create(self.mounted.join(SYNCED)).context("create a file")?;
        synced.write_all(b"synced").context("write a file")?;
        synced.sync_all().context("sync a file")?;
        let folder = File::open(&self.mounted).context("open the folder")?;
        folder.sync_all().context("sync the folder")
    }

    /// From now on nothing reaches the disk, and what was not synced is lost (`EXT4_IOC_SHUTDOWN` without a flush).
    pub fn cut_power(&self) -> anyhow::Result<()> {
        std::fs::write(self.mounted.join(UNSYNCED), b"unsynced").context("write a file")?;
        let mounted = self.mounted.display().to_string();
        run("xfs_io", ["-x", "-c", "shutdown", &mounted])?;
        Ok(())
    }

    /// Mounts what is on the disk. The node must have ended. Fails unless what was synced before the cut is there; false
    /// if what was not is there too: the kernel happened to write it out in time, and the cut took nothing.
    pub fn restore_power(&self) -> anyhow::Result<bool> {
        let mounted = self.mounted.display().to_string();
        run("umount", [mounted.as_str()])?;
        self.mount()?;
        let read = |name| std::fs::read(self.mounted.join(name)).unwrap_or_default();
        anyhow::ensure!(read(SYNCED) == b"synced", "the cut took what was synced");
        let took = read(UNSYNCED) != b"unsynced";
        // Its name may be there. Whoever shortens a file that is there has ext4 write it out at once.
        let _ = std::fs::remove_file(self.mounted.join(UNSYNCED));
        Ok(took)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // What fails here ends with the room.
        let _ = run("umount", [self.mounted.display().to_string().as_str()]);
    }
}
