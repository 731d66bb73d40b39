//! The local Kubernetes of `e2e/kube` itself, without pods: the story on real pods covers those.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use confman_e2e::console::Console;
use confman_e2e::kubernetes::{Kubernetes, Origin};
use confman_e2e::tidy::repository_root;

const PEOPLE: [&str; 7] = ["admin", "platform", "ada", "bob", "cleo", "dan", "mallory"];

/// Runs a script of `e2e/kube`; its output, or an error that holds it.
fn script(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(repository_root().join("e2e/kube").join(name))
        .args(arguments)
        .output()
        .with_context(|| format!("run e2e/kube/{name}"))?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "e2e/kube/{name} {} failed:\n{printed}",
        arguments.join(" ")
    );
    Ok(printed)
}

#[test]
fn a_cluster_starts_twice_knows_its_people_and_leaves_nothing() -> anyhow::Result<()> {
    let name = format!("kube-test-{}", std::process::id());
    Kubernetes::known(Origin::Local, &name)?.end_with_this_process()?;
    let used = use_cluster(&name);
    // Removed whatever happened; the first error is the one to report.
    let removed =
        script("cluster", &["down", "--name", &name]).and_then(|_| script("cluster", &["leftovers", "--name", &name]));
    used.and(removed.map(|_| ()))
}

fn use_cluster(name: &str) -> anyhow::Result<()> {
    let up = ["up", "--name", name, "--level", "control"];
    let first = script("cluster", &up)?;
    anyhow::ensure!(first.contains("starting kube-apiserver"), "{first}");
    let second = script("cluster", &up)?;
    anyhow::ensure!(!second.contains("starting"), "started again: {second}");

    let console = Console::default();
    let kubectl = Kubernetes::known(Origin::Local, name)?.kubectl;
    for person in PEOPLE {
        let known_as = kubectl.run(
            &console,
            Some(person),
            &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"],
        )?;
        anyhow::ensure!(known_as == person, "{person} is known as {known_as}");
    }
    let everything = ["auth", "can-i", "*", "*", "--all-namespaces"];
    kubectl.run(&console, Some("platform"), &everything)?;
    kubectl.refused(&console, Some("mallory"), &everything)?;

    let held = script("cluster", &["leftovers", "--name", name]);
    anyhow::ensure!(
        held.is_err_and(|error| error.to_string().contains("kube-apiserver")),
        "a cluster that is up must show among the leftovers"
    );
    Ok(())
}

#[test]
fn a_bad_name_or_level_is_refused_with_the_reason() {
    let cases = [
        (["up", "--name", "../escape", "--level", "control"], "--name is"),
        (["up", "--name", "", "--level", "control"], "--name is missing"),
        (
            ["up", "--name", "fine", "--level", "cloud"],
            "it must be control or node",
        ),
    ];
    for (arguments, reason) in cases {
        let refused = script("cluster", &arguments).expect_err("a bad argument is refused");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}

#[test]
fn an_image_holds_the_program_and_its_libraries_and_is_reproducible() -> anyhow::Result<()> {
    if cfg!(not(target_os = "linux")) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let [first, second] = ["first.tar", "second.tar"].map(|file| folder.path().join(file));
    for archive in [&first, &second] {
        script(
            "image",
            &[
                "program",
                "localhost/confman-test:dev",
                &program.display().to_string(),
                &archive.display().to_string(),
            ],
        )?;
    }
    anyhow::ensure!(std::fs::read(&first)? == std::fs::read(&second)?, "not reproducible");

    let outer = unpack(&first, folder.path())?;
    let layer = outer
        .iter()
        .find(|name| name.ends_with("/layer.tar"))
        .context("a layer")?;
    let inner = unpack(&folder.path().join(layer), folder.path())?;
    let name = program.file_name().context("a file name")?.to_string_lossy();
    anyhow::ensure!(inner.contains(name.as_ref()), "the program is missing: {inner:?}");
    let libraries = inner
        .iter()
        .filter(|path| !path.ends_with('/') && **path != name)
        .all(|path| path.contains(".so"));
    anyhow::ensure!(libraries, "there is more than the program and libraries: {inner:?}");
    let configuration = outer
        .iter()
        .find(|name| {
            *name != "manifest.json" && Path::new(name).extension().is_some_and(|extension| extension == "json")
        })
        .context("a configuration")?;
    let configuration = std::fs::read_to_string(folder.path().join(configuration))?;
    anyhow::ensure!(configuration.contains(r#""User":"65532:65532""#), "{configuration}");
    Ok(())
}

/// Unpacks an archive; its names.
fn unpack(archive: &Path, into: &Path) -> anyhow::Result<BTreeSet<String>> {
    let output = Command::new("tar")
        .arg("-xvf")
        .arg(archive)
        .arg("-C")
        .arg(into)
        .output()
        .context("run tar")?;
    anyhow::ensure!(
        output.status.success(),
        "tar: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}
