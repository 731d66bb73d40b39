//! What the proposing leader found by the schemas, and which revisions it looked at. Apply compares the revisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::NamespacePath;
use crate::schema::{KeyRules, Violation};

/// The judgement on one change of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verdict {
    /// Revision of every namespace whose schema holds for the key. Another set, or another revision: judge again.
    pub namespaces: BTreeMap<NamespacePath, u64>,
    /// Content revision of the key's namespace, where a schema looks at more than the key alone.
    #[serde(default)]
    pub content_revision: Option<u64>,
    /// Live version of the key that the change was compared with, 0 for none.
    pub live_version: u64,
    /// What the schemas say about the key.
    #[serde(default)]
    pub rules: KeyRules,
    /// Violations that the change would bring in, at most [`crate::schema::MAX_VIOLATIONS`].
    #[serde(default)]
    pub violations: Vec<Violation>,
}
