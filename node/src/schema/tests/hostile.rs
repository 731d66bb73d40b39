//! Schemas that are refused, each with its place and reason, and hostile values that stay cheap.

use std::time::{Duration, Instant};

use confman_core::schema::{MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS};
use serde_json::{Map, Value, json};

use super::{CompiledSchema, compiled, holding, key, object, places};

/// Place and reason of the refusal; "accepted" if there is none.
fn refusal(text: &str) -> (String, String) {
    match CompiledSchema::compile(text) {
        Ok(_) => (String::new(), "accepted".to_owned()),
        Err(error) => (error.pointer.clone(), error.defect.to_string()),
    }
}

fn key_schema(schema: &Value) -> Value {
    json!({ "properties": { "a": schema } })
}

/// Each definition applies the next one twice, through what `link` makes of a reference.
fn doubling(levels: usize, link: fn(Value) -> Value) -> Value {
    let reference = |level: usize| json!({ "$ref": format!("#/$defs/d{level}") });
    let mut definitions: Map<String, Value> = (0..levels)
        .map(|level| {
            let twice = json!({ "allOf": [link(reference(level + 1)), link(reference(level + 1))] });
            (format!("d{level}"), twice)
        })
        .collect();
    definitions.insert(format!("d{levels}"), json!({ "type": "string" }));
    json!({ "$defs": definitions, "properties": { "a": reference(0) } })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
}

/// Each row: a schema, the place of the refusal (`top` for the whole), part of the reason.
const REFUSED: &str = r##"
{ | top | not valid JSON
[] | top | must be an object, true or false
{"type":"object","type":"string"} | top | "type" appears twice
{"maximum":18446744073709551617} | top | cannot be carried exactly
{"$schema":"http://json-schema.org/draft-07/schema#"} | /$schema | 2020-12
{"properties":{"a":{"$schema":"https://json-schema.org/draft/2020-12/schema"}}} | /properties/a/$schema | at the top
{"properties":{"a":{"$id":"https://example.com/a"}}} | /properties/a/$id | only at the top
{"$ref":"https://example.com/a.json"} | /$ref | leads out of the document
{"$ref":"file:///etc/passwd"} | /$ref | nothing is fetched
{"$ref":"other.json#/a"} | /$ref | leads out of the document
{"$id":"https://example.com/a","$ref":"https://example.com/a"} | /$ref | leads out of the document
{"$ref":""} | /$ref | leads out of the document
{"$dynamicRef":"http://169.254.169.254/#x"} | /$dynamicRef | leads out of the document
{"$ref":"#/$defs/none"} | /$ref | leads to no schema
{"$ref":"#none"} | /$ref | leads to no schema
{"$ref":"#/%zz"} | /$ref | not a valid reference
{"default":{},"$ref":"#/default"} | /$ref | leads to no schema
{"$ref":"#"} | top | again and again
{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}} | /$defs/a | again and again
{"$dynamicAnchor":"top","not":{"$dynamicRef":"#top"}} | top | again and again
{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}} | /$defs/b/$anchor | exists twice
{"dependencies":{"a":["b"]}} | /dependencies | dependentRequired
{"$recursiveRef":"/a"} | /$recursiveRef | $dynamicRef
{"$vocabulary":{"https://example.com/v":true}} | /$vocabulary | meta-schemas
{"properties":{"a":{"pattern":"(?=a)b"}}} | /properties/a/pattern | no look-around
{"properties":{"a":{"pattern":"(a)\\1"}}} | /properties/a/pattern | no back-references
{"properties":{"a":{"pattern":"("}}} | /properties/a/pattern | is refused
{"properties":{"a":{"pattern":"(\\pL{100}){100}"}}} | /properties/a/pattern | too large when compiled
{"patternProperties":{"(?!a)":true}} | /patternProperties/(?!a) | no look-around
{"properties":{"a":{"format":"ip"}}} | /properties/a/format | known are date
{"properties":{"a":{"type":"text"}}} | /properties/a/type | the value
{"properties":{"a":{"minLength":-1}}} | /properties/a/minLength | minimum of 0
{"properties":[]} | /properties | an object of schemas
{"allOf":{}} | /allOf | an array of schemas
{"items":[true]} | /items | must be an object, true or false
"##;

