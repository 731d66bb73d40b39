//! One function for each target: takes any bytes, and panics if a promise of the parser is broken.

use std::sync::Arc;

use confman_core::audit::AuditEvent;
use confman_core::diff::{self, MAX_ENTRIES, MAX_POINTER_BYTES};
use confman_core::digest::canonical_json_text;
use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::json::Json;
use confman_core::proposal::Command;
use confman_core::schema::{MAX_VIOLATION_TEXT_BYTES, MAX_VIOLATIONS, Violation};
use confman_core::value::ConfigValue;
use confman_core::webhook::WebhookUrl;

use super::subjects::schema::{CompiledSchema, Held, Holding, NamespaceObject};
use super::subjects::{cursor_form, key_form, target, yaml};

/// A target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: &[Target] = &[
    ("audit_line", audit_line),
    ("body", body),
    ("command", command),
    ("cursor", cursor),
    ("diff", diff),
    ("idempotency_key", idempotency_key),
    ("path", path),
    ("schema", schema),
    ("token", token),
    ("webhook_url", webhook_url),
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A path is one thing to every reader: what is parsed has the text it was parsed from, and no part of it is empty or dots.
pub fn path(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(path) = NamespacePath::parse(text) {
        assert_eq!(path.to_string(), text);
        let mut segments = text.split('/').skip(1);
        assert!(text == "/" || segments.all(|segment| !matches!(segment, "" | "." | "..") && segment.is_ascii()));
        assert!(text.len() <= NamespacePath::MAX_BYTES);
    }
    if let Ok(key) = ConfigKey::parse(text) {
        assert_eq!(key.as_str(), text);
        assert!(!text.contains('/') && text.len() <= ConfigKey::MAX_BYTES);
    }
    if let Ok(found) = target::key(text) {
        assert_eq!(found.namespace.join(&found.key), text);
    }
    let named = target::namespace(target::behind(text, "/api/v1/config"));
    let refused = named.err().or(target::request_id(text).err());
    assert!(refused.is_none_or(|problem| problem.field.is_some() && problem.limit.is_some()));
}

/// A value that is accepted has one canonical form, which is accepted again as the same value, and a form in YAML.
pub fn body(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(canonical) = canonical_json_text(text) else {
        assert!(ConfigValue::from_json_text(text).is_err());
        return;
    };
    assert_eq!(canonical_json_text(&canonical).as_deref(), Ok(canonical.as_str()));
    assert_eq!(Json::parse(&canonical).map(|json| json.text), Some(canonical.as_str()));
    assert!(yaml::of_json(&canonical).is_some());
    if let Ok(value) = ConfigValue::from_json_text(text) {
        let again = ConfigValue::from_json_text(&value.to_json_text());
        assert_eq!(again.as_ref(), Ok(&value));
        let stored = ConfigValue::from_stored(value.value_type(), value.canonical_bytes().to_vec());
        assert_eq!(stored.map(|stored| stored.digest()), Ok(value.digest()));
    }
}

/// Two values, split at the first zero byte: the diff is bounded, empty only for equal ones, and masked tells nothing.
pub fn diff(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (before, after) = bytes.split_at(split);
    let value = |bytes: &[u8]| ConfigValue::from_json_text(text(bytes)).ok();
    let (before, after) = (value(before), value(after.get(1..).unwrap_or_default()));
    let found = diff::diff(before.as_ref(), after.as_ref(), false);
    assert_eq!(found.entries.is_empty(), before == after);
    assert!(found.entries.len() <= MAX_ENTRIES);
    let pointers = found.entries.iter().map(|entry| entry.pointer.len());
    assert!(pointers.sum::<usize>() <= MAX_POINTER_BYTES);
    let masked = diff::diff(before.as_ref(), after.as_ref(), true);
    let silent = |entry: &diff::DiffEntry| entry.pointer.is_empty() && entry.before.is_none() && entry.after.is_none();
    assert!(masked.entries.len() <= 1 && masked.entries.iter().all(silent));
}

/// A cursor names a place only to the query it is bound to.
pub fn cursor(bytes: &[u8]) {
    const QUERY: &str = "fingerprint1";
    let text = text(bytes);
    if let Some(place) = cursor_form::read(text, QUERY) {
        assert_eq!(cursor_form::write(QUERY, &place), text);
        assert_eq!(cursor_form::read(text, "fingerprint2"), None);
    }
    let written = cursor_form::write(QUERY, text);
    assert_eq!(cursor_form::read(&written, QUERY).as_deref(), Some(text));
}

/// A key of the right form is short, visible ASCII and has room for its randomness.
pub fn token(bytes: &[u8]) {
    let text = text(bytes);
    if key_form::is_well_formed(text) {
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(text.len() > key_form::RANDOM_BYTES);
    }
}

