//! Plays every scenario of the folder `tests/scenarios`.

use std::path::Path;

use crate::scenario::run;

/// Name and text of every scenario.
pub(crate) fn all() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(&folder).expect("the folder of scenarios");
    let mut files: Vec<_> = files.map(|file| file.expect("a file of the folder").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are scenarios in {}", folder.display());
    let read = |file: &Path| {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert_eq!(
            Path::new(name).extension().and_then(|end| end.to_str()),
            Some("txt"),
            "{name}"
        );
        (name.to_owned(), std::fs::read_to_string(file).expect("a text file"))
    };
    files.iter().map(|file| read(file)).collect()
}

#[test]
fn every_scenario_comes_out_as_written() {
    let failed: Vec<String> = all()
        .into_iter()
        .filter_map(|(name, text)| run(&name, &text).err())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
