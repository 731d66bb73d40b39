//! Reads a schema once: where its subschemas are, which applies to what, and what in it is not allowed.

use std::collections::BTreeMap;

use confman_core::schema::{KeyRules, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_SCHEMA_DEPTH, MAX_SUBSCHEMAS};
use serde_json::{Map, Value};

use super::confman;
use super::error::{Defect, SchemaError, shortened};
use super::vocabulary::{self, Applicator};

/// The only dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How one subschema applies another, seen from the value that the first one judges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    /// To the same value: `allOf`, `$ref`, `$dynamicRef`.
    Always,
    /// To the same value, under a condition or as an alternative: `anyOf`, `if`, `not`, …
    Sometimes,
    /// To one property.
    Property(String),
    /// To the properties whose names match: `patternProperties`.
    Matching(String),
    /// To the properties that neither `properties` nor `patternProperties` name.
    Additional,
    /// To what no other keyword looked at: `unevaluatedProperties`, `unevaluatedItems`.
    Unevaluated,
    /// To the names of properties.
    Names,
    /// To one item.
    Item(usize),
    /// To items: `items`, `contains`.
    Items,
}

impl Applies {
    /// True where the same value is judged.
    pub(super) fn in_place(&self) -> bool {
        matches!(self, Self::Always | Self::Sometimes)
    }
}

/// One subschema.
pub(super) struct Subschema<'a> {
    /// Where it is in the document.
    pub(super) pointer: String,
    /// Its keywords; none of a boolean schema.
    pub(super) members: Option<&'a Map<String, Value>>,
    /// What it applies, in the order of its keywords.
    pub(super) edges: Vec<(Applies, usize)>,
    /// The rules its own keywords give a key.
    pub(super) rules: KeyRules,
}

/// All subschemas of a document; the first is the document itself.
#[derive(Default)]
pub(super) struct Survey<'a> {
    pub(super) subschemas: Vec<Subschema<'a>>,
    by_pointer: BTreeMap<String, usize>,
    anchors: BTreeMap<String, usize>,
    references: Vec<(usize, &'static str, String)>,
    patterns: usize,
}

impl<'a> Survey<'a> {
    /// Walks the whole document; every reference is resolved.
    pub(super) fn of(document: &'a Value) -> Result<Self, SchemaError> {
        check_depth(document, String::new(), 0)?;
        let mut survey = Self::default();
        survey.enter(document, "")?;
        survey.resolve_references()?;
        Ok(survey)
    }

