//! API keys that the cluster itself keeps: who may use them until when, and for what. Never the key: only its hash.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{NamespacePath, Timestamp};
use crate::principal::Principal;

const NAME_SHAPE: &str = "[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?";
const ENVIRONMENT_SHAPE: &str = "[A-Za-z0-9-]{1,16}";

/// One key. Its rights come from roles given to `key:NAME`, narrowed by its scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyRecord {
    /// Unique and stable: 1 to 63 of `[a-z0-9._-]`, letters or digits at the ends.
    pub name: String,
    /// SHA-256 of the text of the key.
    pub hash: Digest,
    /// The `ENV` of `confman_ENV_RANDOM`: 1 to 16 letters, digits or dashes.
    pub environment: String,
    /// What the key is for at all.
    #[serde(default)]
    pub scope: KeyScope,
    /// Who issued it.
    pub created_by: Principal,
    /// Proposal time of its issue.
    pub created_at: Timestamp,
    /// From this time on it is refused; none: never.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused for good.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

/// What a key is for at most; its roles may allow less, never more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeyScope {
    /// Only this namespace and those below it; none: all.
    pub namespace: Option<NamespacePath>,
    /// True: only reads.
    pub read_only: bool,
}

/// Why a known key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyState {
    /// Its time is over.
    #[error("the API key expired at {0}")]
    Expired(Timestamp),
    /// Somebody withdrew it.
    #[error("the API key was revoked at {0}")]
    Revoked(Timestamp),
}

/// A field of [`ApiKeyRecord`] that breaks its limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {limit}")]
pub struct ApiKeyError {
    /// Which.
    pub field: &'static str,
    /// What it must be.
    pub limit: &'static str,
}

impl KeyScope {
    /// True if the scope covers `path`.
    pub fn covers(&self, path: &NamespacePath) -> bool {
        match &self.namespace {
            Some(top) => top == path || path.is_below(top),
            None => true,
        }
    }

    /// True if the scope leaves everything to the roles.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl ApiKeyRecord {
    /// Whether the key is accepted at `now`.
    pub fn check(&self, now: Timestamp) -> Result<(), KeyState> {
        if let Some(time) = self.revoked_at {
            return Err(KeyState::Revoked(time));
        }
        match self.expires_at {
            Some(time) if now >= time => Err(KeyState::Expired(time)),
            Some(_) | None => Ok(()),
        }
    }

    /// Who the key acts as.
    pub fn principal(&self) -> Principal {
        Principal::api_key(&self.name)
    }

    /// Checks every field against its limit.
    pub fn validate(&self) -> Result<(), ApiKeyError> {
        let refuse = |field, limit| Err(ApiKeyError { field, limit });
        if !is_name(&self.name) {
            return refuse("name", NAME_SHAPE);
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=16).contains(&self.environment.len()) || !self.environment.bytes().all(word) {
            return refuse("environment", ENVIRONMENT_SHAPE);
        }
        if self.expires_at.is_some_and(|end| end <= self.created_at) {
            return refuse("expiresAt", "later than createdAt");
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    let inner = |byte: &u8| end(Some(byte)) || matches!(byte, b'.' | b'_' | b'-');
    bytes.len() <= 63 && end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ApiKeyRecord {
        ApiKeyRecord {
            name: "reader".to_owned(),
            hash: Digest::of(b"confman_prod_0"),
            environment: "prod".to_owned(),
            scope: KeyScope::default(),
            created_by: Principal::user("ada"),
            created_at: Timestamp::from_millis(1_000),
            expires_at: Some(Timestamp::from_millis(2_000)),
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_works_until_its_end_and_never_again_once_revoked() {
        let mut key = record();
        assert_eq!(key.check(Timestamp::from_millis(1_999)), Ok(()));
        let end = Timestamp::from_millis(2_000);
        assert_eq!(key.check(end), Err(KeyState::Expired(end)));
        key.revoked_at = Some(Timestamp::from_millis(1_500));
        let revoked = Err(KeyState::Revoked(Timestamp::from_millis(1_500)));
        assert_eq!(
            key.check(Timestamp::from_millis(1_000)),
            revoked,
            "whatever the clock says"
        );
        key.expires_at = None;
        assert_eq!(key.check(Timestamp::from_millis(0)), revoked);
        assert_eq!(key.principal().to_string(), "key:reader");
    }

    #[test]
    fn a_scope_covers_its_namespace_and_those_below() {
        let path = |text: &str| NamespacePath::parse(text).expect("a valid path");
        let scope = KeyScope {
            namespace: Some(path("/teams/a")),
            read_only: false,
        };
        assert!(scope.covers(&path("/teams/a")) && scope.covers(&path("/teams/a/b")));
        assert!(!scope.covers(&path("/teams/ab")) && !scope.covers(&path("/teams")) && !scope.covers(&path("/")));
        assert!(KeyScope::default().covers(&path("/")) && KeyScope::default().is_unlimited());
        assert!(!scope.is_unlimited());
    }

    #[test]
    fn what_is_wrong_with_a_key_is_named() {
        assert_eq!(record().validate(), Ok(()));
        let field = |change: fn(&mut ApiKeyRecord)| {
            let mut key = record();
            change(&mut key);
            key.validate().map_err(|error| error.field)
        };
        for name in ["", "-a", "A", "a/b", "a b", &"a".repeat(64)] {
            let key = ApiKeyRecord {
                name: name.to_owned(),
                ..record()
            };
            assert_eq!(key.validate().map_err(|error| error.field), Err("name"), "{name:?}");
        }
        assert_eq!(field(|key| key.environment.clear()), Err("environment"));
        assert_eq!(field(|key| key.environment = "a_b".to_owned()), Err("environment"));
        assert_eq!(field(|key| key.expires_at = Some(key.created_at)), Err("expiresAt"));
    }
}
