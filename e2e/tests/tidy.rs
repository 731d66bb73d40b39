//! The repository keeps its own rules; each rule and its planted violation is in `e2e/src/tidy/`.

use std::process::Command;

use confman_e2e::tidy::{self, Finding, arrows, links, names, reach, scripts, words};

#[test]
fn names_sizes_and_first_lines_are_in_order() -> anyhow::Result<()> {
    tidy::expect_none(names::check(&tidy::tracked_files(&tidy::repository_root())?))
}

#[test]
fn no_file_holds_a_banned_word() -> anyhow::Result<()> {
    tidy::expect_none(words::check(&tidy::tracked_files(&tidy::repository_root())?))
}

#[test]
fn links_and_make_targets_in_pages_lead_somewhere() -> anyhow::Result<()> {
    tidy::expect_none(links::check(&tidy::tracked_files(&tidy::repository_root())?))
}

#[test]
fn scripts_are_strict_bash() -> anyhow::Result<()> {
    let root = tidy::repository_root();
    let files = tidy::tracked_files(&root)?;
    let mut findings = scripts::check(&files);
    for script in files.iter().filter(|file| scripts::is_script(file)) {
        let output = Command::new("bash").arg("-n").arg(root.join(&script.path)).output()?;
        if !output.status.success() {
            findings.push(Finding::new(&script.path, 0, String::from_utf8_lossy(&output.stderr)));
        }
    }
    tidy::expect_none(findings)
}

#[test]
fn every_source_file_is_compiled_by_something() -> anyhow::Result<()> {
    let root = tidy::repository_root();
    let mut roots = arrows::Metadata::load(&root)?.roots(&root);
    let files = tidy::tracked_files(&root)?;
    let others = files.iter().filter(|file| file.path == "node/fuzz/Cargo.toml");
    roots.extend(others.flat_map(reach::roots_of_manifest));
    tidy::expect_none(reach::check(&files, &roots))
}
