//! JSON as it occurs in an export (RFC 8259 with whole numbers only), and its canonical form (RFC 8785). A parser of its
//! own: one that takes the last of two equal members would show another event than the one that people read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// Deepest nesting.
const DEPTH: usize = 16;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Self>),
    /// Members in the order of the text.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// A member that is there and not null.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).filter(|value| **value != Self::Null)
    }

    /// The object without a member.
    pub(super) fn without(self, name: &str) -> Self {
        let Self::Object(mut members) = self else {
            return self;
        };
        members.retain(|(known, _)| known != name);
        Self::Object(members)
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        match self.member(name) {
            None => Ok(None),
            Some(Self::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("has a {name} that is no text")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.optional_text(name)?.ok_or_else(|| format!("has no {name}"))
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.member(name) {
            None => Ok(None),
            Some(Self::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(format!("has a {name} that is no number")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        self.optional_number(name)?.ok_or_else(|| format!("has no {name}"))
    }

    pub(super) fn texts(&self, name: &str) -> Result<BTreeSet<String>, String> {
        let items = match self.member(name) {
            None => return Ok(BTreeSet::new()),
            Some(Self::List(items)) => items,
            Some(_) => return Err(format!("has {name} that are no list")),
        };
        let texts = items.iter().map(|item| {
            let Self::Text(text) = item else {
                return Err(format!("has {name} that are no texts"));
            };
            Ok(text.clone())
        });
        texts.collect()
    }
}

/// The canonical form: members sorted by UTF-16 code units, no space, the shortest escapes.
pub(super) fn canonical(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out);
    out
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::Text(text) => write_text(text, out),
        Json::List(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_cached_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            out.push('{');
            for (position, (name, value)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let escaped = write!(out, "\\u{:04x}", u32::from(control));
                escaped.expect("writing to a string does not fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Parses one value that is the whole text. An object may not have a member twice.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
    };
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.rest.next() {
        None => Ok(value),
        Some(_) => Err("has something behind its JSON".to_owned()),
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        while self
            .rest
            .next_if(|next| matches!(next, ' ' | '\t' | '\r' | '\n'))
            .is_some()
        {}
    }

    fn expect(&mut self, expected: char) -> Result<(), String> {
        self.skip_space();
        match self.rest.next() {
            Some(found) if found == expected => Ok(()),
            _ => Err(format!("is no JSON: {expected:?} is missing")),
        }
    }

    /// True, and gone, if `wanted` is next.
    fn has(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEPTH {
            return Err("is nested too deeply".to_owned());
        }
        self.skip_space();
        match self.rest.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.list(depth),
            Some('"') => self.string().map(Json::Text),
            Some('0'..='9') => self.number(),
            Some('t') => self.word("true", Json::Bool(true)),
            Some('f') => self.word("false", Json::Bool(false)),
            Some('n') => self.word("null", Json::Null),
            Some(_) | None => Err("is no JSON: a value is missing".to_owned()),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        word.chars().try_for_each(|letter| self.expect_next(letter))?;
        Ok(value)
    }

    fn expect_next(&mut self, letter: char) -> Result<(), String> {
        let found = self.rest.next_if_eq(&letter);
        found
            .map(|_| ())
            .ok_or_else(|| "is no JSON: an unknown word".to_owned())
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('{')?;
        let mut members: Vec<(String, Json)> = Vec::new();
        if self.has('}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            if members.iter().any(|(known, _)| *known == name) {
                return Err(format!("has the member {name:?} twice"));
            }
            self.expect(':')?;
            members.push((name, self.value(depth + 1)?));
            if self.has('}') {
                return Ok(Json::Object(members));
            }
            self.expect(',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('[')?;
        let mut items = Vec::new();
        if self.has(']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.has(']') {
                return Ok(Json::List(items));
            }
            self.expect(',')?;
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        let is_whole = !matches!(self.rest.peek(), Some('.' | 'e' | 'E'));
        let is_plain = digits.len() == 1 || !digits.starts_with('0');
        match digits.parse() {
            Ok(number) if is_whole && is_plain => Ok(Json::Number(number)),
            Ok(_) | Err(_) => Err("has a number that occurs in no event".to_owned()),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(plain) if plain >= ' ' => text.push(plain),
                Some(_) | None => return Err("is no JSON: a text does not end".to_owned()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.rest.next() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.code_point()?,
            Some(_) | None => return Err("is no JSON: an unknown escape".to_owned()),
        })
    }

    fn code_point(&mut self) -> Result<char, String> {
        let first = self.unit()?;
        let pair = if (0xd800..0xdc00).contains(&first) {
            self.expect_next('\\')?;
            self.expect_next('u')?;
            vec![first, self.unit()?]
        } else {
            vec![first]
        };
        let mut decoded = char::decode_utf16(pair);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err("is no JSON: half a surrogate pair".to_owned()),
        }
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits: String = self.rest.by_ref().take(4).collect();
        let is_hex = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
        unit.ok_or_else(|| "is no JSON: four hex digits are missing".to_owned())
    }
}
