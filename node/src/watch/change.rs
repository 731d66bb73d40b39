//! One change as it goes out, and which changes a watcher wants.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use confman_api::limits;
use confman_api::watch::{ChangeKind, ChangeView};
use confman_core::audit::AuditEvent;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_store::{AuditPosition, ReadError, StateReader};
use parking_lot::Mutex;

/// What ends the JSON of an event, and the event.
const END: &[u8] = b"}\n\n";

/// A change, written once for everybody.
#[derive(Debug)]
pub struct Change {
    /// Its place in the log.
    pub at: AuditPosition,
    /// What it is about.
    pub kind: ChangeKind,
    /// Where it happened.
    pub namespace: NamespacePath,
    /// To which key.
    pub key: Option<ConfigKey>,
    /// The version that went live.
    version: Option<u64>,
    /// The event as it is sent without the value.
    frame: Bytes,
    /// The event with the value, for as long as somebody sends it.
    with_value: Mutex<Option<Weak<[u8]>>>,
}

impl Change {
    /// Writes `event` once.
    ///
    /// # Panics
    /// Never: a change serialises to memory.
    pub fn of(event: &AuditEvent) -> Self {
        let (at, view) = (position(event), ChangeView::of(event));
        let kind = ChangeKind::of(event.action);
        let mut frame = format!("id: {}.{}\nevent: {kind}\ndata: ", at.index, at.seq).into_bytes();
        serde_json::to_writer(&mut frame, &view).expect("a change serialises to memory");
        frame.extend_from_slice(b"\n\n");
        Self {
            at,
            kind,
            namespace: view.namespace,
            key: view.key,
            version: view.version,
            frame: frame.into(),
            with_value: Mutex::new(None),
        }
    }

    /// The event without the value.
    pub fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// The event with the value that went live, where there is one, and it is neither sensitive nor too large. All who send it at the same
    /// time share the bytes; nobody keeps them longer.
    pub fn frame_with_value(&self, state: &StateReader) -> Result<Bytes, ReadError> {
        let (ChangeKind::Values, Some(key), Some(number)) = (self.kind, &self.key, self.version) else {
            return Ok(self.frame());
        };
        let mut shared = self.with_value.lock();
        if let Some(bytes) = shared.as_ref().and_then(Weak::upgrade) {
            return Ok(Bytes::from_owner(bytes));
        }
        let version = state.version(&self.namespace, key, number)?;
        let Some(frame) = version.and_then(|version| self.written_with(&version)) else {
            return Ok(self.frame());
        };
        let bytes: Arc<[u8]> = frame.into();
        *shared = Some(Arc::downgrade(&bytes));
        Ok(Bytes::from_owner(bytes))
    }

    fn written_with(&self, version: &Version) -> Option<Vec<u8>> {
        let value = version.value.as_ref()?;
        if version.is_sensitive || value.is_sealed() || value.canonical_bytes().len() > limits::WATCH_VALUE.value {
            return None;
        }
        let head = self.frame.strip_suffix(END)?;
        let value_type = serde_json::to_string(&value.value_type()).ok()?;
        let text = value.to_json_text();
        Some(
            [
                head,
                b",\"type\":",
                value_type.as_bytes(),
                b",\"value\":",
                text.as_bytes(),
                END,
            ]
            .concat(),
        )
    }
}

/// Where `event` is in the log.
pub(super) fn position(event: &AuditEvent) -> AuditPosition {
    AuditPosition {
        index: event.position.index,
        seq: event.seq,
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Values.
    pub values: bool,
    /// Workflow.
    pub workflow: bool,
    /// Governance.
    pub governance: bool,
}

impl Kinds {
    /// Nothing.
    pub const NONE: Self = Self {
        values: false,
        workflow: false,
        governance: false,
    };
    /// Values only.
    pub const VALUES: Self = Self {
        values: true,
        ..Self::NONE
    };

    /// Parses a list like `values,workflow`; none if an item is no kind.
    pub fn parse(text: &str) -> Option<Self> {
        let mut kinds = Self::NONE;
        for name in text.split(',') {
            match ChangeKind::parse(name)? {
                ChangeKind::Values => kinds.values = true,
                ChangeKind::Workflow => kinds.workflow = true,
                ChangeKind::Governance => kinds.governance = true,
            }
        }
        Some(kinds)
    }

    const fn contains(self, kind: ChangeKind) -> bool {
        match kind {
            ChangeKind::Values => self.values,
            ChangeKind::Workflow => self.workflow,
            ChangeKind::Governance => self.governance,
        }
    }
}

/// Which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Every key, and what is about none.
    All,
    /// This one.
    One(ConfigKey),
    /// Those that begin so.
    Prefix(String),
}