#[test]
fn every_hostile_schema_is_refused_at_its_place_with_a_reason() {
    for row in REFUSED.trim().lines() {
        let cells: Vec<_> = row.split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let (at, why) = refusal(cells[0]);
        assert!(why.contains(cells[2]), "{row}: {why}");
        assert_eq!(at, cells[1].replace("top", ""), "{row}: {why}");
    }
}

#[test]
fn what_is_too_large_too_deep_or_too_many_is_refused_with_the_limit() {
    let patterns: Map<String, Value> = (0..201).map(|at| (format!("^k{at:03}$"), json!(true))).collect();
    let deepest = "/not".repeat(33);
    let cases = [
        (
            json!({ "title": "x".repeat(MAX_SCHEMA_BYTES) }),
            "",
            "the limit is 262144",
        ),
        (nested(33), &deepest, "deeper than 32 levels"),
        (nested(65), "", "deeper than 32 levels"),
        (
            json!({ "anyOf": vec![true; MAX_SUBSCHEMAS] }),
            "/anyOf/1999",
            "more than 2000 subschemas",
        ),
        (
            json!({ "patternProperties": patterns }),
            "/patternProperties/^k200$",
            "more than 200 regular expressions",
        ),
        (
            key_schema(&json!({ "pattern": "x".repeat(1025) })),
            "/properties/a/pattern",
            "1025 bytes",
        ),
    ];
    for (schema, pointer, reason) in cases {
        let (at, why) = refusal(&schema.to_string());
        assert!(why.contains(reason), "{reason}: {why}");
        assert_eq!(at, pointer, "{why}");
    }
}

