//! Who acts: people, groups, service accounts and API keys, compared exactly and never by display name.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The realm of users that a Kubernetes API server authenticated; the default one.
pub const KUBERNETES_REALM: &str = "kubernetes";

/// What kind of principal a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person, or a machine that logs in like one (see [`Principal::is_human`]).
    User,
    /// A group of users; appears in role assignments, never as an actor.
    Group,
    /// A Kubernetes `ServiceAccount`, named `namespace/name`.
    ServiceAccount,
    /// An API key, by its name.
    ApiKey,
}

/// One principal. Its text form is a role subject: `user:ada`, `group:team-a`, `serviceaccount:apps/web`, `key:reader`;
/// users and groups of another realm than Kubernetes are `user:REALM/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Principal {
    /// Kind.
    pub kind: PrincipalKind,
    /// Who vouches for the name; [`KUBERNETES_REALM`] for stamped users, ignored for service accounts and keys.
    pub realm: String,
    /// Name within the realm, 1 to 256 bytes without control characters.
    pub name: String,
}

/// Why a subject string was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// No known prefix.
    #[error("subject {given:?} must be user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME or key:NAME")]
    UnknownKind {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// The name is empty, longer than 256 bytes or has control characters.
    #[error("the name in subject {given:?} must have 1 to 256 bytes and no control characters")]
    BadName {
        /// The text, cut to 64 characters.
        given: String,
    },
}

impl Principal {
    /// Longest name in bytes.
    pub const MAX_NAME_BYTES: usize = 256;

    /// A user of the Kubernetes realm.
    pub fn user(name: &str) -> Self {
        Self {
            kind: PrincipalKind::User,
            realm: KUBERNETES_REALM.to_owned(),
            name: name.to_owned(),
        }
    }

    /// A group of the Kubernetes realm.
    pub fn group(name: &str) -> Self {
        Self {
            kind: PrincipalKind::Group,
            realm: KUBERNETES_REALM.to_owned(),
            name: name.to_owned(),
        }
    }

    /// An API key by name.
    pub fn api_key(name: &str) -> Self {
        Self {
            kind: PrincipalKind::ApiKey,
            realm: KUBERNETES_REALM.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The principal behind an authenticated Kubernetes user name; `system:serviceaccount:NS:NAME` is a service account.
    pub fn from_kubernetes_username(username: &str) -> Self {
        match username
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'))
        {
            Some((namespace, name)) => Self {
                kind: PrincipalKind::ServiceAccount,
                realm: KUBERNETES_REALM.to_owned(),
                name: format!("{namespace}/{name}"),
            },
            None => Self::user(username),
        }
    }

    /// Parses a role subject.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        let cut = || text.chars().take(64).collect::<String>();
        let (prefix, rest) = text
            .split_once(':')
            .ok_or_else(|| SubjectError::UnknownKind { given: cut() })?;
        let kind = match prefix {
            "user" => PrincipalKind::User,
            "group" => PrincipalKind::Group,
            "serviceaccount" => PrincipalKind::ServiceAccount,
            "key" => PrincipalKind::ApiKey,
            _ => return Err(SubjectError::UnknownKind { given: cut() }),
        };
        let (realm, name) = match kind {
            PrincipalKind::User | PrincipalKind::Group => rest.split_once('/').unwrap_or((KUBERNETES_REALM, rest)),
            PrincipalKind::ServiceAccount | PrincipalKind::ApiKey => (KUBERNETES_REALM, rest),
        };
        let service_account_ok = kind != PrincipalKind::ServiceAccount
            || name
                .split_once('/')
                .is_some_and(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
        let bad =
            |part: &str| part.is_empty() || part.len() > Self::MAX_NAME_BYTES || part.chars().any(char::is_control);
        if bad(realm) || bad(name) || !service_account_ok {
            return Err(SubjectError::BadName { given: cut() });
        }
        Ok(Self {
            kind,
            realm: realm.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The courier: acts where no person does, such as at bootstrap or when an object is gone.
    pub fn courier() -> Self {
        Self::user("system:confman-courier")
    }

    /// The nodes themselves: act where nothing but time is the reason.
    pub fn nodes() -> Self {
        Self::user("system:confman-node")
    }

    /// True for a named person. Machines may submit, never approve: service accounts, keys, groups, `system:*` and
    /// the cluster's break-glass login `kubernetes-admin`.
    pub fn is_human(&self) -> bool {
        match self.kind {
            PrincipalKind::User => !self.name.starts_with("system:") && self.name != "kubernetes-admin",
            PrincipalKind::Group | PrincipalKind::ServiceAccount | PrincipalKind::ApiKey => false,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Group => "group",
            PrincipalKind::ServiceAccount => return write!(formatter, "serviceaccount:{}", self.name),
            PrincipalKind::ApiKey => return write!(formatter, "key:{}", self.name),
        };
        // A slash in a default-realm name would read as a realm, so the realm is then spelled out.
        if self.realm == KUBERNETES_REALM && !self.name.contains('/') {
            write!(formatter, "{prefix}:{}", self.name)
        } else {
            write!(formatter, "{prefix}:{}/{}", self.realm, self.name)
        }
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

impl TryFrom<String> for Principal {
    type Error = SubjectError;
    fn try_from(text: String) -> Result<Self, SubjectError> {
        Self::parse(&text)
    }
}

/// An authenticated caller: the principal, the groups it was seen with, and where it called from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// Groups, each of kind [`PrincipalKind::Group`]; at most 64.
    #[serde(default)]
    pub groups: BTreeSet<Principal>,
    /// Peer address of the call, where there is one.
    #[serde(default)]
    pub ip: Option<String>,
}

impl Actor {
    /// An actor without groups or address.
    pub fn new(principal: Principal) -> Self {
        Self {
            principal,
            groups: BTreeSet::new(),
            ip: None,
        }
    }

    /// Every subject that a role assignment may name to mean this actor.
    pub fn subjects(&self) -> impl Iterator<Item = &Principal> {
        std::iter::once(&self.principal).chain(&self.groups)
    }

    /// True if one of [`Self::subjects`] is in `subjects`: the fewer are looked for among the more.
    pub fn is_among(&self, subjects: &BTreeSet<Principal>) -> bool {
        if subjects.len() <= self.groups.len() {
            let means_actor = |subject: &Principal| *subject == self.principal || self.groups.contains(subject);
            return subjects.iter().any(means_actor);
        }
        self.subjects().any(|subject| subjects.contains(subject))
    }
}
