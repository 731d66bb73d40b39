//! What a schema says of keys and finds in values: pure data. The engine that evaluates schemas is in the node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most violations that one answer lists; one more, with keyword [`TOO_MANY`], says that there are others.
pub const MAX_VIOLATIONS: usize = 50;
/// Largest schema as text, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// Deepest nesting of JSON in a schema.
pub const MAX_SCHEMA_DEPTH: usize = 32;
/// Most subschemas of a schema, the root included.
pub const MAX_SUBSCHEMAS: usize = 2_000;
/// Most regular expressions (`pattern`, `patternProperties`) of a schema.
pub const MAX_PATTERNS: usize = 200;
/// Longest regular expression in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_024;
/// Largest compiled regular expression in bytes; repetitions like `(\pL{100}){100}` exceed it.
pub const MAX_COMPILED_PATTERN_BYTES: usize = 256 * 1024;
/// Most values of one `x-confman-allowed-values`.
pub const MAX_ALLOWED_VALUES: usize = 500;
/// Longest description of an allowed value and longest advice of `x-confman-deprecated`, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 1_024;
/// Largest `x-confman-rotation-days`: a hundred years.
pub const MAX_ROTATION_DAYS: u32 = 36_500;
/// Longest message and longest pointer of a violation, in bytes; longer ones are cut and end in `…`.
pub const MAX_VIOLATION_TEXT_BYTES: usize = 512;
/// Keyword of the violation that stands for all those over [`MAX_VIOLATIONS`].
pub const TOO_MANY: &str = "too-many-violations";

/// One rule of a schema that a value breaks. Never holds the value itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901) into the object of the namespace, so that its first token is the key. Empty
    /// where the namespace as a whole is meant. Ends at the key where the value is encrypted or sensitive.
    pub pointer: String,
    /// The keyword that is broken: `required`, `x-confman-immutable`, …
    pub keyword: String,
    /// What is wrong, for people.
    pub message: String,
    /// What would be allowed and what it means, of `x-confman-allowed-values`; else empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, String>,
}

/// What a schema asks of one key beyond the shape of its value: the `x-confman-*` keywords at the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub struct KeyRules {
    /// `x-confman-encrypted`: the value is a reference, or sealed before it enters the log.
    pub encrypted: bool,
    /// `x-confman-sensitive`: masked in diffs, audit, webhooks and logs.
    pub sensitive: bool,
    /// `x-confman-secret-ref`: the value must be a reference.
    pub secret_ref: bool,
    /// `x-confman-immutable`: set once.
    pub immutable: bool,
    /// `x-confman-deprecated`: reads warn and new writes are refused with this advice.
    pub deprecated: Option<String>,
    /// `x-confman-rotation-days`: how old in days the live version may grow before it is reported.
    pub rotation_days: Option<u32>,
}

impl KeyRules {
    /// Both hold: every mark of either one, the shorter rotation, and both pieces of advice.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            encrypted: self.encrypted || other.encrypted,
            sensitive: self.sensitive || other.sensitive,
            secret_ref: self.secret_ref || other.secret_ref,
            immutable: self.immutable || other.immutable,
            deprecated: both_pieces(self.deprecated, other.deprecated),
            rotation_days: [self.rotation_days, other.rotation_days].into_iter().flatten().min(),
        }
    }

    /// True where the value must not be shown to those who may not read it: encrypted or sensitive.
    pub fn hidden(&self) -> bool {
        self.encrypted || self.sensitive
    }
}

/// The pieces of advice, each once, the longer list first where one holds the other.
fn both_pieces(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) if first.contains(&second) => Some(first),
        (Some(first), Some(second)) if second.contains(&first) => Some(second),
        (Some(first), Some(second)) => Some(format!("{first}; {second}")),
        (first, second) => first.or(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(deprecated: Option<&str>, rotation_days: Option<u32>) -> KeyRules {
        KeyRules {
            deprecated: deprecated.map(str::to_owned),
            rotation_days,
            ..KeyRules::default()
        }
    }

    #[test]
    fn rules_of_two_schemas_all_hold() {
        let marks = |encrypted, sensitive, secret_ref, immutable| KeyRules {
            encrypted,
            sensitive,
            secret_ref,
            immutable,
            ..KeyRules::default()
        };
        assert_eq!(
            marks(true, false, true, false).and(marks(false, true, true, false)),
            marks(true, true, true, false)
        );
        assert_eq!(
            marks(false, false, false, false).and(marks(false, false, false, true)),
            marks(false, false, false, true)
        );
        assert_eq!(KeyRules::default().and(KeyRules::default()), KeyRules::default());
    }

    #[test]
    fn the_shorter_rotation_wins() {
        let both = |first, second| rules(None, first).and(rules(None, second)).rotation_days;
        assert_eq!(both(Some(90), Some(30)), Some(30));
        assert_eq!(both(None, Some(30)), Some(30));
        assert_eq!(both(None, None), None);
    }

    #[test]
    fn no_advice_is_lost_and_none_is_said_twice() {
        let both = |first, second| rules(first, None).and(rules(second, None)).deprecated;
        assert_eq!(both(Some("use a"), Some("use b")).as_deref(), Some("use a; use b"));
        assert_eq!(both(Some("use a"), Some("use a")).as_deref(), Some("use a"));
        assert_eq!(
            both(Some("use a; use b"), Some("use b")).as_deref(),
            Some("use a; use b")
        );
        assert_eq!(both(None, Some("use b")).as_deref(), Some("use b"));
    }

    #[test]
    fn a_violation_reads_as_documented_and_refuses_other_members() -> Result<(), serde_json::Error> {
        let text = r#"{"pointer":"/port","keyword":"type","message":"not a number"}"#;
        let violation: Violation = serde_json::from_str(text)?;
        assert_eq!(serde_json::to_string(&violation)?, text);
        assert!(serde_json::from_str::<Violation>(r#"{"pointer":"","keyword":"","message":"","value":1}"#).is_err());
        Ok(())
    }
}
