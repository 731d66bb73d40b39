//! For any change: what is judged new is exactly what is violated after it and was not before.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::findings::{self, Findings};
use super::{Holding, NamespaceObject, compiled, holding, key, object};

/// Schemas without rules of transitions (immutable, deprecated), which look at the change and not at the state.
fn schemas() -> Vec<Value> {
    vec![
        json!({ "required": ["a", "b"], "additionalProperties": { "type": "number" } }),
        json!({ "properties": { "a": { "minimum": 2 }, "b": { "enum": [1, "x", [1]] } }, "minProperties": 2 }),
        json!({ "properties": { "a": { "items": { "maximum": 1 }, "uniqueItems": true } }, "maxProperties": 2 }),
        json!({ "dependentRequired": { "a": ["c"] }, "propertyNames": { "enum": ["a", "b"] } }),
        json!({ "if": { "required": ["a"] }, "then": { "properties": { "b": { "const": 1 } } }, "else": { "required": ["c"] } }),
        json!({ "anyOf": [{ "required": ["a"] }, { "properties": { "b": { "type": "string" } }, "required": ["b"] }] }),
        json!({ "properties": { "a": { "required": ["x", "y"], "properties": { "x": { "type": "string" } } } }, "unevaluatedProperties": { "type": "string" } }),
        json!({ "additionalProperties": { "x-confman-allowed-values": { "x": "", "1": "" } } }),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let scalars = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        (0..4).prop_map(|number| json!(number)),
        "[xy]{1,2}".prop_map(Value::from),
    ];
    scalars.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[xyz]", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[abcd]", values(), 0..4).prop_map(|members| members.into_iter().collect())
}

fn identities(holding: &Holding, schema: &Value, object: &NamespaceObject) -> BTreeSet<String> {
    let schema = compiled(schema).expect("accepted");
    match findings::find(&schema, object, &|key| holding.key_rules(key)) {
        Findings::None => BTreeSet::new(),
        Findings::Unlisted(violation) => BTreeSet::from([violation.message]),
        Findings::Listed(found) => found.into_iter().map(|finding| finding.identity.to_string()).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn nothing_is_judged_new_exactly_if_all_violations_were_there_before(
        before in objects(),
        name in "[abcd]",
        value in prop::option::of(values()),
        schema in prop::sample::select(schemas()),
    ) {
        let holding = holding([schema.clone()]);
        let mut changed = before.clone();
        match &value {
            Some(value) => changed.insert(name.clone(), value.clone()),
            None => changed.remove(&name),
        };
        let (before, after) = (object(&Value::Object(before)), object(&Value::Object(changed)));
        let judged = holding.judge(&before, &after, &key(&name));
        let (old, new) = (identities(&holding, &schema, &before), identities(&holding, &schema, &after));
        prop_assert_eq!(judged.is_empty(), new.is_subset(&old), "{:?}", judged);
        let left = holding.violations(&after);
        prop_assert!(judged.iter().all(|violation| left.contains(violation)), "only violations of the new state");
        prop_assert_eq!(left.is_empty(), new.is_empty());
    }

    #[test]
    fn a_schema_that_judges_keys_alone_says_the_same_of_one_key_as_of_all(
        before in objects(),
        name in "[abcd]",
        value in prop::option::of(values()),
        schema in prop::sample::select(vec![
            json!({ "additionalProperties": { "type": ["number", "array"] }, "properties": { "a": { "maximum": 2 } } }),
            json!({ "patternProperties": { "[ab]": { "type": "string" } }, "additionalProperties": false }),
            json!({ "propertyNames": { "enum": ["a", "b"] }, "allOf": [{ "properties": { "c": { "items": { "type": "null" } } } }] }),
        ]),
    ) {
        let holding = holding([schema]);
        prop_assert!(holding.is_property_only());
        let alone: Map<String, Value> = before.iter().filter(|(key, _)| **key == name).map(|(key, value)| (key.clone(), value.clone())).collect();
        let judge = |before: &Map<String, Value>| {
            let before = object(&Value::Object(before.clone()));
            let after = before.after(&key(&name), value.as_ref().map(super::held));
            holding.judge(&before, &after, &key(&name))
        };
        prop_assert_eq!(judge(&before), judge(&alone));
    }
}
