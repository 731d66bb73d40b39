//! YAML of a JSON document: block style, the same members in the same order, and no plain scalar that any YAML reads otherwise.
//!
//! A string is written without quotes only if it is a plain word: it begins with a letter, `/` or `_`, has only letters,
//! digits and `._/-`, and is none of the words that YAML 1.1 or 1.2 takes for a boolean or null. Everything else is in double
//! quotes with every control, separator and surrogate escaped. So `no`, `1e3`, `0x1`, `2001-01-01` and `~` stay strings, also
//! for readers of YAML 1.1. A number always has the form that both versions take for one.

use std::fmt::Write as _;

use confman_core::json::{Json, JsonNode};

/// Longest name, in bytes as written, before `:`. YAML readers stop looking for the `:` after 1024 characters.
const LONGEST_NAME: usize = 256;

/// Columns from which on arrays and objects stay on one line: indentation must not make a document many times larger.
const WIDEST_INDENT: usize = 16;

/// The YAML of JSON text. None if `json` is not JSON.
pub fn of_json(json: &str) -> Option<String> {
    let json = Json::parse(json)?;
    let mut out = String::with_capacity(json.text.len() + 64);
    if is_inline(&json) {
        write_inline(&json, &mut out);
        out.push('\n');
    } else {
        write_block(&json, 0, &mut out);
    }
    Some(out)
}

/// Whether it goes on the line of its name.
fn is_inline(json: &Json<'_>) -> bool {
    match &json.node {
        JsonNode::Plain | JsonNode::Text(_) => true,
        JsonNode::Array(items) => items.is_empty(),
        JsonNode::Object(members) => members.is_empty(),
    }
}

fn write_inline(json: &Json<'_>, out: &mut String) {
    match &json.node {
        JsonNode::Plain => write_plain(json.text, out),
        JsonNode::Text(text) => write_text(text, out),
        JsonNode::Array(_) => out.push_str("[]"),
        JsonNode::Object(_) => out.push_str("{}"),
    }
}

/// Writes an array or object that is not empty, its first line at the present place, the others indented.
fn write_block(json: &Json<'_>, indent: usize, out: &mut String) {
    match &json.node {
        JsonNode::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                begin_line(position, indent, out);
                out.push_str("- ");
                write_child(item, indent, out);
            }
        }
        JsonNode::Object(members) => {
            for (position, (name, value)) in members.iter().enumerate() {
                begin_line(position, indent, out);
                let mut written = String::new();
                write_text(name, &mut written);
                if written.len() > LONGEST_NAME {
                    out.push_str("? ");
                    out.push_str(&written);
                    out.push('\n');
                    begin_line(1, indent, out);
                    out.push_str(": ");
                    write_child(value, indent, out);
                } else {
                    out.push_str(&written);
                    write_member(value, indent, out);
                }
            }
        }
        JsonNode::Plain | JsonNode::Text(_) => {
            write_inline(json, out);
            out.push('\n');
        }
    }
}

/// The line of the first child was begun by its parent.
fn begin_line(position: usize, indent: usize, out: &mut String) {
    if position > 0 {
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// An array or object on one line.
fn write_flow(json: &Json<'_>, out: &mut String) {
    match &json.node {
        JsonNode::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                write_flow(item, out);
            }
            out.push(']');
        }
        JsonNode::Object(members) => {
            out.push('{');
            for (position, (name, value)) in members.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                let mut written = String::new();
                write_text(name, &mut written);
                out.push_str(if written.len() > LONGEST_NAME { "? " } else { "" });
                out.push_str(&written);
                out.push_str(if written.len() > LONGEST_NAME { " : " } else { ": " });
                write_flow(value, out);
            }
            out.push('}');
        }
        JsonNode::Plain | JsonNode::Text(_) => write_inline(json, out),
    }
}

/// Behind `- ` or `: `, two columns in.
fn write_child(json: &Json<'_>, indent: usize, out: &mut String) {
    if is_inline(json) || indent >= WIDEST_INDENT {
        write_flow(json, out);
        out.push('\n');
    } else {
        write_block(json, indent + 2, out);
    }
}

/// Behind a name.
fn write_member(json: &Json<'_>, indent: usize, out: &mut String) {
    if is_inline(json) || indent >= WIDEST_INDENT {
        out.push_str(": ");
        write_flow(json, out);
        out.push('\n');
    } else {
        out.push_str(":\n");
        begin_line(1, indent + 2, out);
        write_block(json, indent + 2, out);
    }
}

/// A number needs a point before its exponent to be one in YAML 1.1, and a sign behind the `e`.
fn write_plain(text: &str, out: &mut String) {
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']).filter(|_| is_number) else {
        out.push_str(text);
        return;
    };
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    out.push('e');
    if !exponent.starts_with(['+', '-']) {
        out.push('+');
    }
    out.push_str(exponent);
}

/// Words that some version of YAML takes for something else than a string, in lower case.
const RESERVED: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];

