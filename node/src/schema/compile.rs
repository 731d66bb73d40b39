//! From the text of a schema to a validator, with everything refused that is not safe or would be ignored.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::digest::{Digest, canonical_json_text};
use confman_core::schema::{KeyRules, MAX_COMPILED_PATTERN_BYTES, MAX_SCHEMA_BYTES};
use confman_core::value::ValueError;
use jsonschema::{Draft, PatternOptions, ValidationError, ValidationOptions, Validator};
use serde_json::{Value, json};

use super::confman;
use super::cost::Cost;
use super::error::{Defect, SchemaError, shortened};
use super::graph;
use super::survey::{Applies, Survey};
use super::vocabulary;

/// One accepted schema, ready to judge.
pub struct CompiledSchema {
    digest: Digest,
    document: Value,
    validator: Validator,
    cost: Cost,
    parts: Vec<KeyPart>,
    has_alternatives: bool,
    is_property_only: bool,
}

/// The rules that one subschema of the namespace gives keys.
struct KeyPart {
    named: BTreeMap<String, KeyRules>,
    matching: Vec<(Validator, KeyRules)>,
    additional: KeyRules,
}

impl CompiledSchema {
    /// Checks and compiles `text`.
    ///
    /// # Errors
    /// Everything that is not safe to run or would silently be ignored; see [`Defect`].
    pub fn compile(text: &str) -> Result<Self, SchemaError> {
        if text.len() > MAX_SCHEMA_BYTES {
            let actual = text.len();
            return Err(SchemaError::new("", Defect::TooLarge { actual }));
        }
        let canonical = canonical_json_text(text).map_err(|error| SchemaError::new("", not_json(error)))?;
        let document: Value = serde_json::from_str(&canonical)
            .map_err(|error| SchemaError::new("", Defect::Json(ValueError::Malformed(error.to_string()))))?;
        let survey = Survey::of(&document)?;
        let leaves_first = graph::leaves_first(&survey)?;
        graph::check_places(&survey)?;
        let cost = Cost::of(&survey, &leaves_first)?;
        let validator = options()
            .build(&without_name(&document))
            .map_err(|error| check_patterns(&survey).err().unwrap_or_else(|| refused(&error)))?;
        let rules = graph::rules(&survey, &leaves_first);
        let of_namespace = graph::surely_of_namespace(&survey);
        let parts = key_parts(&survey, &of_namespace, &rules)?;
        let has_alternatives = survey.subschemas.iter().any(|subschema| {
            let members = subschema.members.into_iter().flatten();
            members
                .map(|(keyword, _)| keyword.as_str())
                .any(|keyword| ["anyOf", "oneOf"].contains(&keyword))
        });
        Ok(Self {
            digest: Digest::of(canonical.as_bytes()),
            is_property_only: is_property_only(&survey, &of_namespace),
            validator,
            cost,
            parts,
            has_alternatives,
            document,
        })
    }

    /// Digest of the canonical text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The schema as JSON.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What the schema asks of `key`: everything that surely applies to it holds.
    pub fn key_rules(&self, key: &str) -> KeyRules {
        self.parts
            .iter()
            .fold(KeyRules::default(), |rules, part| rules.and(part.of_key(key)))
    }

    /// True if each key can be judged alone: no keyword of the schema looks at several keys.
    pub fn is_property_only(&self) -> bool {
        self.is_property_only
    }

    pub(super) fn validator(&self) -> &Validator {
        &self.validator
    }

    pub(super) fn cost(&self) -> &Cost {
        &self.cost
    }

    /// True where an error carries copies of values: `anyOf` and `oneOf` keep what failed in each branch.
    pub(super) fn has_alternatives(&self) -> bool {
        self.has_alternatives
    }

    /// True if some key has a rule for which `wanted` holds.
    pub(super) fn any_rule(&self, wanted: fn(&KeyRules) -> bool) -> bool {
        self.parts.iter().any(|part| {
            let matching = part.matching.iter().map(|(_, rules)| rules);
            part.named
                .values()
                .chain(matching)
                .chain([&part.additional])
                .any(wanted)
        })
    }
}

