//! What the `x-confman-*` keywords do to a change, and what violations of secrets show.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Held, NamespaceObject, change, held, holding, key, object, one_key, places};

#[test]
fn allowed_values_are_enforced_and_shown_with_their_descriptions_at_any_depth() {
    let regions = json!({ "x-confman-allowed-values": { "eu": "Frankfurt", "1": "one", "true": "yes" } });
    let schema = json!({
        "properties": { "a": { "$ref": "#/$defs/region" }, "list": { "items": { "$ref": "#r" } } },
        "$defs": { "region": { "$anchor": "r", "allOf": [regions] } },
    });
    let regions = holding([schema]);
    for allowed in [json!("eu"), json!(1), json!("1"), json!(true)] {
        assert_eq!(change(&regions, &json!({}), "a", Some(allowed)), []);
    }
    let described = BTreeMap::from([("eu", "Frankfurt"), ("1", "one"), ("true", "yes")]);
    let described: BTreeMap<_, _> = described
        .into_iter()
        .map(|(value, text)| (value.to_owned(), text.to_owned()))
        .collect();
    for refused in [json!("us"), json!(2), json!(null), json!({ "eu": 1 })] {
        let violations = change(&regions, &json!({}), "a", Some(refused));
        assert_eq!(places(&violations), [("/a", "x-confman-allowed-values")]);
        assert_eq!(violations[0].choices, described);
    }
    let nested = change(&regions, &json!({}), "list", Some(json!(["eu", "us"])));
    assert_eq!(places(&nested), [("/list/1", "x-confman-allowed-values")]);
    assert_eq!(nested[0].choices, described);
}

#[test]
fn an_immutable_key_is_set_once() {
    let fixed = one_key(&json!({ "x-confman-immutable": true }));
    assert_eq!(change(&fixed, &json!({}), "a", Some(json!(1))), []);
    assert_eq!(change(&fixed, &json!({ "a": 1 }), "a", Some(json!(1))), []);
    let violations = change(&fixed, &json!({ "a": 1 }), "a", Some(json!(2)));
    assert_eq!(places(&violations), [("/a", "x-confman-immutable")]);
    assert_eq!(
        places(&change(&fixed, &json!({ "a": 1 }), "a", None)),
        [("/a", "x-confman-immutable")]
    );
    let before = object(&json!({ "a": "env://A" }));
    let after = before.after(&key("a"), Some(Held::reference("env://A")));
    assert_eq!(
        fixed.judge(&before, &after, &key("a")).len(),
        1,
        "a reference is not the text it is written as"
    );
}

#[test]
fn a_deprecated_key_takes_no_new_value_and_can_be_deleted() {
    let old = one_key(&json!({ "x-confman-deprecated": "use b" }));
    let violations = change(&old, &json!({}), "a", Some(json!(1)));
    assert_eq!(places(&violations), [("/a", "x-confman-deprecated")]);
    assert!(violations[0].message.ends_with("use b"));
    assert_eq!(change(&old, &json!({ "a": 1 }), "a", Some(json!(2))).len(), 1);
    assert_eq!(change(&old, &json!({ "a": 1 }), "a", None), []);
    assert_eq!(change(&old, &json!({ "a": 1 }), "b", Some(json!(1))), []);
}

#[test]
fn a_key_of_references_takes_only_references_and_looks_at_nothing_else_of_them() {
    let schema = json!({ "type": "string", "minLength": 100, "x-confman-secret-ref": true });
    let secret = one_key(&schema);
    let judge = |held: Held| {
        let before = NamespaceObject::default();
        secret.judge(&before, &before.after(&key("a"), Some(held)), &key("a"))
    };
    assert_eq!(judge(Held::reference("vault://a/b")), []);
    assert_eq!(
        places(&judge(held(&json!("x".repeat(100))))),
        [("/a", "x-confman-secret-ref")]
    );
    let open = judge(held(&json!("vault://a/b")));
    assert_eq!(
        places(&open),
        [("/a", "minLength"), ("/a", "x-confman-secret-ref")],
        "a text that looks like a reference is none"
    );
    assert_eq!(
        places(&judge(Held::sealed("sha256:1"))),
        [("/a", "x-confman-secret-ref")]
    );
}

#[test]
fn references_and_sealed_values_stand_for_the_value_of_an_encrypted_key() {
    let encrypted = holding([json!({
        "properties": { "a": { "type": "number", "x-confman-encrypted": true }, "plain": { "type": "number" }, "never": false },
        "required": ["a"],
    })]);
    let judge = |name: &str, held: Held| {
        let before = NamespaceObject::default();
        encrypted.judge(&before, &before.after(&key(name), Some(held)), &key(name))
    };
    assert_eq!(judge("a", Held::reference("env://A")), []);
    assert_eq!(judge("a", Held::sealed("sha256:1")), []);
    assert_eq!(judge("a", held(&json!(5))), []);
    assert_eq!(
        places(&judge("a", held(&json!("five")))),
        [("/a", "type")],
        "before it is sealed, it is judged"
    );
    assert_eq!(
        places(&judge("plain", Held::reference("env://A"))),
        [("/plain", "type")]
    );
    assert_eq!(
        places(&judge("never", Held::reference("env://A"))),
        [("/never", "false")]
    );
}

#[test]
fn violations_of_hidden_keys_show_neither_value_nor_what_is_inside() {
    for mark in ["x-confman-sensitive", "x-confman-encrypted"] {
        let marked = json!({ "properties": { "a": { mark: true } } });
        let shape = json!({ "properties": { "a": { "additionalProperties": false, "properties": { "b": { "const": "right" } } } } });
        let violations = change(
            &holding([marked, shape]),
            &json!({}),
            "a",
            Some(json!({ "hunter2": 1, "b": "hunter3" })),
        );
        assert_eq!(places(&violations), [("/a", "additionalProperties"), ("/a", "const")]);
        let text = format!("{violations:?}");
        assert!(!text.contains("hunter") && !text.contains("right"), "{text}");
    }
}