fn is_plain_word(text: &str) -> bool {
    let mut letters = text.bytes();
    let first = letters.next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'_'))
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-'))
        && text.len() <= LONGEST_NAME
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn write_text(text: &str, out: &mut String) {
    if is_plain_word(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            plain if is_printable(plain) => out.push(plain),
            other => {
                let code = u32::from(other);
                let written = if code <= 0xffff {
                    write!(out, "\\u{code:04x}")
                } else {
                    write!(out, "\\U{code:08x}")
                };
                written.expect("a string takes everything");
            }
        }
    }
    out.push('"');
}

/// Printable by YAML 1.2 section 5.1, and neither a line break of YAML 1.1 nor a byte order mark nor a noncharacter.
fn is_printable(letter: char) -> bool {
    let code = u32::from(letter);
    let breaks = matches!(code, 0x85 | 0x2028 | 0x2029 | 0xfeff);
    !letter.is_control() && !breaks && code & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn yaml(value: &Value) -> String {
        of_json(&value.to_string()).expect("JSON has a form in YAML")
    }

    /// Read by a parser that is none of ours.
    fn read_back(yaml: &str) -> Value {
        serde_yaml::from_str(yaml).unwrap_or_else(|error| unreachable!("{error}: {yaml}"))
    }

    #[test]
    fn a_document_is_in_block_style_and_keeps_its_order() {
        let json = "{\"namespace\":\"/teams/payments\",\"value\":{\"b\":[1,{\"c\":[],\"d\":[[true]]}],\"a\":{}},\
                    \"type\":\"json\",\"requestId\":null}";
        let expected = "\
namespace: /teams/payments
value:
  b:
    - 1
    - c: []
      d:
        - - true
  a: {}
type: json
requestId: null
";
        assert_eq!(of_json(json).as_deref(), Some(expected));
    }

    #[test]
    fn strings_that_some_yaml_takes_for_something_else_are_quoted() {
        for text in [
            "",
            "no",
            "NO",
            "On",
            "y",
            "true",
            "False",
            "null",
            "Null",
            "~",
            "1",
            "1e3",
            "0x1",
            "0o7",
            "0b1",
            "1_000",
            "-1",
            "+1",
            ".5",
            ".nan",
            ".inf",
            "-.inf",
            "NaN",
            "2001-01-01",
            "2001-01-01T00:00:00Z",
            "12:30:45",
            "=",
            "<<",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "@a",
            "`a",
            "%a",
            "- a",
            "-",
            "?",
            ":",
            "a: b",
            "a #b",
            "#a",
            "[a",
            "{a",
            "'a'",
            "\"a\"",
            " a",
            "a ",
            "a\nb",
            "\ta",
            "---",
            "...",
            "a,b",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "\u{7f}",
            "\0",
            "\u{1f600}",
            "\u{fffe}",
            "\u{1ffff}",
        ] {
            let written = yaml(&json!(text));
            assert!(written.starts_with('"'), "{text:?} is written {written}");
            assert_eq!(read_back(&written), json!(text), "{written}");
        }
        for text in ["a", "no-one", "/teams/payments", "user_1", "v1.2.3", "LOG_LEVEL"] {
            assert_eq!(yaml(&json!(text)), format!("{text}\n"));
        }
    }

    #[test]
    fn numbers_are_numbers_in_both_versions_of_yaml() {
        for (json, yaml) in [
            ("1000", "1000\n"),
            ("-0.5", "-0.5\n"),
            ("1e+21", "1.0e+21\n"),
            ("5e-324", "5.0e-324\n"),
            ("1.5E300", "1.5e+300\n"),
            ("true", "true\n"),
            ("false", "false\n"),
            ("null", "null\n"),
            ("18446744073709551615", "18446744073709551615\n"),
        ] {
            assert_eq!(of_json(json).as_deref(), Some(yaml));
        }
    }

    #[test]
    fn a_name_too_long_for_a_line_is_written_as_an_explicit_one() {
        let document = json!({"n".repeat(5_000): {"inner": [1, 2]}, "é".repeat(300): [[1], {}], "short": 1});
        let written = yaml(&document);
        assert!(written.starts_with("? "), "{}", &written[..10]);
        assert_eq!(read_back(&written), document);
    }

    #[test]
    fn nesting_does_not_make_a_document_many_times_larger() {
        let (deep, items) = (60, vec!["1"; 10_000].join(","));
        let json = format!("{}{items}{}", "[".repeat(deep), "]".repeat(deep));
        let written = of_json(&json).expect("JSON has a form in YAML");
        assert!(
            written.len() < 2 * json.len(),
            "{} bytes of {}",
            written.len(),
            json.len()
        );
        assert_eq!(read_back(&written), serde_json::from_str::<Value>(&json).expect("JSON"));
        let members = json!({"n".repeat(3_000): 1, "a b": [{}, []], "c": {"d": "no"}});
        let nested = (0..12).fold(members, |inner, _| json!([inner]));
        assert_eq!(read_back(&yaml(&nested)), nested);
    }

    #[test]
    fn what_is_not_json_has_no_form() {
        assert_eq!(of_json("{"), None);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,8}",
            ".{0,8}",
            "[-+:#?~!&*|>'\"%@`,.0-9exobn {}\\[\\]\r\n\t]{0,6}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(14, 96, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn another_parser_reads_the_same_document(document in documents()) {
            let written = yaml(&document);
            prop_assert_eq!(read_back(&written), document, "{}", written);
        }
    }
}
