//! Plays every scenario of the folder `tests/scenarios`.

use std::path::Path;

use crate::scenario::run;

#[test]
fn every_scenario_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(&folder).expect("the folder of scenarios");
    let mut files: Vec<_> = files.map(|file| file.expect("a file of the folder").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are scenarios in {}", folder.display());
    for file in files {
        assert_eq!(
            file.extension().and_then(|name| name.to_str()),
            Some("txt"),
            "{}",
            file.display()
        );
        let text = std::fs::read_to_string(&file).expect("a text file");
        run(&file.display().to_string(), &text);
    }
}
