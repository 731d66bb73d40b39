//! The images that the story's pods run, and copies of manifests that name them as another registry does.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::tidy::repository_root;

/// One image.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// The program in it.
    pub program: &'static str,
    /// How the manifests name it.
    pub reference: &'static str,
    /// Variable of the environment that says how `CLUSTER=current` names it.
    pub variable: &'static str,
}

/// All of them.
pub const IMAGES: [Image; 3] = [
    Image {
        program: "confman-node",
        reference: "localhost/confman-node:dev",
        variable: "CONFMAN_NODE_IMAGE",
    },
    Image {
        program: "confman-operator",
        reference: "localhost/confman-operator:dev",
        variable: "CONFMAN_OPERATOR_IMAGE",
    },
    Image {
        program: "reader",
        reference: "localhost/confman-reader:dev",
        variable: "CONFMAN_READER_IMAGE",
    },
];

/// Text in a manifest, and what stands there instead.
pub type Replacement = (String, String);

/// The reference of an image with this very program: another program's is another one, and nothing of it runs by mistake.
pub fn tagged(reference: &str, program: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let digest = Sha256::digest(&bytes);
    let short = digest
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Ok(format!("{reference}-{short}"))
}

/// What the manifests say instead of each image's reference.
///
/// # Errors
/// When a variable is not set; the error says how to make and name the image.
pub fn pushed(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Vec<Replacement>> {
    let mut replacements = Vec::new();
    let mut missing = Vec::new();
    for image in IMAGES {
        match variable(image.variable).filter(|reference| !reference.is_empty()) {
            Some(reference) => replacements.push((image.reference.to_owned(), reference)),
            None => missing.push(how_to_push(image)),
        }
    }
    anyhow::ensure!(
        missing.is_empty(),
        "CLUSTER=current needs images that its nodes can pull. Make each, push it, and name it:\n{}",
        missing.join("\n")
    );
    Ok(replacements)
}

fn how_to_push(image: Image) -> String {
    let Image { program, variable, .. } = image;
    format!(
        "  export {variable}=REGISTRY/{program}:dev\n  \
         e2e/kube/image program ${variable} ~/.cache/confman/target/debug/{program} {program}.tar\n  \
         docker load -i {program}.tar && docker push ${variable}"
    )
}

/// How a role's subject names a Kubernetes user.
pub fn subject(username: &str) -> String {
    match username
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'))
    {
        Some((namespace, name)) => format!("serviceaccount:{namespace}/{name}"),
        None => format!("user:{username}"),
    }
}

/// Copies the manifest, or folder of manifests, at `path` (from the repository's root) into `folder`, with the replacements.
/// Returns the path of the copy.
pub fn copy(path: &str, folder: &Path, replacements: &[Replacement]) -> anyhow::Result<String> {
    let original = repository_root().join(path);
    let name = original.file_name().context("a manifest has a name")?;
    let copy = folder.join(name);
    if !original.is_dir() {
        copy_file(&original, &copy, replacements)?;
        return Ok(copy.display().to_string());
    }
    fs::create_dir_all(&copy).with_context(|| format!("make {}", copy.display()))?;
    let entries = fs::read_dir(&original).with_context(|| format!("list {}", original.display()))?;
    for entry in entries {
        let entry = entry.context("list the manifests")?;
        copy_file(&entry.path(), &copy.join(entry.file_name()), replacements)?;
    }
    Ok(copy.display().to_string())
}

fn copy_file(from: &Path, to: &Path, replacements: &[Replacement]) -> anyhow::Result<()> {
    let mut text = fs::read_to_string(from).with_context(|| format!("read {}", from.display()))?;
    for (old, new) in replacements {
        text = text.replace(old, new);
    }
    fs::write(to, text).with_context(|| format!("write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_name_is_told_how_to_be_made() {
        let only_node = |name: &str| (name == "CONFMAN_NODE_IMAGE").then(|| "here/node:1".to_owned());
        let error = pushed(only_node).expect_err("two are missing").to_string();
        assert!(error.contains("export CONFMAN_OPERATOR_IMAGE="), "{error}");
        assert!(
            error.contains("e2e/kube/image program $CONFMAN_READER_IMAGE"),
            "{error}"
        );
        assert!(!error.contains("CONFMAN_NODE_IMAGE"), "{error}");
    }

    #[test]
    fn copies_name_other_images_and_the_person_who_installs() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut replacements = pushed(|name| Some(format!("here/{name}:1")))?;
        replacements.push(("user:admin".to_owned(), subject("system:serviceaccount:ci:deployer")));
        let samples = copy("manifests/samples/", folder.path(), &replacements)?;
        let nodes = fs::read_to_string(Path::new(&samples).join("nodes.yaml"))?;
        assert!(nodes.contains("image: here/CONFMAN_NODE_IMAGE:1"), "{nodes}");
        assert!(nodes.contains("- serviceaccount:ci/deployer"), "{nodes}");
        for file in ["manifests/install.yaml", "e2e/src/story/reader.yaml"] {
            let copied = fs::read_to_string(copy(file, folder.path(), &replacements)?)?;
            assert!(
                !copied.contains("localhost/"),
                "{file} names an image that no registry has"
            );
        }
        Ok(())
    }

    #[test]
    fn a_role_names_users_and_service_accounts() {
        assert_eq!(subject("system:admin"), "user:system:admin");
        assert_eq!(subject("system:serviceaccount:a:b"), "serviceaccount:a/b");
    }
}
