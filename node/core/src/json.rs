//! JSON text as a tree that keeps every number and every member exactly as written, so that it can be compared and rendered.

use std::borrow::Cow;

/// One node of a document: its text and, for objects and arrays, its children in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<'t> {
    /// The whole text of the node, white space around it removed.
    pub text: &'t str,
    /// What it is.
    pub node: JsonNode<'t>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonNode<'t> {
    /// null, a boolean or a number.
    Plain,
    /// A string, decoded.
    Text(Cow<'t, str>),
    /// An array.
    Array(Vec<Json<'t>>),
    /// An object; names are decoded and in the order of the text.
    Object(Vec<(Cow<'t, str>, Json<'t>)>),
}

/// Deepest nesting that is read: more than any value has ([`crate::value::ConfigValue::MAX_DEPTH`]) and any document around one.
pub const MAX_DEPTH: usize = 96;

impl<'t> Json<'t> {
    /// Parses `text`; none if it is not JSON or nested deeper than [`MAX_DEPTH`].
    pub fn parse(text: &'t str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        reader.skip_space();
        let json = reader.node(0)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(json)
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` and the white space around it.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        if self.peek() != Some(byte) {
            return false;
        }
        self.at += 1;
        self.skip_space();
        true
    }

    fn node(&mut self, depth: usize) -> Option<Json<'t>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let start = self.at;
        let node = match self.peek()? {
            b'{' => JsonNode::Object(self.members(depth)?),
            b'[' => JsonNode::Array(self.items(depth)?),
            b'"' => JsonNode::Text(self.string()?),
            _ => self.plain()?,
        };
        let text = self.text.get(start..self.at)?.trim_end();
        Some(Json { text, node })
    }

    fn members(&mut self, depth: usize) -> Option<Vec<(Cow<'t, str>, Json<'t>)>> {
        let mut members = Vec::new();
        self.take(b'{');
        if self.close(b'}') {
            return Some(members);
        }
        loop {
            let name = self.string()?;
            if !self.take(b':') {
                return None;
            }
            members.push((name, self.node(depth + 1)?));
            if self.take(b',') {
                continue;
            }
            self.skip_space();
            return self.close(b'}').then_some(members);
        }
    }

    fn items(&mut self, depth: usize) -> Option<Vec<Json<'t>>> {
        let mut items = Vec::new();
        self.take(b'[');
        if self.close(b']') {
            return Some(items);
        }
        loop {
            items.push(self.node(depth + 1)?);
            if self.take(b',') {
                continue;
            }
            self.skip_space();
            return self.close(b']').then_some(items);
        }
    }

    fn close(&mut self, byte: u8) -> bool {
        let closes = self.peek() == Some(byte);
        self.at += usize::from(closes);
        closes
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        let (mut at, mut escaped) = (start + 1, false);
        loop {
            match self.text.as_bytes().get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        if escaped {
            serde_json::from_str(self.text.get(start..self.at)?)
                .ok()
                .map(Cow::Owned)
        } else {
            self.text.get(start + 1..at).map(Cow::Borrowed)
        }
    }

    fn plain(&mut self) -> Option<JsonNode<'t>> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
        {
            self.at += 1;
        }
        let text = self.text.get(start..self.at)?;
        let known = matches!(text, "null" | "true" | "false") || is_number(text);
        known.then_some(JsonNode::Plain)
    }
}

/// RFC 8259 section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) = mantissa
        .split_once('.')
        .map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

/// `name` as a token of a JSON pointer (RFC 6901): with `/` before it, `~` and `/` in it escaped.
pub fn pointer_token(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_member_order_are_kept_as_written() {
        let text = "{\"b\": 1.50e+3, \"a\" : [ true , \"x\\n\" ] }";
        let spaced = format!(" {text}\n");
        let json = Json::parse(&spaced).expect("JSON");
        let JsonNode::Object(members) = &json.node else {
            unreachable!("an object was parsed");
        };
        assert_eq!((members[0].0.as_ref(), members[0].1.text), ("b", "1.50e+3"));
        assert_eq!(members[1].1.text, "[ true , \"x\\n\" ]");
        assert_eq!(json.text, text);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(MAX_DEPTH + 2) + &"]".repeat(MAX_DEPTH + 2);
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":}",
            "{\"a\" 1}",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "nul",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\n\"",
            "1 2",
            "[1 2]",
            "{1:2}",
            "NaN",
            "\"\\ud800\"",
            &deep,
        ] {
            assert_eq!(Json::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn pointers_escape_tilde_and_slash() {
        assert_eq!(pointer_token("a/b~c"), "/a~1b~0c");
    }

    proptest! {
        #[test]
        fn exactly_what_serde_json_takes_is_parsed(text in "[\\[\\]{},:\"\\\\ 0-9eE.+\\-a-c]{0,12}|true|null|\"\\PC{0,8}\"") {
            let known = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            // A raw value skips over strings without decoding them; those with a bad escape are refused here.
            prop_assert!(known || Json::parse(&text).is_none(), "{text}");
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(Json::parse(&text).is_some(), "{text}");
            }
        }
    }
}
