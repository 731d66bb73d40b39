//! Sizes, names and first lines of files, and what may lie at the top of the repository.

use super::{Finding, TrackedFile};

/// Most lines of a Rust file; files aim at 400.
pub const MOST_LINES: usize = 600;

const VAGUE: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "manager", "misc", "stuff",
];

const TOP: [&str; 19] = [
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "charts",
    "crds",
    "deny.toml",
    "docs",
    "e2e",
    "manifests",
    "node",
    "operator",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// Every finding about sizes, names, first lines and the top level.
pub fn check(files: &[TrackedFile]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &TrackedFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let top = file.path.split('/').next().unwrap_or(&file.path);
    if !TOP.contains(&top) {
        findings.push(Finding::new(
            &file.path,
            0,
            "does not belong at the top of the repository",
        ));
    }
    let stems = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    if let Some(vague) = stems.into_iter().find(|stem| VAGUE.contains(stem)) {
        findings.push(Finding::new(
            &file.path,
            0,
            format!("{vague:?} says nothing: name it after its job"),
        ));
    }
    if !file.is("rs") {
        return findings;
    }
    if file.name() == "mod.rs" {
        findings.push(Finding::new(&file.path, 0, "use foo.rs beside foo/, not foo/mod.rs"));
    }
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        findings.push(Finding::new(
            &file.path,
            0,
            format!("{lines} lines, the limit is {MOST_LINES}: split it"),
        ));
    }
    if !file.text.starts_with("//! ") {
        findings.push(Finding::new(
            &file.path,
            1,
            "the first line says the file's job: `//! …`",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[TrackedFile::new(path, text)])
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn a_proper_file_passes() {
        assert_eq!(
            findings("node/src/propose.rs", "//! The one write path.\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_file_without_a_first_line_is_found() {
        assert_eq!(
            findings("node/src/propose.rs", "use std::fmt;\n"),
            ["node/src/propose.rs:1: the first line says the file's job: `//! …`"]
        );
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        let text = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(
            findings("node/src/propose.rs", &text),
            ["node/src/propose.rs: 601 lines, the limit is 600: split it"]
        );
    }

    #[test]
    fn a_vague_name_is_found() {
        for path in ["node/src/utils.rs", "operator/src/common/names.rs", "e2e/helpers.sh"] {
            assert_eq!(findings(path, "//! Things.\n").len(), 1, "{path}");
        }
    }

    #[test]
    fn a_mod_file_is_found() {
        assert_eq!(
            findings("node/src/http/mod.rs", "//! Routes.\n"),
            ["node/src/http/mod.rs: use foo.rs beside foo/, not foo/mod.rs"]
        );
    }

    #[test]
    fn a_stray_file_at_the_top_is_found() {
        assert_eq!(
            findings("notes.txt", "")[0],
            "notes.txt: does not belong at the top of the repository"
        );
    }
}
