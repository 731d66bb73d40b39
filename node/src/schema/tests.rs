//! Tests of the schema engine: which schemas are refused, and what the accepted ones say.

mod hostile;
mod judging;
mod keywords;
mod properties;
mod rules;
mod sharing;

use std::sync::Arc;

use confman_core::ids::ConfigKey;
use confman_core::schema::Violation;
use confman_core::value::ConfigValue;
use serde_json::{Value, json};

use super::{CompiledSchema, Held, Holding, NamespaceObject, SchemaError};

fn compiled(schema: &Value) -> Result<CompiledSchema, SchemaError> {
    CompiledSchema::compile(&schema.to_string())
}

/// The schemas, which must be acceptable.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tests write the schemas where they use them"
)]
fn holding<const N: usize>(schemas: [Value; N]) -> Holding {
    let compiled = schemas
        .iter()
        .map(|schema| compiled(schema).expect("the schema of the test is accepted"));
    Holding::new(compiled.map(Arc::new).collect())
}

fn key(text: &str) -> ConfigKey {
    ConfigKey::parse(text).expect("the key of the test is one")
}

fn held(json: &Value) -> Held {
    Held::of(&ConfigValue::from_json_text(&json.to_string()).expect("the value of the test is one"))
}

/// An object of plain values.
fn object(json: &Value) -> NamespaceObject {
    let members = json.as_object().expect("the test gives an object");
    members.iter().map(|(name, value)| (key(name), held(value))).collect()
}

/// Pointer and keyword of each violation.
fn places(violations: &[Violation]) -> Vec<(&str, &str)> {
    violations
        .iter()
        .map(|violation| (violation.pointer.as_str(), violation.keyword.as_str()))
        .collect()
}

/// Violations of setting (or, with none, deleting) a key.
#[expect(clippy::needless_pass_by_value, reason = "tests write the value where they use it")]
fn change(holding: &Holding, before: &Value, name: &str, value: Option<Value>) -> Vec<Violation> {
    let before = object(before);
    let after = before.after(&key(name), value.as_ref().map(held));
    holding.judge(&before, &after, &key(name))
}

fn one_key(schema: &Value) -> Holding {
    holding([json!({ "properties": { "a": schema } })])
}
