//! Values are kept exactly or refused, and equal values have equal digests.

use confman_core::digest::{canonical_json, canonical_json_text};
use confman_core::value::{ConfigValue, ValueError, ValueType};
use proptest::prelude::*;

fn json(text: &str) -> Result<ConfigValue, ValueError> {
    ConfigValue::from_json_text(text)
}

fn canonical(text: &str) -> String {
    canonical_json_text(text).expect("I-JSON")
}

#[test]
fn json_text_becomes_a_value_of_its_type() {
    for (text, expected, kept) in [
        (" \"a\" ", ValueType::String, "a"),
        ("\"\\u00fc\"", ValueType::String, "ü"),
        ("1.50", ValueType::Number, "1.5"),
        ("true", ValueType::Boolean, "true"),
        ("null", ValueType::Null, "null"),
        ("{ \"b\": 1, \"a\": [ ] }", ValueType::Json, "{\"a\":[],\"b\":1}"),
        ("[1, 2]", ValueType::Json, "[1,2]"),
    ] {
        let value = json(text).expect("a value");
        assert_eq!(value.value_type(), expected, "{text}");
        assert_eq!(value.canonical_bytes(), kept.as_bytes(), "{text}");
    }
}

#[test]
fn a_number_that_a_double_carries_is_kept() {
    for (given, kept) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("0.1", "0.1"),
        ("100e-2", "1"),
        ("1E2", "100"),
        ("1e21", "1e+21"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", "9007199254740992"),
        ("-9007199254740994", "-9007199254740994"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ] {
        assert_eq!(canonical(given), kept, "{given}");
    }
}

#[test]
fn a_number_that_a_double_would_round_is_refused() {
    for given in [
        "18446744073709551617",
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "333333333.33333329",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "[1,{\"a\":9007199254740993}]",
    ] {
        assert!(
            matches!(json(given), Err(ValueError::InexactNumber(_))),
            "{given}: {:?}",
            json(given)
        );
    }
}

#[test]
fn a_member_twice_is_refused_however_it_is_written() {
    for given in [
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"\\u0061\":3}",
        "[{\"x\":{\"\":1,\"\":2}}]",
    ] {
        assert!(matches!(json(given), Err(ValueError::DuplicateMember(_))), "{given}");
    }
    assert!(json("{\"a\":{\"a\":1},\"A\":1}").is_ok());
}

#[test]
fn what_is_no_i_json_is_refused() {
    for given in [
        "",
        " ",
        "nul",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "Infinity",
        "'a'",
        "{a:1}",
        "[1,]",
        "{\"a\":1,}",
        "1 2",
        "{} x",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "{\"\\ud800\":1}",
        "\"\t\"",
        "[",
        "\u{feff}1",
    ] {
        assert!(
            matches!(json(given), Err(ValueError::Malformed(_))),
            "{given:?}: {:?}",
            json(given)
        );
    }
}

#[test]
fn nesting_ends_at_sixty_four_levels_and_never_overflows() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for nested in [nested, objects] {
        assert!(json(&nested(64)).is_ok());
        assert_eq!(json(&nested(65)), Err(ValueError::TooDeep { limit: 64 }));
        assert!(json(&nested(100_000)).is_err());
    }
}

#[test]
fn a_value_has_at_most_one_mib() {
    let limit = ConfigValue::MAX_BYTES;
    assert_eq!(limit, 1024 * 1024);
    assert!(ConfigValue::from_text(&"x".repeat(limit)).is_ok());
    assert!(ConfigValue::from_text(&"x".repeat(limit + 1)).is_err());
    assert!(ConfigValue::from_bytes(vec![0; limit]).is_ok());
    assert!(ConfigValue::from_bytes(vec![0; limit + 1]).is_err());
    let array = |bytes: usize| format!("[{}1]", " ".repeat(bytes - 3));
    assert!(json(&array(limit)).is_ok());
    assert!(json(&array(limit + 1)).is_err());
}

