//! The dependency arrows of `docs/architecture.md`, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use super::Finding;

/// What a crate may never depend on, by its own manifest or through others; development dependencies only directly.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    (
        "confman-core",
        &[
            OURS,
            "tokio",
            "openraft",
            "rocksdb",
            "axum",
            "hyper",
            "kube",
            "k8s-openapi",
        ],
    ),
    (
        "confman-api",
        &[
            "confman-store",
            "confman-node",
            "confman-crds",
            "openraft",
            "rocksdb",
            "axum",
            "kube",
            "k8s-openapi",
        ],
    ),
    (
        "confman-store",
        &[
            "confman-api",
            "confman-node",
            "confman-crds",
            "axum",
            "tonic",
            "kube",
            "k8s-openapi",
        ],
    ),
    (
        "confman-node",
        &["confman-crds", "confman-operator", "confman-sim", "kube", "k8s-openapi"],
    ),
    (
        "confman-sim",
        &[
            "confman-api",
            "confman-store",
            "confman-node",
            "confman-crds",
            "confman-operator",
            "rocksdb",
            "axum",
            "tonic",
            "kube",
            "k8s-openapi",
        ],
    ),
    (
        "confman-crds",
        &[
            "confman-core",
            "confman-api",
            "confman-store",
            "confman-node",
            "openraft",
            "rocksdb",
            "axum",
        ],
    ),
    (
        "confman-operator",
        &["confman-store", "confman-node", "openraft", "rocksdb"],
    ),
    (
        "confman-e2e",
        &[
            "confman-store",
            "confman-node",
            "confman-operator",
            "openraft",
            "rocksdb",
        ],
    ),
];

/// Stands for every crate of the workspace.
const OURS: &str = "confman-*";

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    optional: bool,
}

#[derive(Debug, Deserialize)]
struct Target {
    src_path: String,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, for this machine's platform, without the network.
    pub fn load(root: &Path) -> anyhow::Result<Self> {
        let host = Command::new("rustc").arg("-vV").output().context("run rustc -vV")?;
        let host = String::from_utf8_lossy(&host.stdout).into_owned();
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc -vV names no host")?;
        let output = Command::new("cargo")
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--offline",
                "--all-features",
            ])
            .args(["--filter-platform", host])
            .current_dir(root)
            .output()
            .context("run cargo metadata")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "cargo metadata failed: {errors}");
        serde_json::from_slice(&output.stdout).context("read what cargo metadata printed")
    }

    /// Sources of every target of the workspace, relative to `root`.
    pub fn roots(&self, root: &Path) -> BTreeSet<String> {
        let targets = self.members().flat_map(|package| &package.targets);
        let relative = targets.filter_map(|target| Path::new(&target.src_path).strip_prefix(root).ok());
        relative.map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// One line for each direct dependency of each crate of the workspace, sorted.
    pub fn direct_dependencies(&self) -> String {
        let mut lines = BTreeSet::new();
        for package in self.members() {
            for dependency in &package.dependencies {
                let kind = dependency
                    .kind
                    .as_deref()
                    .map(|kind| format!(" ({kind})"))
                    .unwrap_or_default();
                let optional = if dependency.optional { " (optional)" } else { "" };
                lines.insert(format!("{} -> {}{kind}{optional}", package.name, dependency.name));
            }
        }
        lines.into_iter().collect::<Vec<_>>().join("\n")
    }

    fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }
}

/// Every arrow that may not be.
pub fn check(metadata: &Metadata) -> Vec<Finding> {
    let names: BTreeMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut findings = Vec::new();
    for member in metadata.members() {
        let Some((_, forbidden)) = FORBIDDEN.iter().find(|(name, _)| *name == member.name) else {
            findings.push(Finding::new(
                &member.name,
                0,
                "has no row in the table of arrows (e2e/src/tidy/arrows.rs)",
            ));
            continue;
        };
        let bad = |name: &str| forbidden.contains(&name) || (forbidden.contains(&OURS) && name.starts_with("confman-"));
        for dependency in member.dependencies.iter().filter(|dependency| bad(&dependency.name)) {
            findings.push(Finding::new(&member.name, 0, format!("depends on {}", dependency.name)));
        }
        for path in indirect(&member.id, &nodes, &names) {
            if path.len() > 2 && path.last().is_some_and(|last| bad(last)) {
                findings.push(Finding::new(
                    &member.name,
                    0,
                    format!("depends on {}", path[1..].join(" -> ")),
                ));
            }
        }
    }
    findings
}

