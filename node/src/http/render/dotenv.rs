//! An environment file: what a POSIX shell reads by `set -a; . ./file`, and python-dotenv and its like where that is possible.
//!
//! **Names.** `.` and `-` become `_`, and a name that begins with a digit gets a `_` before it: `rate-limit` is `rate_limit`.
//! Case stays. Two keys that would get the same name are refused, and so are names that a shell keeps for itself.
//!
//! **Values.** Text as it is, bytes in base64, everything else as compact JSON. Written bare where every reader agrees, else in
//! single quotes, else (with `'` or `\` in it) in double quotes with `\`, `"`, `$` and `` ` `` escaped. Line breaks stay as they
//! are inside of the quotes. The shell reads every value exactly; python-dotenv does so too but for values with `${…}` (which
//! it replaces in quotes of either kind), with a carriage return, or with both a `$` or `` ` `` and a `'` or `\`.

use std::collections::BTreeMap;

use confman_core::ids::ConfigKey;

use super::{Entry, RenderError, flat};

/// Variables that bash does not let a file set, or that mean something else afterwards.
const RESERVED: [&str; 14] = [
    "_",
    "BASHOPTS",
    "BASHPID",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_VERSINFO",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "IFS",
    "PPID",
    "RANDOM",
    "SHELLOPTS",
    "UID",
];

/// The file with one line an entry, in the order given.
///
/// # Errors
/// Refuses the whole list, naming the key, if one of them has no name or no value there.
pub fn render<'e>(entries: impl IntoIterator<Item = Entry<'e>>) -> Result<String, RenderError> {
    let mut out = String::new();
    let mut names: BTreeMap<String, &ConfigKey> = BTreeMap::new();
    for (key, value) in entries {
        let name = name_of(key.as_str());
        if RESERVED.contains(&name.as_str()) {
            return Err(RenderError::ReservedName { key: key.clone(), name });
        }
        let text = flat(value);
        if text.contains('\0') {
            return Err(RenderError::ZeroByte { key: key.clone() });
        }
        out.push_str(&name);
        out.push('=');
        write_value(&text, &mut out);
        out.push('\n');
        if let Some(first) = names.insert(name.clone(), key) {
            let (first, second) = (first.clone(), key.clone());
            return Err(RenderError::SameName { first, second, name });
        }
    }
    Ok(out)
}

/// The variable of a key.
pub fn name_of(key: &str) -> String {
    let name = key.replace(['.', '-'], "_");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

fn is_bare(text: &str) -> bool {
    let bare = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'.' | b'/' | b':' | b'@' | b'%' | b'+' | b',' | b'-' | b'='
            )
    };
    !text.is_empty() && text.bytes().all(bare)
}

