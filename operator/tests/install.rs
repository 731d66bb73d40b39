//! The committed manifest to install from is the one that its pieces make.

use std::fs;
use std::path::Path;

#[test]
fn committed_install_manifest_is_made_of_its_pieces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = assemble(&root.join("manifests/install"));
    let path = root.join("manifests/install.yaml");
    if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
        fs::write(&path, &made).expect("the file is written");
    }
    let committed = fs::read_to_string(&path).expect("the file is committed");
    assert!(
        committed == made,
        "{} differs from its pieces; run `make generate`",
        path.display()
    );
}

/// The pieces by name, with the definitions of our kinds after the first: a namespace must be there before what is in it.
fn assemble(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("the pieces are there");
    let mut pieces: Vec<_> = entries.map(|entry| entry.expect("a piece").path()).collect();
    pieces.sort();
    let mut parts: Vec<_> = pieces
        .iter()
        .map(|path| fs::read_to_string(path).expect("a piece can be read"))
        .collect();
    let definitions = confman_crds::manifest::all().expect("the types make YAML");
    parts.splice(1..1, definitions.into_iter().map(|definition| definition.yaml));
    let head = "# Everything that comes once for each Kubernetes, made from manifests/install and crds by `make generate`:\n\
                #   kubectl apply --server-side -f manifests/install.yaml\n";
    format!("{head}---\n{}", parts.join("---\n"))
}