#[test]
fn a_schema_that_multiplies_itself_is_refused_before_it_is_compiled() {
    let start = Instant::now();
    let in_place = doubling(20, |reference| reference);
    let through_items = doubling(20, |reference| json!({ "items": reference }));
    let tree = json!({ "properties": { "a": { "$ref": "#/$defs/tree" } }, "$defs": { "tree": { "allOf": [
        { "properties": { "x": { "$ref": "#/$defs/tree" } } },
        { "patternProperties": { "^x$": { "$ref": "#/$defs/tree" } } },
    ] } } });
    let unevaluated = (0..12).fold(
        json!({ "type": "object" }),
        |inner, _| json!({ "allOf": [inner], "unevaluatedProperties": { "type": "string" } }),
    );
    for schema in [in_place, through_items, tree, key_schema(&unevaluated)] {
        let (_, why) = refusal(&schema.to_string());
        assert!(
            why.contains("references multiply") || why.contains("in a chain"),
            "{why}: {schema}"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn a_recursive_schema_that_consumes_its_value_is_accepted_and_judges_the_deepest_one() {
    let rule = json!({ "oneOf": [
        { "type": "string" },
        { "type": "object", "properties": { "not": { "$ref": "#/$defs/rule" } }, "required": ["not"] },
        { "type": "object", "properties": { "left": { "$ref": "#/$defs/rule" }, "right": { "$ref": "#/$defs/rule" } },
          "required": ["left", "right"] },
    ] });
    let holding = holding([json!({ "properties": { "a": { "$ref": "#/$defs/rule" } }, "$defs": { "rule": rule } })]);
    let deepest = |innermost: Value| (0..60).fold(innermost, |inner, _| json!({ "not": inner }));
    let before = object(&json!({}));
    let judge = |value: Value| holding.judge(&before, &object(&json!({ "a": value })), &key("a"));
    assert_eq!(judge(deepest(json!("leaf"))), []);
    assert_eq!(places(&judge(deepest(json!(1)))), [("/a", "oneOf")]);
}

#[test]
fn a_chain_of_a_thousand_definitions_compiles_and_judges_on_a_small_stack() -> Result<(), Box<dyn std::error::Error>> {
    let definition =
        |level: usize| json!({ "properties": { "x": { "$ref": format!("#/$defs/d{}", (level + 1) % 900) } } });
    let definitions: Map<String, Value> = (0..900).map(|level| (format!("d{level}"), definition(level))).collect();
    let schema = json!({ "$defs": definitions, "properties": { "a": { "$ref": "#/$defs/d0" } } });
    let worker = std::thread::Builder::new().stack_size(1024 * 1024);
    let judged = worker.spawn(move || {
        let value = (0..60).fold(json!(1), |inner, _| json!({ "x": inner }));
        let holding = holding([schema]);
        holding
            .judge(&object(&json!({})), &object(&json!({ "a": value })), &key("a"))
            .len()
    })?;
    assert_eq!(judged.join().ok(), Some(0));
    Ok(())
}

#[test]
fn the_longest_chain_at_every_level_of_the_deepest_value_fits_a_small_stack() -> Result<(), Box<dyn std::error::Error>>
{
    let chain = (0..10).fold(
        json!({ "properties": { "x": { "$ref": "#/$defs/chain" } } }),
        |inner, _| json!({ "allOf": [inner] }),
    );
    let schema = json!({ "properties": { "a": { "$ref": "#/$defs/chain" } }, "$defs": { "chain": chain } });
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let judged = worker.spawn(move || {
        let value = (0..60).fold(json!({ "x": { "x": true } }), |inner, _| json!({ "x": inner }));
        let holding = holding([schema]);
        holding
            .judge(&object(&json!({})), &object(&json!({ "a": value })), &key("a"))
            .len()
    })?;
    assert_eq!(judged.join().ok(), Some(0));
    Ok(())
}

#[test]
fn catastrophic_expressions_are_linear() {
    let start = Instant::now();
    let holding = holding([key_schema(&json!({ "pattern": "^(a+)+$", "format": "hostname" }))]);
    let value = format!("{}!", "a".repeat(500_000));
    let violations = holding.judge(&object(&json!({})), &object(&json!({ "a": value })), &key("a"));
    assert_eq!(places(&violations), [("/a", "format"), ("/a", "pattern")]);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn a_value_with_too_many_errors_gets_one_violation_that_says_so() {
    let start = Instant::now();
    let each = json!({ "allOf": vec![json!({ "type": "string" }); 100] });
    let holding = holding([key_schema(&json!({ "items": each }))]);
    let value = json!(vec![1; 100_000]);
    let violations = holding.judge(&object(&json!({})), &object(&json!({ "a": value })), &key("a"));
    assert_eq!(places(&violations), [("", "too-large-for-schema")]);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn alternatives_do_not_copy_a_large_value_once_for_each() {
    let alternatives = vec![json!({ "type": "object" }); 500];
    let holding = holding([key_schema(&json!({ "anyOf": alternatives }))]);
    let value = json!(vec!["x".repeat(1000); 1000]);
    let violations = holding.judge(&object(&json!({})), &object(&json!({ "a": value })), &key("a"));
    assert_eq!(places(&violations), [("", "too-large-for-schema")]);
}

#[test]
fn a_large_enumeration_counts_as_work() {
    let wide: Vec<_> = (0..30_000).map(|number| number.to_string()).collect();
    let (at, why) =
        refusal(&key_schema(&json!({ "enum": wide.clone(), "allOf": vec![json!({ "enum": [1] }); 10] })).to_string());
    assert_eq!((at.as_str(), why.as_str()), ("", "accepted"));
    let schema = json!({ "$defs": { "wide": { "enum": wide } }, "properties": { "a": { "allOf": vec![json!({ "$ref": "#/$defs/wide" }); 10] } } });
    let (_, why) = refusal(&schema.to_string());
    assert!(why.contains("references multiply"), "{why}");
}

#[test]
fn what_only_names_the_schema_is_harmless() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/payments.json",
        "properties": { "a": { "$ref": "#/$defs/a%20b" }, "c": { "$ref": "#named" } },
        "$defs": { "a b": { "type": "string" }, "d/~": { "$anchor": "named", "type": "number" } },
    });
    let holding = holding([schema]);
    let violations = holding.violations(&object(&json!({ "a": 1, "c": "x" })));
    assert_eq!(places(&violations), [("/a", "type"), ("/c", "type")]);
}

#[test]
fn a_schema_that_is_true_or_false_is_one() {
    assert!(compiled(&json!(true)).is_ok());
    assert_eq!(
        places(&holding([json!(false)]).violations(&object(&json!({})))),
        [("", "false")]
    );
}