/// A key that is accepted is named by its bare and by its quoted form.
pub fn idempotency_key(bytes: &[u8]) {
    if let Ok(key) = IdempotencyKey::parse_header(text(bytes)) {
        let escaped = key.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        assert_eq!(
            IdempotencyKey::parse_header(&format!("\"{escaped}\"")).as_ref(),
            Ok(&key)
        );
        assert_eq!(IdempotencyKey::parse(key.as_str()), Ok(key));
    }
}

/// A URL that is accepted can be taken apart, and its parts are those of its text.
pub fn webhook_url(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(url) = WebhookUrl::parse(text) {
        assert_eq!(url.as_str(), text);
        assert!(text.is_ascii() && text.len() <= WebhookUrl::MAX_BYTES);
        assert!(text.contains(url.authority()) && !url.authority().contains(['@', '\\', '#', ' ']));
        assert!(url.path_and_query().starts_with(['/', '?']) && url.port() > 0);
        let _ = url.host();
    }
}

/// An event that is read is written as the same event, and has a hash.
pub fn audit_line(bytes: &[u8]) {
    if let Ok(event) = serde_json::from_slice::<AuditEvent>(bytes) {
        let line = serde_json::to_string(&event).expect("an event serialises");
        assert_eq!(serde_json::from_str::<AuditEvent>(&line).ok().as_ref(), Some(&event));
        assert_eq!(event.computed_hash(), event.computed_hash());
    }
}

/// A command that is read is written as the same command.
pub fn command(bytes: &[u8]) {
    if let Ok(command) = serde_json::from_slice::<Command>(bytes) {
        let line = serde_json::to_string(&command).expect("a command serialises");
        assert_eq!(serde_json::from_str::<Command>(&line).ok(), Some(command));
    }
}

/// A schema, a value of a key, what becomes of it, and the value of another key, split at zero bytes: a schema that is
/// accepted is the same one in its canonical form, and a refused one is refused at a place that it has.
pub fn schema(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0).map(text);
    let source = parts.next().unwrap_or_default();
    let compiled = match CompiledSchema::compile(source) {
        Ok(compiled) => compiled,
        Err(refused) => {
            let document = serde_json::from_str::<serde_json::Value>(source);
            assert!(document.is_err() || document.is_ok_and(|document| document.pointer(&refused.pointer).is_some()));
            return;
        }
    };
    let again = CompiledSchema::compile(&compiled.document().to_string()).expect("an accepted schema is one again");
    assert_eq!(again.digest(), compiled.digest());
    assert_eq!(again.is_property_only(), compiled.is_property_only());
    assert_eq!(again.key_rules("a"), compiled.key_rules("a"));

    let [key, other] = ["a", "b"].map(|key| ConfigKey::parse(key).expect("a key"));
    let mut value = || Some(Held::of(&ConfigValue::from_json_text(parts.next()?).ok()?));
    let alone = NamespaceObject::default().after(&key, value());
    let (becomes, beside) = (value(), value());
    judged(
        &Holding::new(vec![Arc::new(compiled)]),
        &key,
        (&alone, &alone.after(&other, beside)),
        becomes,
    );
}

/// What is judged is bounded, hides what must be hidden, is true of the state after the change, and where keys are judged
/// alone the same beside other keys.
fn judged(
    holding: &Holding,
    key: &ConfigKey,
    (alone, among): (&NamespaceObject, &NamespaceObject),
    becomes: Option<Held>,
) {
    let after = among.after(key, becomes.clone());
    let found = holding.judge(among, &after, key);
    let left = holding.violations(&after);
    let rules = holding.key_rules(key.as_str());
    let is_short = |text: &str| text.len() <= MAX_VIOLATION_TEXT_BYTES;
    for list in [&found, &left] {
        assert!(list.len() <= MAX_VIOLATIONS + 1);
        assert!(
            list.iter()
                .all(|violation| is_short(&violation.pointer) && is_short(&violation.message))
        );
        let inside = |violation: &Violation| violation.pointer.starts_with("/a/");
        assert!(!rules.hidden() || !list.iter().any(inside));
    }
    // Such rules look at the change, not at the state.
    let is_of_state = !rules.immutable && rules.deprecated.is_none();
    if is_of_state && left.len() <= MAX_VIOLATIONS {
        assert!(found.iter().all(|violation| left.contains(violation)));
    }
    let gave_up = |list: &[Violation]| list.iter().any(|violation| violation.keyword == "too-large-for-schema");
    if holding.is_property_only() {
        let of_key = holding.judge(alone, &alone.after(key, becomes), key);
        assert!(of_key == found || gave_up(&of_key) || gave_up(&found));
    }
}
