//! The Kubernetes that the story plays on: our own local one, kind, or the one that the kubeconfig names.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;

use crate::console::{Console, seconds};
use crate::kubectl::{Identity, Kubectl};
use crate::story;
use crate::tidy::repository_root;

/// Label of the operator's Kubernetes namespace where the story brought it: whose it is.
const OWNER_LABEL: &str = "confman.io/story";

/// Which Kubernetes to use; `CLUSTER` in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Started from `e2e/kube`, on this machine, as root.
    Local,
    /// A kind cluster, in Docker.
    Kind,
    /// The current context of the kubeconfig. Nothing of the cluster itself is started or removed.
    Current,
}

impl Origin {
    /// `local` (default), `kind` or `current`.
    pub fn from_environment() -> anyhow::Result<Self> {
        match std::env::var("CLUSTER").unwrap_or_default().as_str() {
            "" | "local" => Ok(Self::Local),
            "kind" => Ok(Self::Kind),
            "current" => Ok(Self::Current),
            other => anyhow::bail!("CLUSTER is {other:?}; it must be local, kind or current"),
        }
    }
}

/// A Kubernetes that is up.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name on this machine; two names never collide.
    pub name: String,
    /// How to speak to it.
    pub kubectl: Kubectl,
}

impl Kubernetes {
    /// Starts it where it has to be started; starting again is harmless.
    pub fn up(console: &Console, origin: Origin, name: &str) -> anyhow::Result<Self> {
        let started = Instant::now();
        let kubernetes = Self::known(origin, name)?;
        match origin {
            Origin::Local => run(console, "e2e/kube/cluster", &["up", "--name", name, "--level", "node"])?,
            Origin::Kind => {
                // A kubeconfig of its own: the person's current context stays what it is.
                let kubeconfig = folder(origin, name)?.join("kubeconfig").display().to_string();
                let verb: &[_] = if kind_clusters()?.iter().any(|known| known == name) {
                    &["export", "kubeconfig"]
                } else {
                    &["create", "cluster"]
                };
                let options = ["--name", name, "--kubeconfig", &kubeconfig];
                run(console, "kind", &[verb, &options].concat())?;
            }
            Origin::Current => kubernetes.claim(console)?,
        }
        let version = kubernetes.kubectl.quiet(&["version"])?;
        let server = version
            .lines()
            .find(|line| line.starts_with("Server Version"))
            .unwrap_or_default();
        console.done(&format!("Kubernetes answers: {server}"), started.elapsed());
        Ok(kubernetes)
    }

    /// Starts the control level of a local one: an API server without pods, for which nobody need be root.
    pub fn up_without_pods(console: &Console, name: &str) -> anyhow::Result<Self> {
        let kubernetes = Self::known(Origin::Local, name)?;
        let up = ["up", "--name", name, "--level", "control"];
        run(console, "e2e/kube/cluster", &up)?;
        Ok(kubernetes)
    }

    /// The same without starting anything.
    pub fn known(origin: Origin, name: &str) -> anyhow::Result<Self> {
        let kubectl = match origin {
            Origin::Local => Kubectl {
                program: cache_folder()?.join("kube/bin/kubectl"),
                kubeconfig: Some(local_folder(name)?.join("kubeconfig")),
                identity: Identity::Context,
            },
            Origin::Kind => Kubectl {
                program: PathBuf::from("kubectl"),
                kubeconfig: Some(folder(origin, name)?.join("kubeconfig")),
                identity: Identity::Impersonation,
            },
            Origin::Current => Kubectl {
                program: PathBuf::from("kubectl"),
                kubeconfig: None,
                identity: Identity::Impersonation,
            },
        };
        Ok(Self {
            origin,
            name: name.to_owned(),
            kubectl,
        })
    }

    /// Ends this Kubernetes when this process ends, however that comes about; for tests, which leave nothing behind.
    pub fn end_with_this_process(&self) -> anyhow::Result<()> {
        if self.origin == Origin::Local {
            let status = Command::new(repository_root().join("e2e/kube/end-with"))
                .args([&std::process::id().to_string(), &self.name])
                .status()
                .context("run e2e/kube/end-with")?;
            anyhow::ensure!(status.success(), "e2e/kube/end-with: {status}");
        }
        Ok(())
    }

    /// Makes the image `reference` from a program and lets the pods use it.
    pub fn load_image(&self, console: &Console, reference: &str, program: &Path) -> anyhow::Result<()> {
        let archive = tempfile::Builder::new()
            .suffix(".tar")
            .tempfile()
            .context("make room for an image")?;
        let archive = archive.path().display().to_string();
        run(
            console,
            "e2e/kube/image",
            &["program", reference, &program.display().to_string(), &archive],
        )?;
        match self.origin {
            Origin::Local => run(console, "e2e/kube/cluster", &["load", "--name", &self.name, &archive]),
            Origin::Kind => run(
                console,
                "kind",
                &["load", "image-archive", &archive, "--name", &self.name],
            ),
            Origin::Current => anyhow::bail!("images are pushed, not loaded, where the Kubernetes is somebody's own"),
        }
    }

