//! The seven `x-confman-*` keywords: their values, and the rules they give a key.

use std::collections::BTreeMap;

use confman_core::schema::{KeyRules, MAX_ALLOWED_VALUES, MAX_DESCRIPTION_BYTES, MAX_ROTATION_DAYS};
use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};

use super::error::{Defect, SchemaError, shortened};
use super::survey::join;

/// The keyword that may stand at any value, not only at a key.
pub(super) const ALLOWED_VALUES: &str = "x-confman-allowed-values";
pub(super) const DEPRECATED: &str = "x-confman-deprecated";
const ENCRYPTED: &str = "x-confman-encrypted";
pub(super) const IMMUTABLE: &str = "x-confman-immutable";
const ROTATION_DAYS: &str = "x-confman-rotation-days";
pub(super) const SECRET_REF: &str = "x-confman-secret-ref";
const SENSITIVE: &str = "x-confman-sensitive";

/// True for every name that is ours or looks like ours: case and `_` do not matter, so that no misspelt one is ignored.
pub(super) fn is_ours(name: &str) -> bool {
    name.get(..9)
        .is_some_and(|start| start.to_ascii_lowercase().replace('_', "-") == "x-confman")
}

/// The rules that the `x-confman-*` keywords of one subschema give, after a check of every one of them.
pub(super) fn read_rules(members: &Map<String, Value>, pointer: &str) -> Result<KeyRules, SchemaError> {
    let mut rules = KeyRules::default();
    for (name, value) in members.iter().filter(|(name, _)| is_ours(name)) {
        let at = join(pointer, name);
        let shape = |wanted| {
            let keyword = name.clone();
            SchemaError::new(&at, Defect::Shape { keyword, wanted })
        };
        let mark = || value.as_bool().ok_or_else(|| shape("true or false"));
        match name.as_str() {
            ENCRYPTED => rules.encrypted = mark()?,
            SENSITIVE => rules.sensitive = mark()?,
            SECRET_REF => rules.secret_ref = mark()?,
            IMMUTABLE => rules.immutable = mark()?,
            DEPRECATED => {
                let advice = value.as_str().filter(|advice| is_description(advice));
                rules.deprecated = Some(
                    advice
                        .ok_or_else(|| shape("a text of 1 to 1024 bytes that says what to use instead"))?
                        .to_owned(),
                );
            }
            ROTATION_DAYS => {
                let days = value.as_u64().and_then(|days| u32::try_from(days).ok());
                let days = days.filter(|days| (1..=MAX_ROTATION_DAYS).contains(days));
                rules.rotation_days = Some(days.ok_or_else(|| shape("a whole number of days from 1 to 36500"))?);
            }
            ALLOWED_VALUES => {
                read_choices(value).ok_or_else(|| shape("an object of 1 to 500 values, each with its description"))?;
            }
            unknown => Err(SchemaError::new(&at, Defect::UnknownKeyword(shortened(unknown))))?,
        }
    }
    Ok(rules)
}

fn is_description(text: &str) -> bool {
    (1..=MAX_DESCRIPTION_BYTES).contains(&text.len())
}

/// Value and description of each allowed value; none if the shape is wrong.
pub(super) fn read_choices(value: &Value) -> Option<BTreeMap<String, String>> {
    let members = value.as_object()?;
    if !(1..=MAX_ALLOWED_VALUES).contains(&members.len()) {
        return None;
    }
    members
        .iter()
        .map(|(value, description)| {
            let description = description
                .as_str()
                .filter(|text| text.len() <= MAX_DESCRIPTION_BYTES)?;
            Some((value.clone(), description.to_owned()))
        })
        .collect()
}

/// The first `x-confman-*` keyword of a subschema that passes `wanted`.
pub(super) fn find(members: &Map<String, Value>, wanted: fn(&str) -> bool) -> Option<&str> {
    members
        .keys()
        .map(String::as_str)
        .find(|name| is_ours(name) && wanted(name))
}

/// `x-confman-allowed-values` as a keyword of the validator.
struct AllowedValues(BTreeMap<String, String>);

impl AllowedValues {
    fn allows(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.0.contains_key(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.0.contains_key(&value.to_string()),
            Value::Array(_) | Value::Object(_) => false,
        }
    }
}

impl<'i> Keyword<'i> for AllowedValues {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.allows(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom("not one of the allowed values"))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.allows(instance)
    }
}

/// Makes the validator's keyword for [`ALLOWED_VALUES`].
pub(super) fn allowed_values<'a>(
    _parent: &'a Map<String, Value>,
    value: &'a Value,
    _location: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let choices = read_choices(value).ok_or_else(|| ValidationError::schema("not a map of values"))?;
    Ok(Box::new(AllowedValues(choices)))
}
