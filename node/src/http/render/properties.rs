//! A Java properties file, as `java.util.Properties.load` reads it from a stream: ISO 8859-1, everything else as `\uXXXX`.
//!
//! Every key has a form there, and every value: text as it is, bytes in base64, everything else as compact JSON.

use std::fmt::Write as _;

use super::{Entry, flat};

/// The file with one line an entry, in the order given.
pub fn render<'e>(entries: impl IntoIterator<Item = Entry<'e>>) -> String {
    let mut out = String::new();
    for (key, value) in entries {
        // A key has none of the letters that would need an escape.
        out.push_str(key.as_str());
        out.push('=');
        write_value(&flat(value), &mut out);
        out.push('\n');
    }
    out
}

fn write_value(text: &str, out: &mut String) {
    for (position, letter) in text.chars().enumerate() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            // White space before a value is skipped by readers.
            ' ' if position == 0 => out.push_str("\\ "),
            // Not needed in a value; `Properties.store` does it all the same, and some readers look for comments anywhere.
            '=' | ':' | '#' | '!' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("a string takes everything");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use confman_core::ids::ConfigKey;
    use confman_core::value::ConfigValue;
    use proptest::prelude::*;

    use super::*;

    /// `java.util.Properties.load(InputStream)` by its documentation, for files without continued lines.
    fn load(file: &str) -> Vec<(String, String)> {
        assert!(file.is_ascii(), "a stream of properties is ISO 8859-1");
        let lines = file
            .split(['\n', '\r'])
            .map(|line| line.trim_start_matches([' ', '\t', '\u{c}']));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        lines.map(load_line).collect()
    }

    fn load_line(line: &str) -> (String, String) {
        let (mut end, mut escaped) = (line.len(), false);
        for (at, letter) in line.char_indices() {
            if !escaped && matches!(letter, '=' | ':' | ' ' | '\t' | '\u{c}') {
                end = at;
                break;
            }
            escaped = !escaped && letter == '\\';
        }
        let space = [' ', '\t', '\u{c}'];
        let rest = line[end..].trim_start_matches(space);
        let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(space);
        (unescape(&line[..end]), unescape(rest))
    }

    fn unescape(text: &str) -> String {
        let (mut units, mut letters) = (Vec::new(), text.chars());
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                units.extend(letter.encode_utf16(&mut [0; 2]).iter());
                continue;
            }
            match letters.next().expect("no line is continued") {
                'u' => {
                    let digits: String = letters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
                }
                't' => units.push(9),
                'n' => units.push(10),
                'f' => units.push(12),
                'r' => units.push(13),
                same => units.extend(same.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        String::from_utf16(&units).expect("pairs of surrogates are whole")
    }

    fn rendered(key: &str, value: &ConfigValue) -> String {
        let key = ConfigKey::parse(key).expect("a key");
        render([(&key, value)])
    }

    #[test]
    fn each_kind_of_value_has_its_line() {
        let text = |text| ConfigValue::from_text(text).expect("small");
        let json = |text| ConfigValue::from_json_text(text).expect("JSON");
        for (value, line) in [
            (json("1000"), "k=1000\n"),
            (json("null"), "k=null\n"),
            (json("{\"a\": [1]}"), "k={\"a\"\\:[1]}\n"),
            (text(""), "k=\n"),
            (text("  a b "), "k=\\  a b \n"),
            (text("a=b:c#d!e\\f"), "k=a\\=b\\:c\\#d\\!e\\\\f\n"),
            (text("line\r\n\tnext\u{c}"), "k=line\\r\\n\\tnext\\f\n"),
            (
                text("caf\u{e9} \u{20ac} \u{1f600}\0"),
                "k=caf\\u00E9 \\u20AC \\uD83D\\uDE00\\u0000\n",
            ),
            (
                ConfigValue::from_bytes(vec![0, 159, 146, 150]).expect("small"),
                "k=AJ+Slg\\=\\=\n",
            ),
        ] {
            assert_eq!(rendered("k", &value), line);
        }
    }

    proptest! {
        #[test]
        fn java_reads_every_key_and_value_exactly(
            key in "[A-Za-z0-9_]([A-Za-z0-9._-]{0,20}[A-Za-z0-9_])?",
            value in ".{0,12}|[ a=:#!\\\\\n\r\t\u{c}u0-9\u{80}-\u{ff}]{0,12}",
        ) {
            let file = rendered(&key, &ConfigValue::from_text(&value).expect("small"));
            prop_assert_eq!(load(&file), [(key, value)], "{}", file);
        }
    }
}
