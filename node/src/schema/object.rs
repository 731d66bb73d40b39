//! The keys of a namespace as the one JSON object that its schemas judge.

use std::collections::BTreeMap;

use confman_core::ids::ConfigKey;
use confman_core::schema::KeyRules;
use confman_core::value::{ConfigValue, ValueType};
use serde_json::{Map, Value};

/// What the JSON of a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The value itself.
    Plain(ValueType),
    /// A reference to a secret; the JSON is its text.
    Reference,
    /// A sealed value that nobody opened; the JSON is a text that differs when the value differs, like its digest.
    Sealed,
}

/// The value of one key as the schemas see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The value as JSON: bytes as a base64 text, a reference as its text.
    pub json: Value,
    /// What it stands for.
    pub form: Form,
}

impl Held {
    /// An open value, a reference, or a value that stays sealed.
    ///
    /// # Panics
    /// If the value is not canonical; its constructors exclude that.
    pub fn of(value: &ConfigValue) -> Self {
        if value.is_sealed() {
            return Self::sealed(&value.digest().to_string());
        }
        if value.value_type() == ValueType::SecretRef {
            return Self::reference(&String::from_utf8_lossy(value.canonical_bytes()));
        }
        let json = serde_json::from_str(&value.to_json_text()).expect("a value is canonical JSON");
        Self {
            json,
            form: Form::Plain(value.value_type()),
        }
    }

    /// A reference to a secret.
    pub fn reference(text: &str) -> Self {
        Self {
            json: Value::from(text),
            form: Form::Reference,
        }
    }

    /// A value that stays sealed; `identity` differs when the value differs.
    pub fn sealed(identity: &str) -> Self {
        Self {
            json: Value::from(identity),
            form: Form::Sealed,
        }
    }
}

impl Form {
    /// True where the JSON only stands for the value, so that its shape says nothing of the value's. A reference does
    /// so at keys that hold secrets; elsewhere its text is the value.
    pub(super) fn stands_in_under(self, rules: &KeyRules) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Reference => rules.secret_ref || rules.encrypted,
            Self::Sealed => true,
        }
    }
}

/// The keys of a namespace with their values. Each schema judges this object.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceObject {
    forms: BTreeMap<String, Form>,
    json: Value,
}

impl Default for NamespaceObject {
    fn default() -> Self {
        Self {
            json: Value::Object(Map::new()),
            forms: BTreeMap::new(),
        }
    }
}

impl NamespaceObject {
    /// Sets a key.
    pub fn set(&mut self, key: &ConfigKey, held: Held) {
        if let Value::Object(members) = &mut self.json {
            members.insert(key.to_string(), held.json);
            self.forms.insert(key.to_string(), held.form);
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &ConfigKey) {
        if let Value::Object(members) = &mut self.json {
            members.remove(key.as_str());
            self.forms.remove(key.as_str());
        }
    }

    /// This object after `key` became `held`, or was deleted.
    #[must_use]
    pub fn after(&self, key: &ConfigKey, held: Option<Held>) -> Self {
        let mut after = self.clone();
        match held {
            Some(held) => after.set(key, held),
            None => after.remove(key),
        }
        after
    }

    /// The whole object, for the validator.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// Keys and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Value, Form)> {
        let forms = self.forms.iter();
        forms.filter_map(|(key, form)| Some((key.as_str(), self.json.get(key)?, *form)))
    }

    /// The value of `key`, and what it stands for.
    pub(super) fn get(&self, key: &str) -> Option<(&Value, Form)> {
        Some((self.json.get(key)?, *self.forms.get(key)?))
    }
}

impl FromIterator<(ConfigKey, Held)> for NamespaceObject {
    fn from_iter<I: IntoIterator<Item = (ConfigKey, Held)>>(keys: I) -> Self {
        let mut object = Self::default();
        for (key, held) in keys {
            object.set(&key, held);
        }
        object
    }
}
