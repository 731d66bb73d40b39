//! Small files and folders that survive a power cut: write aside, fsync, rename, fsync the folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::crash_point;

/// Makes the entries of folder `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes the content of the file at `path` durable.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates `dir` if it is not there, and makes its entry in the folder above durable.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        Some(_) | None => Ok(()),
    }
}

/// Replaces `dir/name` by `bytes`: afterwards, and after a crash at any step, it is the old or the new content.
pub(crate) fn replace_file(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = dir.join(format!("{name}.tmp"));
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    crash_point::reach("file-before-rename");
    fs::rename(&aside, dir.join(name))?;
    sync_dir(dir)
}

/// Renames a finished folder into place durably.
pub(crate) fn publish_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Content of the file at `path`; none if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
