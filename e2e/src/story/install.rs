//! Images, operator, samples, and the wait for a cluster with a leader.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::{CLUSTER, CONFIG_NAMESPACE, INSTALL, NAMESPACE, PATIENCE, READER_KEY, SYSTEM, Stage};
use crate::console::Look;
use crate::images::{IMAGES, pushed, subject, tagged};
use crate::kubectl::{is_true, text_at};
use crate::kubernetes::Origin;
use crate::processes::beside_this_program;

/// The pods of the cluster.
const NODES: [&str; 3] = ["demo-0", "demo-1", "demo-2"];

/// Makes and loads the images; where others were pushed, remembers what they are called, and who installs.
pub(super) fn load_images(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    match stage.kubernetes.origin {
        Origin::Local | Origin::Kind => {
            for image in IMAGES {
                let program = beside_this_program(image.program)?;
                let reference = tagged(image.reference, &program)?;
                stage.kubernetes.load_image(stage.console, &reference, &program)?;
                stage.replacements.push((image.reference.to_owned(), reference));
            }
        }
        Origin::Current => {
            stage.replacements = pushed(|name| std::env::var(name).ok())?;
            let whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
            let installer = stage.kubectl().run(stage.console, None, &whoami)?;
            stage
                .replacements
                .push(("user:admin".to_owned(), subject(installer.trim())));
            for (_, used) in &stage.replacements {
                stage.console.note(&format!("  used: {used}"));
            }
        }
    }
    Ok(format!("{} images", IMAGES.len()))
}

/// Installs everything that comes once for each Kubernetes.
pub(super) fn install_operator(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let kubectl = stage.kubectl();
    let manifest = stage.manifest(INSTALL)?;
    let install = ["apply", "--server-side", "--force-conflicts", "-f", &manifest];
    kubectl.run(stage.console, None, &install)?;
    for deployment in ["deployment/confman-admission", "deployment/confman-operator"] {
        kubectl.run(
            stage.console,
            None,
            &["-n", SYSTEM, "rollout", "status", deployment, "--timeout=300s"],
        )?;
    }
    Ok("admission and operator are running".to_owned())
}

/// Makes the reader's API key and applies the samples.
pub(super) fn apply_samples(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let kubectl = stage.kubectl();
    kubectl.run(
        stage.console,
        None,
        &["apply", "-f", "manifests/samples/namespace.yaml"],
    )?;
    make_api_key(stage)?;
    let samples = stage.manifest("manifests/samples/")?;
    // The Service of admission may answer a moment later than its pods do.
    stage.console.wait_for("admission", PATIENCE, || {
        let applied = kubectl.run(stage.console, None, &["apply", "-f", &samples]);
        match applied {
            Err(error) if error.to_string().contains("failed calling webhook") => Ok(Look::NotYet(error.to_string())),
            other => other.map(Look::Found),
        }
    })?;
    Ok("applied: a ConfmanCluster, a ConfigNamespace, and the rights of ada and bob".to_owned())
}

/// The nodes get the digest of the key, the reader's pod gets the key; nobody else sees it.
fn make_api_key(stage: &Stage<'_>) -> anyhow::Result<()> {
    let kubectl = stage.kubectl();
    if kubectl.get(NAMESPACE, "secret", READER_KEY)?.is_some() {
        return Ok(());
    }
    stage.console.command("confman-node keys generate --environment demo");
    let output = Command::new(beside_this_program("confman-node")?)
        .args(["keys", "generate", "--environment", "demo"])
        .output()
        .context("run confman-node")?;
    let printed = String::from_utf8(output.stdout).context("read what confman-node printed")?;
    let folder = tempfile::tempdir().context("make room for the key")?;
    let field = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let digest = write(
        folder.path(),
        "digest",
        field("file:").context("confman-node printed no digest")?,
    )?;
    let key = write(
        folder.path(),
        "key",
        field("key:").context("confman-node printed no key")?,
    )?;
    for (secret, entry) in [
        ("demo-api-keys", format!("reader={digest}")),
        (READER_KEY, format!("api-key={key}")),
    ] {
        let from_file = format!("--from-file={entry}");
        kubectl.run(
            stage.console,
            None,
            &["-n", NAMESPACE, "create", "secret", "generic", secret, &from_file],
        )?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}

/// Waits until the cluster is ready and the config namespace is in it.
pub(super) fn await_cluster(stage: &mut Stage<'_>) -> anyhow::Result<String> {
    let cluster = (NAMESPACE, "confmancluster", CLUSTER);
    let ready = |object: &Value| Ok(is_true(object, "Ready").map(|()| object.clone()));
    let found = stage.kubectl().wait_for(stage.console, cluster, PATIENCE, ready)?;
    if matches!(is_true(&found, "UpdatePending"), Look::Found(())) {
        replace_nodes(stage, text_at(&found, "/status/leader"))?;
    }
    stage.leader = stage
        .kubectl()
        .wait_for(stage.console, cluster, PATIENCE, |object| Ok(leader(object)))?;
    let namespace = (NAMESPACE, "confignamespace", CONFIG_NAMESPACE);
    stage.kubectl().wait_for(stage.console, namespace, PATIENCE, |object| {
        Ok(is_true(object, "Ready"))
    })?;
    for kind in ["pods,persistentvolumeclaims", "confmanclusters,confignamespaces"] {
        stage
            .kubectl()
            .run(stage.console, None, &["-n", NAMESPACE, "get", kind])?;
    }
    Ok(format!("three pods are ready, {} leads", stage.leader))
}

/// The pods of an earlier run have its image, and nobody replaces pods but people yet: one at a time, the leader last.
fn replace_nodes(stage: &Stage<'_>, leader: &str) -> anyhow::Result<()> {
    let mut pods = NODES.to_vec();
    pods.sort_by_key(|pod| *pod == leader);
    for pod in pods {
        let delete = ["-n", NAMESPACE, "delete", "pod", pod];
        stage.kubectl().run(stage.console, None, &delete)?;
        for object in [(NAMESPACE, "pod", pod), (NAMESPACE, "confmancluster", CLUSTER)] {
            stage
                .kubectl()
                .wait_for(stage.console, object, PATIENCE, |object| Ok(is_true(object, "Ready")))?;
        }
    }
    Ok(())
}

/// The pod that leads, as the operator sees it.
pub(super) fn leader(cluster: &Value) -> Look<String> {
    match text_at(cluster, "/status/leader") {
        "" => Look::NotYet("no leader yet".to_owned()),
        leader => Look::Found(leader.to_owned()),
    }
}
