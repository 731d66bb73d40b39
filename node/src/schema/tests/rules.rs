//! The `x-confman-*` keywords: their shapes, their places and the rules they give.

use confman_core::schema::KeyRules;
use serde_json::{Value, json};

use super::{compiled, holding};

fn refused(schema: &Value) -> (String, String) {
    match compiled(schema) {
        Ok(_) => (String::new(), "accepted".to_owned()),
        Err(error) => (error.pointer.clone(), error.defect.to_string()),
    }
}

fn sensitive() -> KeyRules {
    KeyRules {
        sensitive: true,
        ..KeyRules::default()
    }
}

#[test]
fn a_misspelt_keyword_is_refused_wherever_it_stands() {
    let misspelt = json!({ "x-confman-sensitiv": true });
    let below = [
        ("/properties/a", json!({ "properties": { "a": misspelt } })),
        ("/$defs/unused", json!({ "$defs": { "unused": misspelt } })),
        (
            "/properties/a/items",
            json!({ "properties": { "a": { "items": misspelt } } }),
        ),
        ("/anyOf/0/not", json!({ "anyOf": [{ "not": misspelt }] })),
        ("", misspelt.clone()),
    ];
    for (place, schema) in below {
        let (at, why) = refused(&schema);
        assert_eq!(at, format!("{place}/x-confman-sensitiv"), "{schema}");
        assert!(
            why.contains("the keywords of Confman are x-confman-allowed-values"),
            "{why}"
        );
    }
    for name in [
        "X-Confman-Sensitive",
        "x_confman_sensitive",
        "x-confman",
        "x-confman-",
        "x-confmann-sensitive",
    ] {
        let (at, why) = refused(&json!({ "properties": { "a": { name: true } } }));
        assert_eq!(at, format!("/properties/a/{name}"));
        assert!(why.contains("unknown keyword"), "{why}");
    }
    let (at, _) = refused(&json!({ "x-confman-a/b~c": true }));
    assert_eq!(at, "/x-confman-a~1b~0c", "a place is a JSON pointer");
}

#[test]
fn a_keyword_below_an_unknown_one_would_be_ignored_and_is_refused() {
    let (at, why) = refused(&json!({ "propertes": { "a": { "x-confman-sensitive": true } } }));
    assert_eq!(at, "/propertes/a");
    assert!(why.contains("it would be ignored"), "{why}");
    let (_, why) = refused(&json!({ "x-ui": [{ "deep": { "x-confman-immutable": true } }] }));
    assert!(why.contains("it would be ignored"), "{why}");
}

#[test]
fn data_and_names_may_look_like_keywords() {
    let schema = json!({ "properties": { "x-confman-sensitive": { "const": { "x-confman-what": 1 } } }, "x-ui": { "order": 1 } });
    assert_eq!(refused(&schema).1, "accepted");
}

#[test]
fn each_keyword_has_one_shape() {
    let many: serde_json::Map<String, Value> = (0..501).map(|at| (at.to_string(), json!(""))).collect();
    let cases = [
        ("x-confman-encrypted", json!("true"), "true or false"),
        ("x-confman-sensitive", json!(1), "true or false"),
        ("x-confman-secret-ref", json!(null), "true or false"),
        ("x-confman-immutable", json!({}), "true or false"),
        ("x-confman-deprecated", json!(true), "a text of 1 to 1024 bytes"),
        ("x-confman-deprecated", json!(""), "a text of 1 to 1024 bytes"),
        (
            "x-confman-deprecated",
            json!("x".repeat(1025)),
            "a text of 1 to 1024 bytes",
        ),
        ("x-confman-rotation-days", json!(0), "from 1 to 36500"),
        ("x-confman-rotation-days", json!(36501), "from 1 to 36500"),
        ("x-confman-rotation-days", json!(1.5), "from 1 to 36500"),
        ("x-confman-rotation-days", json!("90"), "from 1 to 36500"),
        ("x-confman-allowed-values", json!(["a"]), "an object of 1 to 500 values"),
        ("x-confman-allowed-values", json!({}), "an object of 1 to 500 values"),
        (
            "x-confman-allowed-values",
            json!({ "a": 1 }),
            "an object of 1 to 500 values",
        ),
        (
            "x-confman-allowed-values",
            Value::Object(many),
            "an object of 1 to 500 values",
        ),
    ];
    for (keyword, value, wanted) in cases {
        let (at, why) = refused(&json!({ "properties": { "a": { keyword: value } } }));
        assert_eq!(at, format!("/properties/a/{keyword}"));
        assert!(why.starts_with(keyword) && why.contains(wanted), "{keyword}: {why}");
    }
}

