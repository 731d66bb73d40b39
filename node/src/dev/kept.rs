//! What dev mode makes once and keeps beside the data.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

/// The content of the file `name` in `folder`: what `make` gives where there is none yet. Nobody else may read it: it
/// signs or opens what only the owner of the folder may.
pub(super) fn kept(
    folder: &Path,
    name: &str,
    make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read.with_context(|| format!("cannot read the file {name}")),
    }
    let content = make()?;
    std::fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path))
        .and_then(|mut file| file.write_all(&content))
        .with_context(|| format!("cannot write the file {name}"))?;
    Ok(content)
}
