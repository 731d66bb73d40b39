//! Checks of the repository's own shape: files, names, words, links, scripts. Run by `e2e/tests/tidy.rs`.
//!
//! Each check is a pure function from the tracked files to findings, so that its tests plant a violation as text.

pub mod arrows;
pub mod links;
pub mod names;
pub mod reach;
pub mod scripts;
pub mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// One tracked file. Paths are relative to the repository's root, with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedFile {
    /// Path from the root.
    pub path: String,
    /// Whether git records it as executable.
    pub executable: bool,
    /// Its content; empty for a file that is not UTF-8.
    pub text: String,
}

impl TrackedFile {
    /// A plain file, as tests plant them.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            executable: false,
            text: text.to_owned(),
        }
    }

    /// Last segment of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// True for a file with this ending, given without the dot.
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Finding {
    /// A finding about a line (from 1), or about the file (0).
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.text),
            line => write!(formatter, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// The repository's root: the folder above this crate.
pub fn repository_root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_path_buf()
}

/// Every file that git tracks and that exists, new ones that are not ignored included.
pub fn tracked_files(root: &Path) -> anyhow::Result<Vec<TrackedFile>> {
    let mut files = Vec::new();
    for (arguments, executables_known) in [
        (&["ls-files", "-z", "--stage"][..], true),
        (&["ls-files", "-z", "--others", "--exclude-standard"][..], false),
    ] {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output();
        let output = output.context("run git ls-files")?;
        anyhow::ensure!(output.status.success(), "git ls-files failed in {}", root.display());
        let listing = String::from_utf8(output.stdout).context("read the list of git ls-files")?;
        for record in listing.split('\0').filter(|record| !record.is_empty()) {
            let (mode, path) = if executables_known {
                record.split_once('\t').context("git ls-files --stage printed no tab")?
            } else {
                ("", record)
            };
            let Ok(bytes) = std::fs::read(root.join(path)) else {
                continue;
            };
            files.push(TrackedFile {
                path: path.to_owned(),
                executable: mode.starts_with("100755") || (!executables_known && bytes.starts_with(b"#!")),
                text: String::from_utf8(bytes).unwrap_or_default(),
            });
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

/// Ends a test with every finding, one a line.
///
/// # Errors
/// When there is one.
pub fn expect_none(mut findings: Vec<Finding>) -> anyhow::Result<()> {
    findings.sort();
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    anyhow::ensure!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
    Ok(())
}
