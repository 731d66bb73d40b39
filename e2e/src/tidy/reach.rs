//! Dead files: every tracked `.rs` file is a target of the workspace or declared as a module by one that is reached.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, TrackedFile};

/// Every `.rs` file that nothing compiles; `roots` are the sources of all targets, build scripts included.
pub fn check(files: &[TrackedFile], roots: &BTreeSet<String>) -> Vec<Finding> {
    let sources: BTreeMap<&str, &TrackedFile> = files
        .iter()
        .filter(|file| file.is("rs"))
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<String> = roots.iter().cloned().collect();
    while let Some(path) = waiting.pop() {
        let Some((path, source)) = sources.get_key_value(path.as_str()) else {
            continue;
        };
        if reached.insert(path) {
            waiting.extend(modules(source, roots.contains(*path)));
        }
    }
    let dead = sources.keys().filter(|path| !reached.contains(*path));
    dead.map(|path| Finding::new(path, 0, "nothing compiles it: declare the module or delete the file"))
        .collect()
}

/// Sources of the targets that a manifest of another workspace names, and its library.
pub fn roots_of_manifest(manifest: &TrackedFile) -> BTreeSet<String> {
    let folder = manifest.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let paths = manifest
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    paths
        .chain(["src/lib.rs"])
        .map(|path| format!("{folder}/{path}"))
        .collect()
}

/// Where the modules that `source` declares may lie.
fn modules(source: &TrackedFile, is_root: bool) -> Vec<String> {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let stem = source.name().trim_end_matches(".rs");
    let below = if is_root {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let mut found = Vec::new();
    let mut renamed = None;
    for line in source.text.lines().map(str::trim) {
        if let Some(path) = line
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"))
        {
            renamed = Some(joined(folder, path));
        } else if let Some(name) = declared(line) {
            found.push(renamed.take().unwrap_or_else(|| format!("{below}/{name}.rs")));
        } else if let Some(path) = line
            .split_once("include!(\"")
            .and_then(|(_, rest)| rest.split('"').next())
        {
            found.push(format!("{folder}/{path}"));
        }
    }
    found
}

/// `path` as seen from `folder`, which it may leave by `..`.
fn joined(folder: &str, path: &str) -> String {
    match (path.strip_prefix("../"), folder.rsplit_once('/')) {
        (Some(rest), Some((above, _))) => joined(above, rest),
        _ => format!("{folder}/{path}"),
    }
}

/// The name in `mod name;`, whatever its visibility.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_suffix(';')?;
    let (before, name) = line
        .split_once("mod ")
        .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?;
    let plain = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (plain && (before.is_empty() || before.ends_with(' '))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(path, text)| TrackedFile::new(path, text)).collect();
        let roots = BTreeSet::from(["node/src/lib.rs".to_owned(), "node/tests/http.rs".to_owned()]);
        check(&files, &roots).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn declared_modules_are_reached() {
        let files = [
            ("node/src/lib.rs", "pub mod http;\n#[cfg(test)]\nmod checks;\n"),
            ("node/src/http.rs", "pub(crate) mod audit;\n"),
            ("node/src/http/audit.rs", ""),
            ("node/src/checks.rs", ""),
            (
                "node/tests/http.rs",
                "#[path = \"http/cases.rs\"]\nmod cases;\n#[path = \"../shared/wait.rs\"]\nmod wait;\n",
            ),
            ("node/tests/http/cases.rs", ""),
            ("node/shared/wait.rs", ""),
        ];
        assert_eq!(dead(&files), Vec::<String>::new());
    }

    #[test]
    fn a_manifest_of_another_workspace_names_its_targets() {
        let text = "[dependencies]\ncore = { path = \"../core\" }\n[[bin]]\nname = \"body\"\npath = \"fuzz_targets/body.rs\"\n";
        let roots = roots_of_manifest(&TrackedFile::new("node/fuzz/Cargo.toml", text));
        let expected = ["node/fuzz/fuzz_targets/body.rs", "node/fuzz/src/lib.rs"];
        assert_eq!(roots, expected.map(str::to_owned).into());
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let files = [
            ("node/src/lib.rs", "pub mod http;\n// mod old;\n"),
            ("node/src/old.rs", ""),
        ];
        assert_eq!(dead(&files), ["node/src/old.rs"]);
    }

    #[test]
    fn what_only_a_dead_file_declares_is_found_too() {
        let files = [
            ("node/src/lib.rs", ""),
            ("node/src/old.rs", "mod older;"),
            ("node/src/old/older.rs", ""),
        ];
        assert_eq!(dead(&files), ["node/src/old.rs", "node/src/old/older.rs"]);
    }
}
