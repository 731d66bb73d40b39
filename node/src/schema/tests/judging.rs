//! What a change newly breaks, and how violations read.

use confman_core::ids::RequestId;
use confman_core::schema::{MAX_VIOLATIONS, TOO_MANY};
use serde_json::{Map, Value, json};

use super::super::OpenChange;
use super::{change, held, holding, key, object, one_key, places};

#[test]
fn the_first_of_two_required_keys_can_be_published_and_a_required_one_cannot_be_deleted() {
    let both = holding([json!({ "required": ["a", "b"] })]);
    assert_eq!(change(&both, &json!({}), "a", Some(json!(1))), []);
    assert_eq!(change(&both, &json!({ "a": 1 }), "b", Some(json!(1))), []);
    let deleted = change(&both, &json!({ "a": 1, "b": 1 }), "a", None);
    assert_eq!(places(&deleted), [("", "required")]);
    assert_eq!(deleted[0].message, "\"a\" is required");
    let second = change(&both, &json!({ "a": 1 }), "a", None);
    assert_eq!(
        places(&second),
        [("", "required")],
        "that b is missing is not new, that a is missing is"
    );
}

#[test]
fn an_old_violation_elsewhere_does_not_stand_in_the_way() {
    let ports = holding([json!({ "additionalProperties": { "type": "number" } })]);
    let before = json!({ "old": "text", "new": 1 });
    assert_eq!(change(&ports, &before, "new", Some(json!(2))), []);
    assert_eq!(change(&ports, &before, "old", None), []);
    assert_eq!(
        places(&change(&ports, &before, "new", Some(json!("text")))),
        [("/new", "type")]
    );
    let other = change(&ports, &before, "old", Some(json!("other text")));
    assert_eq!(
        places(&other),
        [("/old", "type")],
        "another wrong value is a new violation"
    );
}

#[test]
fn part_of_a_broken_value_can_be_repaired() {
    let parts = one_key(
        &json!({ "required": ["x", "y"], "properties": { "n": { "type": "number" } }, "additionalProperties": false }),
    );
    let before = json!({ "a": { "n": "text", "z": 1 } });
    assert_eq!(change(&parts, &before, "a", Some(json!({ "n": 1, "z": 1 }))), []);
    assert_eq!(change(&parts, &before, "a", Some(json!({ "n": "text" }))), []);
    let worse = change(&parts, &before, "a", Some(json!({ "n": "text", "z": 1, "q": 1 })));
    assert_eq!(places(&worse), [("/a/q", "additionalProperties")]);
}

#[test]
fn a_condition_can_break_another_key() {
    let tls = holding([json!({
        "if": { "properties": { "tls": { "const": true } }, "required": ["tls"] },
        "then": { "properties": { "port": { "const": 443 } } },
    })]);
    let violations = change(&tls, &json!({ "port": 80 }), "tls", Some(json!(true)));
    assert_eq!(places(&violations), [("/port", "const")]);
    assert_eq!(change(&tls, &json!({ "port": 443 }), "tls", Some(json!(true))), []);
}

#[test]
fn all_inherited_schemas_hold() {
    let both = holding([
        json!({ "properties": { "a": { "minimum": 1 } } }),
        json!({ "properties": { "a": { "maximum": 5 } } }),
    ]);
    assert_eq!(change(&both, &json!({}), "a", Some(json!(3))), []);
    assert_eq!(
        places(&change(&both, &json!({}), "a", Some(json!(0)))),
        [("/a", "minimum")]
    );
    assert_eq!(
        places(&change(&both, &json!({}), "a", Some(json!(6)))),
        [("/a", "maximum")]
    );
}

/// Each row: the schema of a key, a value that breaks it, place and keyword of the violation, part of the message.
const MESSAGES: &str = r#"
{"type":"number"} | "hunter2" | /a | type | is not of type number
{"type":["number","null"]} | "hunter2" | /a | type | is not of type null or number
{"pattern":"^x"} | "hunter2" | /a | pattern | does not match "^x"
{"format":"ipv4"} | "hunter2" | /a | format | is not a valid ipv4
{"enum":["x",1]} | "hunter2" | /a | enum | is not one of ["x",1]
{"const":"x"} | "hunter2" | /a | const | is not "x"
{"maxLength":2} | "hunter2" | /a | maxLength | has more than 2 characters
{"minimum":5} | 4 | /a | minimum | is less than 5
{"exclusiveMaximum":5} | 5 | /a | exclusiveMaximum | is not less than 5
{"multipleOf":5} | 4 | /a | multipleOf | is not a multiple of 5
{"uniqueItems":true} | ["hunter2","hunter2"] | /a | uniqueItems | has an item twice
{"contains":{"const":1}} | ["hunter2"] | /a | contains | does not contain
{"minItems":2} | ["hunter2"] | /a | minItems | has fewer than 2 items
{"prefixItems":[true],"items":false} | [1,"hunter2"] | /a/1 | false | is not allowed here
{"unevaluatedItems":false} | ["hunter2"] | /a | unevaluatedItems | does not satisfy
{"not":{"type":"string"}} | "hunter2" | /a | not | excludes
{"anyOf":[{"type":"number"},false]} | "hunter2" | /a | anyOf | satisfies none of the alternatives
{"oneOf":[true,true]} | "hunter2" | /a | oneOf | satisfies several alternatives
{"properties":{"b/~":{"type":"null"}}} | {"b/~":"hunter2"} | /a/b~1~0 | type | is not of type null
{"dependentRequired":{"b":["c"]}} | {"b":"hunter2"} | /a | dependentRequired | "c" is required
{"propertyNames":{"pattern":"^x"}} | {"b":"hunter2"} | /a | propertyNames | the name "b" does not match
{"unevaluatedProperties":false} | {"b":"hunter2"} | /a/b | unevaluatedProperties | is not a property
{"additionalProperties":false} | {"b":"hunter2"} | /a/b | additionalProperties | is not a property
{"x-confman-allowed-values":{"x":""}} | "hunter2" | /a | x-confman-allowed-values | not one of the allowed values
"#;

