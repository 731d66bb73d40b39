//! Words that no file may hold: unfinished work, package registries, folders of one person's machine.

use super::{Finding, TrackedFile};

// Written in two halves, so that this file does not find itself.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];
const ELSEWHERE: [&str; 13] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("pypi", ".org"),
    concat!("registry.", "npmjs.org"),
    concat!("deb.", "debian.org"),
    concat!("arti", "factory"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/tmp", "/w/"),
];
const CONFLICT: [&str; 3] = [
    concat!("<<<<", "<<< "),
    concat!("||||", "||| "),
    concat!(">>>>", ">>> "),
];

/// Files that tools write and that name registries by their nature.
const GENERATED: [&str; 2] = ["Cargo.lock", "go.sum"];

/// Every banned word, by line.
pub fn check(files: &[TrackedFile]) -> Vec<Finding> {
    let written = files.iter().filter(|file| !GENERATED.contains(&file.name()));
    written.flat_map(check_file).collect()
}

fn check_file(file: &TrackedFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for word in UNFINISHED.into_iter().filter(|word| holds_word(line, word)) {
            findings.push(Finding::new(
                &file.path,
                number,
                format!("{word}: finish it, or write an issue"),
            ));
        }
        for text in ELSEWHERE.into_iter().filter(|text| line.contains(text)) {
            findings.push(Finding::new(
                &file.path,
                number,
                format!("{text} is not for a repository"),
            ));
        }
        if CONFLICT.iter().any(|marker| line.starts_with(marker)) {
            findings.push(Finding::new(&file.path, number, "left over from a merge"));
        }
    }
    findings
}

fn holds_word(line: &str, word: &str) -> bool {
    let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    line.match_indices(word).any(|(start, _)| {
        !joins(line[..start].chars().next_back()) && !joins(line[start + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let findings = check(&[TrackedFile::new("docs/page.md", text)]);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_banned_word_is_found_with_its_line() {
        for word in UNFINISHED.into_iter().chain(ELSEWHERE) {
            assert_eq!(lines(&format!("fine\nbefore {word} after\n")), [2], "{word}");
        }
        for marker in CONFLICT {
            assert_eq!(lines(&format!("{marker}HEAD\n")), [1], "{marker}");
        }
    }

    #[test]
    fn part_of_another_word_is_not_found() {
        assert_eq!(
            lines(&format!("a{}S b_{} \n", UNFINISHED[0], UNFINISHED[3])),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn lock_files_may_name_registries() {
        let lock = TrackedFile::new("e2e/kube/go.sum", ELSEWHERE[2]);
        assert_eq!(check(&[lock]), []);
    }
}
