//! Shell scripts: bash, strict, executable, with a line that says their job.

use super::{Finding, TrackedFile};

const SHEBANG: &str = "#!/usr/bin/env bash";
const STRICT: &str = "set -euo pipefail";

/// Every finding about shell scripts; a script is what ends in `.sh` or begins with a shell's shebang.
pub fn check(files: &[TrackedFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| is_script(file))
        .flat_map(check_script)
        .collect()
}

/// True for a shell script.
pub fn is_script(file: &TrackedFile) -> bool {
    let first = file.text.lines().next().unwrap_or_default();
    file.is("sh") || (first.starts_with("#!") && first.ends_with("sh"))
}

fn check_script(file: &TrackedFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut lines = file.text.lines();
    if lines.next() != Some(SHEBANG) {
        findings.push(Finding::new(
            &file.path,
            1,
            format!("scripts are bash: begin with `{SHEBANG}`"),
        ));
    }
    if !lines.next().is_some_and(|line| line.starts_with("# ")) {
        findings.push(Finding::new(
            &file.path,
            2,
            "the second line says the script's job: `# …`",
        ));
    }
    let first_command = file
        .text
        .lines()
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    if first_command != Some(STRICT) {
        findings.push(Finding::new(&file.path, 0, format!("the first command is `{STRICT}`")));
    }
    if !file.executable {
        findings.push(Finding::new(
            &file.path,
            0,
            "git does not record it as executable: `git add --chmod=+x`",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str, executable: bool) -> Vec<String> {
        let mut file = TrackedFile::new("e2e/prepare", text);
        file.executable = executable;
        check(&[file]).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_strict_script_passes() {
        assert_eq!(
            findings("#!/usr/bin/env bash\n# Does it.\nset -euo pipefail\ntrue\n", true),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_slip_is_found() {
        let fine = "#!/usr/bin/env bash\n# Does it.\nset -euo pipefail\ntrue\n";
        let cases = [
            (fine.replace("/usr/bin/env bash", "/bin/sh"), true),
            (fine.replace("# Does it.\n", ""), true),
            (fine.replace("set -euo pipefail", "set -e"), true),
            (fine.to_owned(), false),
        ];
        for (text, executable) in cases {
            assert_eq!(findings(&text, executable).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_text_file_is_no_script() {
        assert_eq!(check(&[TrackedFile::new("README.md", "set -e\n")]), []);
    }
}