#[test]
fn the_largest_value_of_every_type_comes_back_from_its_text() {
    let limit = ConfigValue::MAX_BYTES;
    for bytes in limit - 2..=limit {
        let values = [
            ConfigValue::from_bytes(vec![255; bytes]).expect("within the limit"),
            ConfigValue::from_text(&"\u{1}".repeat(bytes)).expect("within the limit"),
            json(&format!("[\"{}\"]", "x".repeat(bytes - 4))).expect("within the limit"),
        ];
        for value in values {
            let text = serde_json::to_string(&value).expect("a value serialises");
            let back: ConfigValue = serde_json::from_str(&text).expect("what was written can be read");
            assert_eq!(back.digest(), value.digest(), "{} of {bytes} bytes", value.value_type());
        }
    }
}

#[test]
fn base64_is_standard_and_padded() {
    assert_eq!(
        ConfigValue::from_base64("AP8Q").expect("base64").canonical_bytes(),
        [0, 255, 16]
    );
    assert_eq!(ConfigValue::from_base64("").expect("base64").canonical_bytes(), [0; 0]);
    for bad in ["A", "AP8", "AP8Q=", "_-8=", "AP 8Q", "AP8Q\n", "AB=="] {
        assert!(
            matches!(ConfigValue::from_base64(bad), Err(ValueError::BadBase64(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn values_of_two_types_never_share_a_digest() {
    let values = [
        ConfigValue::from_text("1").expect("a value"),
        json("1").expect("a value"),
        ConfigValue::from_bytes(b"1".to_vec()).expect("a value"),
        ConfigValue::from_text("null").expect("a value"),
        json("null").expect("a value"),
        ConfigValue::from_text("[]").expect("a value"),
        json("[]").expect("a value"),
    ];
    for (at, value) in values.iter().enumerate() {
        for other in &values[..at] {
            assert_ne!(value.digest(), other.digest(), "{value:?} and {other:?}");
        }
    }
}

#[test]
fn equal_json_has_one_digest_and_other_json_another() {
    let digest = |text: &str| json(text).expect("a value").digest();
    assert_eq!(
        digest("{\"a\":1.0,\"b\":\"\\u00fc\"}"),
        digest("{ \"b\": \"ü\", \"a\": 1 }")
    );
    assert_ne!(digest("[1,2]"), digest("[2,1]"));
    assert_ne!(digest("\"ü\""), digest("\"u\u{308}\""), "text is not normalised");
}

#[test]
fn a_stored_value_that_is_not_canonical_is_refused() {
    for text in [
        r#"{"type":"number","canonical":"1.0"}"#,
        r#"{"type":"number","canonical":"true"}"#,
        r#"{"type":"json","canonical":"{\"b\":1,\"a\":1}"}"#,
        r#"{"type":"null","canonical":""}"#,
        r#"{"type":"binary","canonical":"A"}"#,
        r#"{"type":"text","canonical":""}"#,
        r#"{"type":"string","canonical":"a","more":1}"#,
    ] {
        assert!(serde_json::from_str::<ConfigValue>(text).is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_form_is_its_own_canonical_form_and_means_the_same(value in any_json()) {
        let once = canonical_json(&value);
        prop_assert_eq!(canonical(&once), once.clone());
        let pretty = serde_json::to_string_pretty(&value).expect("JSON serialises");
        prop_assert_eq!(canonical(&pretty), once);
    }

    #[test]
    fn a_value_comes_back_from_its_text(value in any_json()) {
        let value = json(&value.to_string()).expect("I-JSON");
        let text = serde_json::to_string(&value).expect("a value serialises");
        prop_assert_eq!(serde_json::from_str::<ConfigValue>(&text).expect("a value"), value.clone());
        let stored = ConfigValue::from_stored(value.value_type(), value.canonical_bytes().to_vec());
        prop_assert_eq!(stored, Ok(value));
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,40}") {
        let _: Result<ConfigValue, ValueError> = json(&text);
    }
}