#[test]
fn a_keyword_that_governs_a_key_stands_at_the_key_and_holds_always() {
    let mark = json!({ "x-confman-sensitive": true });
    let cases = [
        (mark.clone(), "stands at the namespace"),
        (json!({ "allOf": [mark] }), "stands at the namespace"),
        (
            json!({ "properties": { "a": { "properties": { "b": mark } } } }),
            "inside the value of a key",
        ),
        (
            json!({ "properties": { "a": { "items": mark } } }),
            "inside the value of a key",
        ),
        (json!({ "propertyNames": mark }), "inside the value of a key"),
        (
            json!({ "properties": { "a": { "anyOf": [mark] } } }),
            "under a condition",
        ),
        (
            json!({ "properties": { "a": { "if": true, "then": mark } } }),
            "under a condition",
        ),
        (
            json!({ "if": true, "then": { "properties": { "a": mark } } }),
            "under a condition",
        ),
        (
            json!({ "dependentSchemas": { "b": { "properties": { "a": mark } } } }),
            "under a condition",
        ),
        (json!({ "unevaluatedProperties": mark }), "under a condition"),
        (
            json!({ "$defs": { "m": mark }, "properties": { "a": { "items": { "$ref": "#/$defs/m" } } } }),
            "inside the value",
        ),
    ];
    for (schema, reason) in cases {
        let (at, why) = refused(&schema);
        assert!(at.ends_with("/x-confman-sensitive"), "{schema}: {at}");
        assert!(why.contains(reason), "{schema}: {why}");
    }
}

#[test]
fn allowed_values_may_stand_at_any_value() {
    let choices = json!({ "x-confman-allowed-values": { "eu": "Frankfurt" } });
    for schema in [
        json!({ "properties": { "a": { "items": choices } } }),
        json!({ "properties": { "a": { "anyOf": [choices, { "type": "number" }] } } }),
        json!({ "if": { "properties": { "a": choices } }, "then": true }),
    ] {
        assert_eq!(refused(&schema).1, "accepted", "{schema}");
    }
    let (_, why) = refused(&json!({ "x-confman-allowed-values": { "eu": "Frankfurt" } }));
    assert!(why.contains("stands at the namespace"), "{why}");
}

#[test]
fn the_rules_of_a_key_come_from_everything_that_surely_applies_to_it() {
    let schema = json!({
        "$ref": "#/$defs/base",
        "properties": { "named": { "$ref": "#/$defs/secret", "x-confman-rotation-days": 90 } },
        "allOf": [{
            "properties": { "named": { "x-confman-rotation-days": 30 } },
            "patternProperties": { "^TOKEN_": { "x-confman-sensitive": true } },
            "additionalProperties": { "x-confman-deprecated": "use named" },
        }],
        "$defs": {
            "base": { "properties": { "fixed": { "x-confman-immutable": true } } },
            "secret": { "allOf": [{ "x-confman-encrypted": true }, { "$ref": "#ref" }] },
            "ref": { "$anchor": "ref", "x-confman-secret-ref": true },
        },
    });
    let schema = compiled(&schema).expect("accepted");
    let named = KeyRules {
        encrypted: true,
        secret_ref: true,
        rotation_days: Some(30),
        ..KeyRules::default()
    };
    let other = KeyRules {
        deprecated: Some("use named".to_owned()),
        ..KeyRules::default()
    };
    assert_eq!(schema.key_rules("named"), named);
    assert_eq!(schema.key_rules("TOKEN_A"), sensitive());
    assert_eq!(
        schema.key_rules("fixed"),
        KeyRules {
            immutable: true,
            ..other.clone()
        }
    );
    assert_eq!(schema.key_rules("whatever"), other);
}

#[test]
fn rules_of_inherited_schemas_add_up() {
    let schemas = holding([
        json!({ "properties": { "a": { "x-confman-sensitive": true, "x-confman-rotation-days": 10 } } }),
        json!({ "properties": { "a": { "x-confman-sensitive": false, "x-confman-rotation-days": 20 } } }),
    ]);
    assert_eq!(
        schemas.key_rules("a"),
        KeyRules {
            rotation_days: Some(10),
            ..sensitive()
        }
    );
    assert_eq!(schemas.key_rules("b"), KeyRules::default());
}

#[test]
fn a_schema_with_a_keyword_that_joins_keys_cannot_judge_one_key_alone() {
    let alone = [
        json!(true),
        json!({ "type": "object", "title": "t", "properties": { "a": { "required": ["x"] } } }),
        json!({ "additionalProperties": false, "patternProperties": { "^a": true }, "propertyNames": { "maxLength": 9 } }),
        json!({ "$ref": "#/$defs/d", "$defs": { "d": { "allOf": [{ "properties": {} }] }, "unused": { "required": ["a"] } } }),
    ];
    for schema in alone {
        assert!(
            compiled(&schema).is_ok_and(|compiled| compiled.is_property_only()),
            "{schema}"
        );
    }
    let together = [
        json!({ "required": ["a"] }),
        json!({ "minProperties": 1 }),
        json!({ "maxProperties": 1 }),
        json!({ "dependentRequired": { "a": ["b"] } }),
        json!({ "dependentSchemas": { "a": true } }),
        json!({ "anyOf": [true] }),
        json!({ "oneOf": [true] }),
        json!({ "not": false }),
        json!({ "if": true }),
        json!({ "const": {} }),
        json!({ "enum": [{}] }),
        json!({ "unevaluatedProperties": false }),
        json!({ "allOf": [{ "$ref": "#/$defs/d" }], "$defs": { "d": { "required": ["a"] } } }),
    ];
    for schema in together {
        assert!(
            compiled(&schema).is_ok_and(|compiled| !compiled.is_property_only()),
            "{schema}"
        );
    }
    assert!(!holding([json!({ "required": ["a"] }), json!({})]).is_property_only());
    assert!(holding([]).is_property_only());
}