#[test]
fn each_violation_has_its_place_its_keyword_and_a_message_without_the_value() -> Result<(), serde_json::Error> {
    for row in MESSAGES.trim().lines() {
        let cells: Vec<_> = row.split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        let (pointer, keyword, message) = (cells[2], cells[3], cells[4]);
        let (schema, value): (Value, Value) = (serde_json::from_str(cells[0])?, serde_json::from_str(cells[1])?);
        let violations = change(&one_key(&schema), &json!({}), "a", Some(value));
        assert_eq!(places(&violations), [(pointer, keyword)], "{row}");
        let text = &violations[0].message;
        assert!(text.contains(message) && !text.contains("hunter2"), "{row}: {text}");
    }
    Ok(())
}

#[test]
fn at_most_fifty_violations_are_listed_and_the_rest_is_counted() {
    let names: Vec<String> = (0..60).map(|at| format!("k{at:02}")).collect();
    let required = holding([json!({ "required": names })]);
    let violations = required.violations(&object(&json!({})));
    assert_eq!(violations.len(), MAX_VIOLATIONS + 1);
    assert_eq!(violations[MAX_VIOLATIONS].keyword, TOO_MANY);
    assert_eq!(violations[MAX_VIOLATIONS].message, "and 10 more");
}

#[test]
fn a_new_violation_behind_many_old_ones_is_found() {
    let numbers = holding([json!({ "additionalProperties": { "type": "number" } })]);
    let mut before: Map<String, Value> = (0..500).map(|at| (format!("k{at:03}"), json!("text"))).collect();
    before.insert("z".to_owned(), json!(1));
    let violations = change(&numbers, &Value::Object(before), "z", Some(json!("text")));
    assert_eq!(places(&violations), [("/z", "type")]);
}

#[test]
fn a_long_message_or_pointer_is_cut() {
    let long = "ä".repeat(2000);
    let schema = one_key(&json!({ "properties": { long.clone(): { "const": long } } }));
    let violations = change(&schema, &json!({}), "a", Some(json!({ long: 1 })));
    assert!(violations[0].message.len() <= 512 && violations[0].message.ends_with('…'));
    assert!(violations[0].pointer.len() <= 512 && violations[0].pointer.ends_with('…'));
}

#[test]
fn binding_a_schema_reports_live_values_and_open_requests_that_it_breaks() -> Result<(), Box<dyn std::error::Error>> {
    let schema = holding([json!({ "additionalProperties": { "type": "number" }, "required": ["a"] })]);
    let live = object(&json!({ "old": "text", "a": 1 }));
    let (deletes, breaks, fits) = (
        RequestId::parse("r1")?,
        RequestId::parse("r2")?,
        RequestId::parse("r3")?,
    );
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let open = [
        OpenChange {
            request: &deletes,
            key: &a,
            held: None,
        },
        OpenChange {
            request: &breaks,
            key: &b,
            held: Some(held(&json!("text"))),
        },
        OpenChange {
            request: &fits,
            key: &c,
            held: Some(held(&json!(1))),
        },
    ];
    let breakage = schema.breaks(&live, &open);
    assert_eq!(places(&breakage.live), [("/old", "type")]);
    let requests: Vec<_> = breakage
        .requests
        .iter()
        .map(|broken| (&broken.request, places(&broken.violations)))
        .collect();
    assert_eq!(
        requests,
        [(&deletes, vec![("", "required")]), (&breaks, vec![("/b", "type")])]
    );
    Ok(())
}

#[test]
fn where_no_property_is_allowed_each_one_is_a_violation_of_its_own() {
    let none = holding([json!({ "additionalProperties": false })]);
    let violations = change(&none, &json!({ "a": 1 }), "b", Some(json!(1)));
    assert_eq!(places(&violations), [("/b", "additionalProperties")]);
    assert_eq!(change(&none, &json!({ "a": 1, "b": 1 }), "b", None), []);
}