    /// Removes it with everything that it left on this machine.
    pub fn down(&self, console: &Console) -> anyhow::Result<()> {
        let started = Instant::now();
        match self.origin {
            Origin::Local => run(console, "e2e/kube/cluster", &["down", "--name", &self.name])?,
            Origin::Kind => {
                run(console, "kind", &["delete", "cluster", "--name", &self.name])?;
                self.remove_folder()?;
            }
            Origin::Current => {
                let Some(owner) = self.owner()? else {
                    console.done("nothing to remove", started.elapsed());
                    return Ok(());
                };
                anyhow::ensure!(owner == self.name, "{}", not_ours(&owner));
                // While the operator still runs: its pods go first, then what they needed.
                for what in [["namespace", story::NAMESPACE], ["-f", story::INSTALL]] {
                    let delete = ["delete", what[0], what[1], "--ignore-not-found"];
                    self.kubectl.run(console, None, &delete)?;
                }
                self.remove_folder()?;
            }
        }
        console.done("removed", started.elapsed());
        Ok(())
    }

    /// A folder for what belongs to this Kubernetes on this machine; it goes with it.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        folder(self.origin, &self.name)
    }

    fn remove_folder(&self) -> anyhow::Result<()> {
        let folder = self.folder()?;
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))
    }

    /// On a Kubernetes that is somebody's own, nothing may be replaced, and later removed, that the story did not bring.
    fn claim(&self, console: &Console) -> anyhow::Result<()> {
        match self.owner()? {
            Some(owner) if owner == self.name => return Ok(()),
            Some(owner) => anyhow::bail!(not_ours(&owner)),
            None => {}
        }
        let definitions = [
            "get",
            "crd",
            "confmanclusters.confman.io",
            "--ignore-not-found",
            "-o",
            "name",
        ];
        anyhow::ensure!(self.kubectl.quiet(&definitions)?.is_empty(), "{}", not_ours(""));
        let label = format!("{OWNER_LABEL}={}", self.name);
        self.kubectl
            .run(console, None, &["create", "namespace", story::SYSTEM])?;
        let labelled = ["label", "namespace", story::SYSTEM, &label];
        self.kubectl.run(console, None, &labelled).map(drop)
    }

    /// Who brought Confman to this Kubernetes: the name in a label, empty for somebody else; none where there is none.
    fn owner(&self) -> anyhow::Result<Option<String>> {
        let printed = self
            .kubectl
            .quiet(&["get", "namespace", story::SYSTEM, "--ignore-not-found", "-o", "json"])?;
        if printed.trim().is_empty() {
            return Ok(None);
        }
        let namespace: Value = serde_json::from_str(&printed).context("read what kubectl printed")?;
        let owner = namespace["metadata"]["labels"][OWNER_LABEL].as_str();
        Ok(Some(owner.unwrap_or_default().to_owned()))
    }

    /// Fails when processes, mounts, links or rules of a local Kubernetes are left on this machine.
    pub fn expect_no_leftovers(&self, console: &Console) -> anyhow::Result<()> {
        match self.origin {
            Origin::Local => run(console, "e2e/kube/cluster", &["leftovers", "--name", &self.name]),
            Origin::Kind | Origin::Current => Ok(()),
        }
    }

    /// What to type before `kubectl` means this Kubernetes.
    pub fn how_to_connect(&self) -> Vec<String> {
        let kubeconfig = self.kubectl.kubeconfig.as_ref();
        let folder = self
            .kubectl
            .program
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let path = folder.map(|folder| format!("export PATH={}:$PATH", folder.display()));
        path.into_iter()
            .chain(kubeconfig.map(|file| format!("export KUBECONFIG={}", file.display())))
            .collect()
    }
}

fn not_ours(owner: &str) -> String {
    let whose = if owner.is_empty() {
        String::new()
    } else {
        format!(", brought by {owner}")
    };
    format!(
        "this Kubernetes has a Confman already{whose}: the story would replace it, and take it away in the end. Choose another \
         context of the kubeconfig"
    )
}

fn folder(origin: Origin, name: &str) -> anyhow::Result<PathBuf> {
    let folder = match origin {
        Origin::Local => local_folder(name)?.join("story"),
        Origin::Kind | Origin::Current => cache_folder()?.join("story").join(name),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Where builds and clusters live.
fn cache_folder() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    Ok(PathBuf::from(home).join(".cache/confman"))
}

fn local_folder(name: &str) -> anyhow::Result<PathBuf> {
    Ok(cache_folder()?.join("kube/clusters").join(name))
}

fn kind_clusters() -> anyhow::Result<Vec<String>> {
    let output = Command::new("kind")
        .args(["get", "clusters"])
        .output()
        .context("run kind")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Runs a program of the repository or of the machine and shows its output as it comes.
fn run(console: &Console, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    console.command(&format!("{program} {}", arguments.join(" ")));
    let started = Instant::now();
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(repository_root())
        .stdin(Stdio::null());
    command
        .stdout(writer.try_clone().context("share the pipe")?)
        .stderr(writer);
    let mut child = command.spawn().with_context(|| format!("run {program}"))?;
    // The command holds the writing ends; with them the pipe would never end.
    drop(command);
    for line in BufReader::new(reader).lines() {
        console.output(&line.context("read what the program prints")?);
    }
    let status = child.wait().with_context(|| format!("wait for {program}"))?;
    anyhow::ensure!(
        status.success(),
        "{program} failed after {} with {status}",
        seconds(started.elapsed())
    );
    Ok(())
}
