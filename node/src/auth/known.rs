//! An authenticated caller.

use std::ops::Deref;

use confman_core::api_key::KeyScope;
use confman_core::identity::{ANONYMOUS_REALM, Identity};
use confman_core::ids::Timestamp;
use confman_core::principal::{Actor, Principal, PrincipalKind};

/// Who calls, and what their credential is for at most. Reads as the actor that roles are given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As they logged in; commands carry this, and the state machine decides who it is.
    pub login: Actor,
    /// The person behind the login.
    pub person: Actor,
    /// What the credential is for at most.
    pub scope: KeyScope,
    /// When the credential ends; what lasts longer must end with it.
    pub expires_at: Option<Timestamp>,
}

impl Known {
    /// Somebody whose login is their name, without scope and end.
    pub fn unlimited(login: Actor) -> Self {
        Self {
            person: login.clone(),
            login,
            scope: KeyScope::default(),
            expires_at: None,
        }
    }

    /// The person whose login it is by `identity`.
    pub fn person(identity: &Identity, login: Actor, expires_at: Timestamp) -> Self {
        Self {
            person: identity.canonical_actor(&login),
            login,
            scope: KeyScope::default(),
            expires_at: Some(expires_at),
        }
    }

    /// A caller without a credential, where such may read.
    pub fn anonymous() -> Self {
        let mut known = Self::unlimited(Actor::new(Principal {
            kind: PrincipalKind::User,
            realm: ANONYMOUS_REALM.to_owned(),
            name: "anonymous".to_owned(),
        }));
        known.scope.read_only = true;
        known
    }
}

impl Deref for Known {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.person
    }
}