/// The shortest path of names to everything that `start` needs to be built, `start` first.
fn indirect<'a>(
    start: &'a str,
    nodes: &BTreeMap<&str, &'a Node>,
    names: &BTreeMap<&str, &'a str>,
) -> Vec<Vec<&'a str>> {
    let mut seen = BTreeSet::from([start]);
    let mut paths = vec![(start, vec![names.get(start).copied().unwrap_or(start)])];
    let mut next = 0;
    while let Some((id, path)) = paths.get(next).cloned() {
        next += 1;
        for edge in nodes.get(id).map_or(&[][..], |node| &node.deps) {
            let builds = edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
            if builds && seen.insert(&edge.pkg) {
                let mut longer = path.clone();
                longer.push(names.get(edge.pkg.as_str()).copied().unwrap_or(&edge.pkg));
                paths.push((&edge.pkg, longer));
            }
        }
    }
    paths.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Names of direct dependencies and their kinds.
    type Needs<'a> = &'a [(&'a str, Option<&'a str>)];

    /// Crates with their direct dependencies and kinds; those that begin with `confman-` are members.
    fn metadata(crates: &[(&str, Needs<'_>)]) -> Metadata {
        let names: BTreeSet<&str> = crates
            .iter()
            .flat_map(|(name, needs)| needs.iter().map(|(need, _)| *need).chain([*name]))
            .collect();
        let needs = |name: &str| {
            crates
                .iter()
                .find(|(found, _)| *found == name)
                .map_or(&[][..], |(_, needs)| needs)
        };
        let packages: Vec<Value> = names
            .iter()
            .map(|name| {
                let dependencies: Vec<_> = needs(name)
                    .iter()
                    .map(|(need, kind)| json!({"name": need, "kind": kind, "optional": false}))
                    .collect();
                json!({"id": name, "name": name, "targets": [], "dependencies": dependencies})
            })
            .collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps: Vec<_> = needs(name)
                    .iter()
                    .map(|(need, kind)| json!({"pkg": need, "dep_kinds": [{"kind": kind}]}))
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        let members: Vec<_> = names.iter().filter(|name| name.starts_with("confman-")).collect();
        serde_json::from_value(json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes}}))
            .expect("the fixture has the shape of cargo metadata")
    }

    fn findings(crates: &[(&str, Needs<'_>)]) -> Vec<String> {
        check(&metadata(crates)).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn allowed_arrows_pass() {
        let crates: [(&str, &[_]); 2] = [
            ("confman-node", &[("confman-store", None), ("openraft", None)]),
            ("confman-store", &[("confman-core", None), ("rocksdb", None)]),
        ];
        assert_eq!(findings(&crates), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        assert_eq!(
            findings(&[("confman-operator", &[("confman-node", None)]), ("confman-node", &[])]),
            ["confman-operator: depends on confman-node"]
        );
        assert_eq!(
            findings(&[("confman-core", &[("tokio", Some("dev"))])]),
            ["confman-core: depends on tokio"]
        );
        assert_eq!(
            findings(&[("confman-core", &[("confman-api", None)]), ("confman-api", &[])]),
            ["confman-core: depends on confman-api"]
        );
    }

    #[test]
    fn a_forbidden_arrow_through_another_crate_is_found() {
        let crates: [(&str, &[_]); 2] = [("confman-core", &[("clock", None)]), ("clock", &[("tokio", None)])];
        assert_eq!(findings(&crates), ["confman-core: depends on clock -> tokio"]);
    }

    #[test]
    fn what_only_tests_of_others_need_is_no_arrow() {
        let crates: [(&str, &[_]); 2] = [
            ("confman-core", &[("clock", None)]),
            ("clock", &[("tokio", Some("dev"))]),
        ];
        assert_eq!(findings(&crates), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(
            findings(&[("confman-new", &[])]),
            ["confman-new: has no row in the table of arrows (e2e/src/tidy/arrows.rs)"]
        );
    }

    #[test]
    fn direct_dependencies_are_listed_with_their_kind() {
        let metadata = metadata(&[("confman-core", &[("serde", None), ("insta", Some("dev"))])]);
        assert_eq!(
            metadata.direct_dependencies(),
            "confman-core -> insta (dev)\nconfman-core -> serde"
        );
    }
}
