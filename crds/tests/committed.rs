//! The committed YAML is the one that the types make.

use std::path::PathBuf;

#[test]
fn committed_definitions_are_those_of_the_types() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("yaml");
    for manifest in confman_crds::manifest::all().expect("the types make YAML") {
        let path = folder.join(manifest.file);
        if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
            std::fs::write(&path, &manifest.yaml).expect("the file is written");
        }
        let committed = std::fs::read_to_string(&path).expect("the file is committed");
        assert_eq!(
            committed,
            manifest.yaml,
            "{} differs from the types; run `make generate`",
            path.display()
        );
    }
}
