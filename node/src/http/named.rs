//! What a path names: a config namespace, or a key in one, whichever exists for the caller.

use confman_api::problem::Problem;
use confman_core::access::Action;
use confman_core::ids::NamespacePath;

use super::target::{self, KeyTarget};
use crate::auth::access::{Namespaces, may};
use crate::auth::known::Known;

/// What a path may name, by its form.
pub struct Target {
    namespace: Option<NamespacePath>,
    key: Option<KeyTarget>,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'t> {
    /// A config namespace.
    Namespace(&'t NamespacePath),
    /// A key, which may or may not be there.
    Key(&'t KeyTarget),
}

impl Target {
    /// Parses the path behind a route's prefix.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        let namespace = target::namespace(path);
        let key = if path == "/" { None } else { Some(target::key(path)) };
        match (namespace, key) {
            (Err(_), Some(Err(problem))) | (Err(problem), None) => Err(problem),
            (namespace, key) => Ok(Self {
                namespace: namespace.ok(),
                key: key.and_then(Result::ok),
            }),
        }
    }

    /// What it names for `actor`, who wants to do `action` there. What they may not does not exist: a hidden namespace is
    /// looked for as a key, like any name that is not there.
    pub fn resolve(&self, namespaces: &Namespaces, actor: &Known, action: Action) -> Option<Named<'_>> {
        let readable = |path: &NamespacePath| may(namespaces, actor, action, path);
        let exists = |path: &&NamespacePath| namespaces.contains_key(*path) && readable(path);
        if let Some(namespace) = self.namespace.as_ref().filter(exists) {
            return Some(Named::Namespace(namespace));
        }
        let key = self.key.as_ref().filter(|key| readable(&key.namespace));
        key.map(Named::Key)
    }
}

impl Named<'_> {
    /// The namespace, or that of the key.
    pub fn namespace(&self) -> &NamespacePath {
        match self {
            Self::Namespace(namespace) => namespace,
            Self::Key(key) => &key.namespace,
        }
    }
}
