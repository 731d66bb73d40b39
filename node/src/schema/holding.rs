//! The schemas that hold for a namespace, its own and inherited ones, and what they say of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use confman_core::ids::{ConfigKey, RequestId};
use confman_core::schema::{KeyRules, MAX_VIOLATIONS, TOO_MANY, Violation};

use super::compile::CompiledSchema;
use super::confman;
use super::findings::{self, Findings};
use super::object::{Form, Held, NamespaceObject};

/// All schemas of a namespace; every one of them must hold.
#[derive(Clone, Default)]
pub struct Holding {
    schemas: Vec<Arc<CompiledSchema>>,
}

/// A request that is not published yet.
pub struct OpenChange<'a> {
    /// The request.
    pub request: &'a RequestId,
    /// Its key.
    pub key: &'a ConfigKey,
    /// What it would publish; none for a deletion.
    pub held: Option<Held>,
}

/// What would be broken if the schemas held from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakage {
    /// Violations of the live values.
    pub live: Vec<Violation>,
    /// Requests that could not be published any more.
    pub requests: Vec<RequestBreakage>,
}

/// One request that could not be published any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBreakage {
    /// The request.
    pub request: RequestId,
    /// What its publishing would newly violate.
    pub violations: Vec<Violation>,
}

impl Holding {
    /// These schemas.
    pub fn new(schemas: Vec<Arc<CompiledSchema>>) -> Self {
        Self { schemas }
    }

    /// What all schemas together ask of `key`.
    pub fn key_rules(&self, key: &str) -> KeyRules {
        let rules = self.schemas.iter().map(|schema| schema.key_rules(key));
        rules.fold(KeyRules::default(), KeyRules::and)
    }

    /// True if some key must be rotated.
    pub fn rotates(&self) -> bool {
        let rotates = |schema: &Arc<CompiledSchema>| schema.any_rule(|rules| rules.rotation_days.is_some());
        self.schemas.iter().any(rotates)
    }

    /// True if a change of one key can be judged with objects that hold that key alone.
    pub fn is_property_only(&self) -> bool {
        self.schemas.iter().all(|schema| schema.is_property_only())
    }

    /// What is violated after a change of `key` and was not before; empty if it may be published.
    ///
    /// Both objects hold the whole namespace, or `key` alone where [`Self::is_property_only`].
    pub fn judge(&self, before: &NamespaceObject, after: &NamespaceObject, key: &ConfigKey) -> Vec<Violation> {
        if before == after {
            return Vec::new();
        }
        let mut violations = self.of_transition(before, after, key);
        violations.extend(self.of_references(after).into_iter().filter_map(|(key, violation)| {
            // The same value that was there before is no new violation.
            (before.get(&key) != after.get(&key)).then_some(violation)
        }));
        let rules = |key: &str| self.key_rules(key);
        for schema in &self.schemas {
            match findings::find(schema, after, &rules) {
                Findings::None => {}
                Findings::Unlisted(violation) => violations.push(violation),
                Findings::Listed(found) => {
                    let known = match findings::find(schema, before, &rules) {
                        Findings::None | Findings::Unlisted(_) => BTreeSet::new(),
                        Findings::Listed(known) => known.into_iter().map(|finding| finding.identity).collect(),
                    };
                    let new = found.into_iter().filter(|finding| !known.contains(&finding.identity));
                    violations.extend(new.map(|finding| finding.violation));
                }
            }
        }
        bounded(violations)
    }

    /// Every violation of `object` as it is.
    pub fn violations(&self, object: &NamespaceObject) -> Vec<Violation> {
        let mut violations: Vec<_> = self
            .of_references(object)
            .into_iter()
            .map(|(_, violation)| violation)
            .collect();
        let rules = |key: &str| self.key_rules(key);
        for schema in &self.schemas {
            match findings::find(schema, object, &rules) {
                Findings::None => {}
                Findings::Unlisted(violation) => violations.push(violation),
                Findings::Listed(found) => violations.extend(found.into_iter().map(|finding| finding.violation)),
            }
        }
        bounded(violations)
    }

    /// What would break if these schemas were bound: live values, and requests that wait.
    pub fn breaks(&self, live: &NamespaceObject, open: &[OpenChange<'_>]) -> Breakage {
        let requests = open.iter().filter_map(|change| {
            let after = live.after(change.key, change.held.clone());
            let violations = self.judge(live, &after, change.key);
            let request = change.request.clone();
            (!violations.is_empty()).then_some(RequestBreakage { request, violations })
        });
        Breakage {
            live: self.violations(live),
            requests: requests.collect(),
        }
    }

    /// What the rules of the key say of the change itself: set once, and no new writes of what is deprecated.
    fn of_transition(&self, before: &NamespaceObject, after: &NamespaceObject, key: &ConfigKey) -> Vec<Violation> {
        let (old, new) = (before.get(key.as_str()), after.get(key.as_str()));
        if old == new {
            return Vec::new();
        }
        let rules = self.key_rules(key.as_str());
        let mut violations = Vec::new();
        if rules.immutable && old.is_some() {
            let change = if new.is_some() { "changed" } else { "deleted" };
            let message = format!("is set once: it has a value, which cannot be {change}");
            violations.push(at_key(key.as_str(), confman::IMMUTABLE, message));
        }
        if let (Some(advice), Some(_)) = (&rules.deprecated, new) {
            let message = format!("is deprecated and takes no new values: {advice}");
            violations.push(at_key(key.as_str(), confman::DEPRECATED, message));
        }
        violations
    }

    /// Keys that must hold a reference and do not.
    fn of_references(&self, object: &NamespaceObject) -> Vec<(String, Violation)> {
        if !self
            .schemas
            .iter()
            .any(|schema| schema.any_rule(|rules| rules.secret_ref))
        {
            return Vec::new();
        }
        let open = object.entries().filter(|(_, _, form)| *form != Form::Reference);
        let wanted = open.filter(|(key, ..)| self.key_rules(key).secret_ref);
        let message = "must be a reference to a secret (vault://…, keyvault://…, k8s://secret/…, env://…), not a value";
        wanted
            .map(|(key, ..)| (key.to_owned(), at_key(key, confman::SECRET_REF, message.to_owned())))
            .collect()
    }
}

fn at_key(key: &str, keyword: &str, message: String) -> Violation {
    Violation {
        pointer: super::survey::join("", key),
        keyword: keyword.to_owned(),
        message,
        choices: BTreeMap::new(),
    }
}

/// In order, each once, at most [`MAX_VIOLATIONS`]; one more says how many are left out.
fn bounded(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.sort();
    violations.dedup();
    if violations.len() > MAX_VIOLATIONS {
        let left_out = violations.len() - MAX_VIOLATIONS;
        violations.truncate(MAX_VIOLATIONS);
        violations.push(Violation {
            pointer: String::new(),
            keyword: TOO_MANY.to_owned(),
            message: format!("and {left_out} more"),
            choices: BTreeMap::new(),
        });
    }
    violations
}