/// Which changes of an interest a watcher wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// About what.
    pub kinds: Kinds,
    /// To which keys.
    pub keys: Keys,
}

impl Filter {
    /// True if `change` is one of them.
    pub fn wants(&self, change: &Change) -> bool {
        let key = change.key.as_ref();
        let of_key = match &self.keys {
            Keys::All => true,
            Keys::One(wanted) => key == Some(wanted),
            Keys::Prefix(prefix) => key.is_some_and(|key| key.as_str().starts_with(prefix)),
        };
        of_key && self.kinds.contains(change.kind)
    }
}

#[cfg(test)]
mod tests {
    use confman_core::digest::Digest;
    use confman_core::value::ConfigValue;
    use serde_json::json;

    use super::*;
    use crate::watch::table::tests::event;

    #[test]
    fn a_list_of_kinds_is_a_set() {
        assert_eq!(Kinds::parse("values"), Some(Kinds::VALUES));
        let two = Kinds::parse("governance,values,values");
        assert_eq!(
            two,
            Some(Kinds {
                governance: true,
                ..Kinds::VALUES
            })
        );
        for bad in ["", "values,", "all", "Values", "values, workflow"] {
            assert_eq!(Kinds::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_frame_is_one_event_with_one_line_of_json() {
        let change = Change::of(&event(7, 1, "/apps", Some("colour")));
        let text = String::from_utf8(change.frame().to_vec()).expect("text");
        let data = text
            .strip_prefix("id: 7.1\nevent: values\ndata: ")
            .expect("id and event come first");
        let view: serde_json::Value = serde_json::from_str(data.trim_end()).expect("one line of JSON");
        assert_eq!(view["namespace"], "/apps");
        assert_eq!(view["version"], 3);
        assert!(text.ends_with("}\n\n") && text.lines().count() == 4, "{text:?}");
    }

    #[test]
    fn a_value_is_added_to_the_frame_unless_it_is_sensitive_or_too_large() {
        let change = Change::of(&event(7, 0, "/apps", Some("colour")));
        let version = |text: &str| {
            let value = ConfigValue::from_text(text).expect("small enough");
            Version {
                namespace: change.namespace.clone(),
                key: change.key.clone().expect("a key"),
                number: 3,
                digest: Some(value.digest()),
                value: Some(value),
                published_at: confman_core::ids::Timestamp::default(),
                published_by: confman_core::principal::Principal::user("bob"),
                request_id: None,
                approvers: Vec::new(),
                position: confman_core::ids::LogPosition { term: 1, index: 7 },
                is_sensitive: false,
                schema_revision: None,
            }
        };
        let frame = change
            .written_with(&version("two\nlines \u{2028}"))
            .expect("it is small");
        let text = String::from_utf8(frame).expect("text");
        let data = text
            .lines()
            .nth(2)
            .and_then(|line| line.strip_prefix("data: "))
            .expect("data");
        let view: serde_json::Value = serde_json::from_str(data).expect("one line of JSON");
        assert_eq!(
            (&view["type"], &view["value"]),
            (&json!("string"), &json!("two\nlines \u{2028}"))
        );
        let large = "x".repeat(limits::WATCH_VALUE.value + 1);
        assert_eq!(change.written_with(&version(&large)), None);
        let sensitive = Version {
            is_sensitive: true,
            ..version("secret")
        };
        assert_eq!(change.written_with(&sensitive), None);
        let sealed = |value: ConfigValue| value.sealed(vec![7; 40], "first", Digest::of(b"x"));
        let sealed = Version {
            value: version("secret")
                .value
                .map(|value| sealed(value).expect("an envelope of 40 bytes")),
            ..version("secret")
        };
        assert_eq!(change.written_with(&sealed), None);
    }
}