    fn enter(&mut self, schema: &'a Value, pointer: &str) -> Result<usize, SchemaError> {
        let members = match schema {
            Value::Bool(_) => None,
            Value::Object(members) => Some(members),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(SchemaError::new(pointer, shape("a schema", "an object, true or false")))?
            }
        };
        let index = self.subschemas.len();
        if index >= MAX_SUBSCHEMAS {
            let (what, limit) = ("subschemas", MAX_SUBSCHEMAS);
            Err(SchemaError::new(pointer, Defect::TooMany { what, limit }))?;
        }
        self.by_pointer.insert(pointer.to_owned(), index);
        self.subschemas.push(Subschema {
            pointer: pointer.to_owned(),
            members,
            edges: Vec::new(),
            rules: KeyRules::default(),
        });
        if let Some(members) = members {
            self.subschemas[index].rules = confman::read_rules(members, pointer)?;
            for (keyword, value) in members {
                self.read_keyword(index, keyword, value)?;
            }
        }
        Ok(index)
    }

    fn read_keyword(&mut self, index: usize, keyword: &str, value: &'a Value) -> Result<(), SchemaError> {
        let pointer = join(&self.subschemas[index].pointer, keyword);
        let fail = |defect| Err(SchemaError::new(&pointer, defect));
        if let Some(instead) = vocabulary::replacement(keyword) {
            let keyword = keyword.to_owned();
            return fail(Defect::Unsupported { keyword, instead });
        }
        match keyword {
            "$schema" => {
                let known = value
                    .as_str()
                    .is_some_and(|uri| uri.strip_suffix('#').unwrap_or(uri) == DIALECT);
                return if index == 0 && known {
                    Ok(())
                } else {
                    fail(Defect::Dialect)
                };
            }
            "$id" if index > 0 => {
                let (keyword, instead) = (
                    keyword.to_owned(),
                    "a schema is one document; give it $id only at the top",
                );
                return fail(Defect::Unsupported { keyword, instead });
            }
            "$ref" | "$dynamicRef" => {
                let Some(reference) = value.as_str() else {
                    return fail(shape(keyword, "a text"));
                };
                self.references.push((
                    index,
                    if keyword == "$ref" { "$ref" } else { "$dynamicRef" },
                    reference.to_owned(),
                ));
                return Ok(());
            }
            "$anchor" | "$dynamicAnchor" => {
                let Some(name) = value.as_str() else {
                    return fail(shape(keyword, "a text"));
                };
                if self
                    .anchors
                    .insert(name.to_owned(), index)
                    .is_some_and(|other| other != index)
                {
                    return fail(Defect::Invalid(format!(
                        "the anchor {:?} exists twice",
                        shortened(name)
                    )));
                }
                return Ok(());
            }
            "pattern" => return self.count_pattern(value.as_str().unwrap_or_default(), &pointer),
            "format" => return check_format(value, &pointer),
            _ => {}
        }
        match vocabulary::applicator(keyword) {
            Some(applicator) => self.read_applicator(index, keyword, &applicator, value),
            None if vocabulary::is_known(keyword) || confman::is_ours(keyword) => Ok(()),
            None => check_unknown(value, &pointer),
        }
    }

    fn read_applicator(
        &mut self,
        index: usize,
        keyword: &str,
        applicator: &Applicator,
        value: &'a Value,
    ) -> Result<(), SchemaError> {
        let pointer = join(&self.subschemas[index].pointer, keyword);
        let wrong = |wanted| SchemaError::new(&pointer, shape(keyword, wanted));
        match applicator {
            Applicator::One(applies) => {
                let target = self.enter(value, &pointer)?;
                self.subschemas[index].edges.push((applies.clone(), target));
            }
            Applicator::List(applies) => {
                let items = value.as_array().ok_or_else(|| wrong("an array of schemas"))?;
                for (position, item) in items.iter().enumerate() {
                    let target = self.enter(item, &format!("{pointer}/{position}"))?;
                    self.subschemas[index].edges.push((applies(position), target));
                }
            }
            Applicator::Map(applies) => {
                let members = value.as_object().ok_or_else(|| wrong("an object of schemas"))?;
                for (name, schema) in members {
                    if keyword == "patternProperties" {
                        self.count_pattern(name, &join(&pointer, name))?;
                    }
                    let target = self.enter(schema, &join(&pointer, name))?;
                    if let Some(applies) = applies(name) {
                        self.subschemas[index].edges.push((applies, target));
                    }
                }
            }
        }
        Ok(())
    }

    fn count_pattern(&mut self, pattern: &str, pointer: &str) -> Result<(), SchemaError> {
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            let (what, limit) = ("regular expressions", MAX_PATTERNS);
            Err(SchemaError::new(pointer, Defect::TooMany { what, limit }))?;
        }
        if pattern.len() > MAX_PATTERN_BYTES {
            let why = format!("it has {} bytes", pattern.len());
            let pattern = shortened(pattern);
            Err(SchemaError::new(pointer, Defect::Pattern { pattern, why }))?;
        }
        Ok(())
    }

    fn resolve_references(&mut self) -> Result<(), SchemaError> {
        for (index, keyword, reference) in std::mem::take(&mut self.references) {
            let target = self.resolve(&reference).map_err(|why| {
                let pointer = join(&self.subschemas[index].pointer, keyword);
                let reference = shortened(&reference);
                SchemaError::new(pointer, Defect::Reference { reference, why })
            })?;
            self.subschemas[index].edges.push((Applies::Always, target));
        }
        Ok(())
    }

    fn resolve(&self, reference: &str) -> Result<usize, &'static str> {
        let fragment = reference
            .strip_prefix('#')
            .ok_or("leads out of the document: only \"#\", \"#/…\" and \"#anchor\" are followed, nothing is fetched")?;
        let fragment = percent_decoded(fragment).ok_or("is not a valid reference")?;
        let found = if fragment.is_empty() || fragment.starts_with('/') {
            self.by_pointer.get(&fragment)
        } else {
            self.anchors.get(&fragment)
        };
        found.copied().ok_or("leads to no schema in this document")
    }
}

fn shape(keyword: &str, wanted: &'static str) -> Defect {
    let keyword = keyword.to_owned();
    Defect::Shape { keyword, wanted }
}

/// `pointer` with one more token (RFC 6901).
pub(super) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn check_depth(value: &Value, pointer: String, depth: usize) -> Result<(), SchemaError> {
    if depth > MAX_SCHEMA_DEPTH {
        return Err(SchemaError::new(pointer, Defect::TooDeep));
    }
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(position, item)| check_depth(item, format!("{pointer}/{position}"), depth + 1)),
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, member)| check_depth(member, join(&pointer, name), depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn check_format(value: &Value, pointer: &str) -> Result<(), SchemaError> {
    let name = value.as_str().unwrap_or_default();
    if vocabulary::FORMATS.contains(&name) {
        return Ok(());
    }
    let message = format!(
        "the format {:?} is not known; known are {}",
        shortened(name),
        vocabulary::FORMATS.join(", ")
    );
    Err(SchemaError::new(pointer, Defect::Invalid(message)))
}

/// JSON Schema ignores unknown keywords; one of ours below such a keyword would be ignored with it.
fn check_unknown(value: &Value, pointer: &str) -> Result<(), SchemaError> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            if let Some(ours) = members.keys().find(|name| confman::is_ours(name)) {
                let why = "stands below a keyword that JSON Schema does not know, so it would be ignored";
                let keyword = shortened(ours);
                Err(SchemaError::new(pointer, Defect::Misplaced { keyword, why }))?;
            }
            members
                .iter()
                .map(|(name, member)| (join(pointer, name), member))
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| (format!("{pointer}/{at}"), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(()),
    };
    children
        .iter()
        .try_for_each(|(pointer, child)| check_unknown(child, pointer))
}