fn write_value(text: &str, out: &mut String) {
    if is_bare(text) {
        out.push_str(text);
        return;
    }
    if !text.contains(['\'', '\\']) {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
        return;
    }
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '\\' | '"' | '$' | '`') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use confman_core::value::ConfigValue;
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> ConfigKey {
        ConfigKey::parse(text).expect("a key")
    }

    fn text(text: &str) -> ConfigValue {
        ConfigValue::from_text(text).expect("small")
    }

    fn rendered(entries: &[(&str, ConfigValue)]) -> Result<String, RenderError> {
        let entries: Vec<_> = entries.iter().map(|(name, value)| (key(name), value)).collect();
        render(entries.iter().map(|(key, value)| (key, *value)))
    }

    /// What a shell has in its environment after reading `file`.
    fn read_by_shell(file: &str, names: &[String]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("env");
        std::fs::write(&path, file).expect("the file can be written");
        let output = Command::new("bash")
            .args([
                "--noprofile",
                "--norc",
                "-c",
                "set -aeu; . \"$0\"; for name in \"$@\"; do printf '%s\\0' \"${!name}\"; done",
            ])
            .arg(&path)
            .args(names)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("bash is there");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{file}: {output:?}"
        );
        let values = String::from_utf8(output.stdout).expect("UTF-8");
        values.split_terminator('\0').map(str::to_owned).collect()
    }

    /// The rules of python-dotenv 1.x for one `NAME=value` (its `parser.py` and `variables.py`), for values without `${`.
    fn read_by_python_dotenv(line: &str) -> String {
        let (_, value) = line.split_once('=').expect("a binding");
        let decoded = |inner: &str, escapes: &str| {
            let (mut out, mut letters) = (String::new(), inner.chars().peekable());
            while let Some(letter) = letters.next() {
                match letters
                    .peek()
                    .copied()
                    .filter(|_| letter == '\\')
                    .filter(|next| escapes.contains(*next))
                {
                    Some(next) => {
                        let plain = match next {
                            'n' => '\n',
                            'r' => '\r',
                            't' => '\t',
                            'a' => '\u{7}',
                            'b' => '\u{8}',
                            'f' => '\u{c}',
                            'v' => '\u{b}',
                            same => same,
                        };
                        out.push(plain);
                        letters.next();
                    }
                    None => out.push(letter),
                }
            }
            out
        };
        let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = quoted('\'') {
            decoded(inner, "\\'")
        } else if let Some(inner) = quoted('"') {
            decoded(inner, "\\'\"abfnrtv")
        } else {
            value.split(" #").next().unwrap_or("").trim_end().to_owned()
        }
    }

    #[test]
    fn each_kind_of_value_has_its_line() {
        let json = |text| ConfigValue::from_json_text(text).expect("JSON");
        let file = rendered(&[
            ("rate-limit", json("1000")),
            ("LOG_LEVEL", text("debug")),
            ("api.url", text("https://example.com/a?b=c#d")),
            ("2fa", json("true")),
            ("none", json("null")),
            ("empty", text("")),
            ("limits", json("{\"a\": [1, \"x\"]}")),
            ("logo", ConfigValue::from_bytes(vec![0, 159, 146, 150]).expect("small")),
            ("pem", text("-----BEGIN\nAA==\n")),
            ("quote", text("it's $HOME \"here\" \\ `id`")),
        ]);
        let expected = "\
rate_limit=1000
LOG_LEVEL=debug
api_url='https://example.com/a?b=c#d'
_2fa=true
none=null
empty=''
limits='{\"a\":[1,\"x\"]}'
logo=AJ+Slg==
pem='-----BEGIN
AA==
'
quote=\"it's \\$HOME \\\"here\\\" \\\\ \\`id\\`\"
";
        assert_eq!(file.as_deref(), Ok(expected));
    }

    #[test]
    fn keys_that_would_share_a_name_are_refused_by_name() {
        let refused = rendered(&[("a.b", text("1")), ("c", text("2")), ("a-b", text("3"))]).expect_err("refused");
        assert_eq!(refused.to_string(), "the keys a.b and a-b would both be named a_b");
        let problem = refused.problem();
        assert_eq!((problem.status, problem.field.as_deref()), (406, Some("a-b")));
        let refused = rendered(&[("1a", text("1")), ("_1a", text("2"))]);
        assert!(matches!(refused, Err(RenderError::SameName { .. })));
    }

    #[test]
    fn what_an_environment_cannot_hold_is_refused_by_key() {
        let refused = rendered(&[("zero", text("a\0b"))]).expect_err("refused");
        assert_eq!(refused, RenderError::ZeroByte { key: key("zero") });
        for name in ["UID", "_", "IFS"] {
            let refused = rendered(&[(name, text("1"))]).expect_err("refused");
            assert_eq!(refused.problem().field.as_deref(), Some(name));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_shell_reads_every_value_exactly(values in prop::collection::vec("[^\0]{0,12}|[a'\"\\\\$`{}()!#~*?;&|<>= \n\r\t-]{0,12}", 1..20)) {
            let entries: Vec<_> = values.iter().enumerate().map(|(index, value)| (key(&format!("key-{index}")), text(value))).collect();
            let file = render(entries.iter().map(|(key, value)| (key, value))).expect("all have names");
            let names: Vec<_> = entries.iter().map(|(key, _)| name_of(key.as_str())).collect();
            prop_assert_eq!(read_by_shell(&file, &names), values, "{}", file);
        }
    }

    proptest! {
        #[test]
        fn python_dotenv_reads_what_it_can_exactly(value in "[^\0\r$`]{0,12}|[a'\"\\\\#= \n\tnrtabfv]{0,12}|[a\"$`#= \n]{0,12}") {
            prop_assume!(!value.contains("${"));
            let file = rendered(&[("key", text(&value))]).expect("it has a name");
            prop_assert_eq!(read_by_python_dotenv(file.strip_suffix('\n').expect("a line")), value, "{}", file);
        }

        #[test]
        fn a_name_is_one_for_a_shell(name in "[A-Za-z0-9_]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?") {
            let name = name_of(&name);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            prop_assert!(!name.starts_with(|first: char| first.is_ascii_digit()));
        }
    }
}
