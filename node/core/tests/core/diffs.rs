//! A diff tells what changed, no more than it may, and making the change to the one value gives the other.

use confman_core::diff::{Diff, DiffContent, DiffOp, MAX_ENTRIES, MAX_POINTER_BYTES, diff};
use confman_core::value::ConfigValue;
use json_patch::Patch;
use proptest::prelude::*;
use serde_json::{Value, json};

fn value(text: &str) -> ConfigValue {
    ConfigValue::from_json_text(text).expect("I-JSON")
}

fn parsed(content: &DiffContent) -> Value {
    match content {
        DiffContent::Json(text) => serde_json::from_str(text).expect("a diff holds JSON"),
        DiffContent::Binary { .. } => unreachable!("no binary values here"),
    }
}

/// One line an entry.
fn lines(diff: &Diff) -> Vec<String> {
    let shown =
        |content: &Option<DiffContent>| content.as_ref().map_or("-".to_owned(), |json| parsed(json).to_string());
    let entries = diff.entries.iter();
    entries
        .map(|entry| {
            let (before, after) = (shown(&entry.before), shown(&entry.after));
            format!("{} {} {before} {after}", entry.op.name(), entry.pointer)
        })
        .collect()
}

fn between(before: &str, after: &str) -> Vec<String> {
    lines(&diff(Some(&value(before)), Some(&value(after)), false))
}

/// `before` with the diff applied as RFC 6902 says, by a crate that knows nothing of ours.
fn applied(before: &Value, diff: &Diff) -> Value {
    let operations = diff.entries.iter().map(|entry| {
        let mut operation = json!({"op": entry.op.name(), "path": entry.pointer});
        if let Some(after) = &entry.after {
            operation["value"] = parsed(after);
        }
        operation
    });
    let patch: Patch = serde_json::from_value(operations.collect()).expect("a diff is a JSON Patch");
    let mut document = before.clone();
    json_patch::patch(&mut document, &patch).expect("a diff applies");
    document
}

#[test]
fn equal_values_have_no_diff() {
    let (one, same) = (value("{\"a\":1,\"b\":[]}"), value("{ \"b\": [], \"a\": 1.0 }"));
    assert_eq!(diff(Some(&one), Some(&same), false), Diff::default());
    assert_eq!(diff(Some(&one), Some(&same), true), Diff::default());
    assert_eq!(diff(None, None, false), Diff::default());
}

#[test]
fn members_are_added_removed_and_replaced_where_they_are() {
    let before = "{\"a\":1,\"b\":{\"c\":true,\"x/y~z\":[]},\"gone\":null}";
    let after = "{\"a\":\"1\",\"b\":{\"c\":true,\"x/y~z\":{}},\"new\":{\"d\":1}}";
    assert_eq!(
        between(before, after),
        [
            "replace /a 1 \"1\"",
            "replace /b/x~1y~0z [] {}",
            "remove /gone null -",
            "add /new - {\"d\":1}"
        ]
    );
}

#[test]
fn an_item_inserted_or_removed_is_one_entry() {
    assert_eq!(between("[1,2,3]", "[0,1,2,3]"), ["add /0 - 0"]);
    assert_eq!(between("[1,2,3]", "[1,2,3,4]"), ["add /3 - 4"]);
    assert_eq!(between("[1,2,3]", "[1,3]"), ["remove /1 2 -"]);
    assert_eq!(between("[1,2,3]", "[3]"), ["remove /0 1 -", "remove /0 2 -"]);
    assert_eq!(between("[1,2,3]", "[1,9,3]"), ["replace /1 2 9"]);
    assert_eq!(
        between("[1,2,3,4]", "[0,1,3,4,5]"),
        ["add /0 - 0", "remove /2 2 -", "add /4 - 5"]
    );
}

#[test]
fn a_changed_item_is_looked_into() {
    let before = "[{\"host\":\"a\",\"port\":1},{\"host\":\"b\",\"port\":2}]";
    let after = "[{\"host\":\"a\",\"port\":1},{\"host\":\"b\",\"port\":3}]";
    assert_eq!(between(before, after), ["replace /1/port 2 3"]);
}