impl KeyPart {
    fn of_key(&self, key: &str) -> KeyRules {
        let named = self.named.get(key);
        let text = Value::from(key);
        let matching = self.matching.iter().filter(|(pattern, _)| pattern.is_valid(&text));
        let mut found: Vec<&KeyRules> = named.into_iter().chain(matching.map(|(_, rules)| rules)).collect();
        if found.is_empty() {
            found.push(&self.additional);
        }
        found.into_iter().cloned().fold(KeyRules::default(), KeyRules::and)
    }

    fn is_empty(&self) -> bool {
        let matching = self.matching.iter().map(|(_, rules)| rules);
        self.named
            .values()
            .chain(matching)
            .chain([&self.additional])
            .all(|rules| *rules == KeyRules::default())
    }
}

fn not_json(error: ValueError) -> Defect {
    if matches!(error, ValueError::TooDeep { .. }) {
        Defect::TooDeep
    } else {
        Defect::Json(error)
    }
}

/// 2020-12, formats enforced, regular expressions of the linear engine, nothing fetched.
fn options() -> ValidationOptions<'static> {
    let patterns = PatternOptions::regex()
        .size_limit(MAX_COMPILED_PATTERN_BYTES)
        .dfa_size_limit(MAX_COMPILED_PATTERN_BYTES);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(patterns)
        .with_keyword(confman::ALLOWED_VALUES, confman::allowed_values)
}

/// The document as the validator gets it: `$id` only names it, and must not change what a reference means.
fn without_name(document: &Value) -> Value {
    let mut document = document.clone();
    if let Value::Object(members) = &mut document {
        members.remove("$id");
        members.remove("$schema");
    }
    document
}

/// What the validator crate refused; the text never holds more than a short part of the schema.
fn refused(error: &ValidationError<'_>) -> SchemaError {
    let message = shortened(&error.masked_with("the value").to_string());
    SchemaError::new(error.instance_path().as_str(), Defect::Invalid(message))
}

/// Compiles every regular expression alone, so that the one that was refused is named with its place.
fn check_patterns(survey: &Survey<'_>) -> Result<(), SchemaError> {
    for subschema in &survey.subschemas {
        let pattern = subschema.members.and_then(|members| members.get("pattern"));
        if let Some(pattern) = pattern.and_then(Value::as_str) {
            compile_pattern(pattern, &format!("{}/pattern", subschema.pointer))?;
        }
        for (applies, target) in &subschema.edges {
            if let Applies::Matching(pattern) = applies {
                compile_pattern(pattern, &survey.subschemas[*target].pointer)?;
            }
        }
    }
    Ok(())
}

fn compile_pattern(pattern: &str, pointer: &str) -> Result<Validator, SchemaError> {
    options().build(&json!({ "pattern": pattern })).map_err(|_| {
        let (pattern, why) = (
            shortened(pattern),
            "it is not one, or too large when compiled".to_owned(),
        );
        SchemaError::new(pointer, Defect::Pattern { pattern, why })
    })
}

fn key_parts(
    survey: &Survey<'_>,
    of_namespace: &BTreeSet<usize>,
    rules: &[KeyRules],
) -> Result<Vec<KeyPart>, SchemaError> {
    let mut parts = Vec::new();
    for &index in of_namespace {
        let mut part = KeyPart {
            named: BTreeMap::new(),
            matching: Vec::new(),
            additional: KeyRules::default(),
        };
        for (applies, target) in &survey.subschemas[index].edges {
            let rules = rules[*target].clone();
            match applies {
                Applies::Property(name) => {
                    part.named.insert(name.clone(), rules);
                }
                Applies::Matching(pattern) => {
                    let pointer = &survey.subschemas[*target].pointer;
                    part.matching.push((compile_pattern(pattern, pointer)?, rules));
                }
                Applies::Additional => part.additional = rules,
                Applies::Always
                | Applies::Sometimes
                | Applies::Unevaluated
                | Applies::Names
                | Applies::Item(_)
                | Applies::Items => {}
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn is_property_only(survey: &Survey<'_>, of_namespace: &BTreeSet<usize>) -> bool {
    of_namespace.iter().all(|index| {
        let mut keywords = survey.subschemas[*index].members.into_iter().flatten();
        keywords.all(|(keyword, _)| !vocabulary::joins_keys(keyword))
    })
}
