//! Links in Markdown: relative ones lead to a file and a heading that exist; every `make` target named exists.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, TrackedFile};

/// Every broken link and every unknown `make` target.
pub fn check(files: &[TrackedFile]) -> Vec<Finding> {
    let by_path: BTreeMap<&str, &TrackedFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let targets = make_targets(by_path.get("Makefile").map_or("", |file| file.text.as_str()));
    let pages = files.iter().filter(|file| file.is("md"));
    pages.flat_map(|page| check_page(page, &by_path, &targets)).collect()
}

fn check_page(page: &TrackedFile, files: &BTreeMap<&str, &TrackedFile>, targets: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(page.text.lines()) {
        for target in named_targets(line, in_code).filter(|target| !targets.contains(target)) {
            findings.push(Finding::new(&page.path, number, format!("there is no `make {target}`")));
        }
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for link in links(line) {
            if let Some(problem) = broken(page, link, files) {
                findings.push(Finding::new(&page.path, number, format!("link {link}: {problem}")));
            }
        }
    }
    findings
}

/// Targets of inline links and of reference definitions.
fn links(line: &str) -> Vec<&str> {
    let mut found: Vec<_> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .collect();
    if let Some((label, target)) = line.split_once("]: ")
        && label.starts_with('[')
    {
        found.extend(target.split_whitespace().next());
    }
    found
}

fn broken(page: &TrackedFile, link: &str, files: &BTreeMap<&str, &TrackedFile>) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = link
        .split_once('#')
        .map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target = if path.is_empty() {
        Some(page.path.clone())
    } else {
        resolve(&page.path, path)
    };
    let Some(target) = target else {
        return Some("leads out of the repository");
    };
    let folder = format!("{target}/");
    let is_folder = files.keys().any(|known| known.starts_with(&folder));
    match (files.get(target.as_str()), heading) {
        (Some(file), Some(heading)) if !headings(&file.text).contains(heading) => Some("no such heading"),
        (Some(_), _) => None,
        (None, None) if is_folder => None,
        (None, _) => Some("no such file"),
    }
}

/// The path that `link` means on the page at `page`.
fn resolve(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

/// Anchors of the headings, as GitHub makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    titles
        .map(|title| {
            let letters = title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
            letters.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

fn make_targets(makefile: &str) -> BTreeSet<&str> {
    let rules = makefile.lines().filter_map(|line| line.split_once(':'));
    rules
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && !name.contains([' ', '\t', '.']))
        .collect()
}

/// The words after `make` in code spans, and in code blocks at the start of a command.
fn named_targets(line: &str, in_code: bool) -> impl Iterator<Item = &str> {
    let spans = line.split("`make ").skip(1);
    let command = line
        .trim_start()
        .trim_start_matches("$ ")
        .strip_prefix("make ")
        .filter(|_| in_code);
    let rests = spans.chain(command);
    rests.filter_map(|rest| {
        rest.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '-' || letter.is_ascii_digit()))
            .next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let files = [
            TrackedFile::new("Makefile", "test: build ## Run\nbuild:\n"),
            TrackedFile::new("docs/adr/0001-pure-core.md", "# 1. A pure core\n"),
            TrackedFile::new("docs/page.md", text),
        ];
        check(&files).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn good_links_pass() {
        let text = "# Top\n[a](adr/0001-pure-core.md) [b](../docs/adr) [c](https://example.org) [d](#top)\n\
                    [e](adr/0001-pure-core.md#1-a-pure-core)\n[f]: ../Makefile\nRun `make test`.\n```\nmake build\n[x](y)\n```\n";
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(
            findings("see [a](adr/0002.md)\n"),
            ["docs/page.md:1: link adr/0002.md: no such file"]
        );
        assert_eq!(
            findings("[a]: gone.md\n"),
            ["docs/page.md:1: link gone.md: no such file"]
        );
    }

    #[test]
    fn a_link_to_a_missing_heading_is_found() {
        assert_eq!(
            findings("# Top\n[a](#bottom)\n"),
            ["docs/page.md:2: link #bottom: no such heading"]
        );
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(
            findings("[a](../../x)\n"),
            ["docs/page.md:1: link ../../x: leads out of the repository"]
        );
    }

    #[test]
    fn an_unknown_make_target_is_found() {
        assert_eq!(
            findings("Run `make tset`.\n"),
            ["docs/page.md:1: there is no `make tset`"]
        );
        assert_eq!(
            findings("```\nmake bild\n```\n"),
            ["docs/page.md:2: there is no `make bild`"]
        );
    }
}