#[test]
fn a_value_that_came_or_went_or_has_another_type_changed_as_a_whole() {
    assert_eq!(lines(&diff(None, Some(&value("1")), false)), ["add  - 1"]);
    assert_eq!(lines(&diff(Some(&value("1")), None, false)), ["remove  1 -"]);
    assert_eq!(between("1", "\"1\""), ["replace  1 \"1\""]);
    assert_eq!(between("{\"a\":1}", "[1]"), ["replace  {\"a\":1} [1]"]);
    assert_eq!(between("9007199254740992", "9007199254740994").len(), 1);
}

#[test]
fn bytes_are_told_by_size_and_digest() {
    let bytes = ConfigValue::from_bytes(vec![0, 1, 2]).expect("small");
    let text = ConfigValue::from_text("AAEC").expect("small");
    let found = diff(Some(&text), Some(&bytes), false);
    let digest = bytes.digest();
    assert_eq!(found.entries[0].before, Some(DiffContent::Json("\"AAEC\"".to_owned())));
    assert_eq!(found.entries[0].after, Some(DiffContent::Binary { size: 3, digest }));
}

#[test]
fn a_masked_diff_tells_that_something_changed_and_nothing_else() {
    let (before, after) = (
        value("{\"pin\":\"1234\",\"same\":1}"),
        value("{\"pin\":\"9876\",\"same\":1}"),
    );
    let bytes = ConfigValue::from_bytes(b"1234".to_vec()).expect("small");
    for (before, after, op) in [
        (Some(&before), Some(&after), DiffOp::Replace),
        (Some(&bytes), Some(&after), DiffOp::Replace),
        (None, Some(&bytes), DiffOp::Add),
        (Some(&before), None, DiffOp::Remove),
    ] {
        let found = diff(before, after, true);
        assert_eq!(found.entries.len(), 1);
        let entry = &found.entries[0];
        assert_eq!((entry.pointer.as_str(), entry.op), ("", op));
        assert_eq!((&entry.before, &entry.after), (&None, &None));
    }
}

#[test]
fn a_long_diff_is_cut_and_says_so() {
    let numbers = |range: std::ops::Range<usize>| json!(range.collect::<Vec<_>>()).to_string();
    let found = diff(Some(&value("[]")), Some(&value(&numbers(0..2 * MAX_ENTRIES))), false);
    assert_eq!((found.entries.len(), found.truncated), (MAX_ENTRIES, true));
    let found = diff(Some(&value("[]")), Some(&value(&numbers(0..MAX_ENTRIES))), false);
    assert_eq!((found.entries.len(), found.truncated), (MAX_ENTRIES, false));
}

#[test]
fn a_long_name_above_many_changes_cannot_blow_a_diff_up() {
    let name = "n".repeat(100_000);
    let document = |item: u32| json!({&name: vec![item; 500]}).to_string();
    let found = diff(Some(&value(&document(1))), Some(&value(&document(2))), false);
    let pointers: usize = found.entries.iter().map(|entry| entry.pointer.len()).sum();
    assert!(found.truncated && !found.entries.is_empty());
    assert!(pointers <= MAX_POINTER_BYTES, "{pointers} bytes of pointers");
}

#[test]
fn arrays_too_long_to_align_are_compared_by_index() {
    let before: Vec<usize> = (0..800).collect();
    let after: Vec<usize> = (1..801).map(|number| number * 2).collect();
    let found = diff(
        Some(&value(&json!(before).to_string())),
        Some(&value(&json!(after).to_string())),
        false,
    );
    assert!(!found.truncated);
    assert_eq!(applied(&json!(before), &found), json!(after));
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[a-b/~\"é]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn applying_the_diff_to_the_one_value_gives_the_other(before in documents(), after in documents()) {
        let found = diff(Some(&value(&before.to_string())), Some(&value(&after.to_string())), false);
        prop_assert!(!found.truncated);
        prop_assert_eq!(found.entries.is_empty(), before == after);
        prop_assert_eq!(applied(&before, &found), after);
    }

    #[test]
    fn each_entry_carries_what_was_there(before in documents(), after in documents()) {
        let found = diff(Some(&value(&before.to_string())), Some(&value(&after.to_string())), false);
        let mut document = before;
        for entry in found.entries {
            let there = document.pointer(&entry.pointer).cloned();
            match entry.op {
                DiffOp::Add => prop_assert!(entry.before.is_none()),
                DiffOp::Remove | DiffOp::Replace => prop_assert_eq!(there, entry.before.as_ref().map(parsed)),
            }
            document = applied(&document, &Diff { entries: vec![entry], truncated: false });
        }
    }
}
