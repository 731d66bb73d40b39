//! API keys that the cluster keeps: issued, listed and revoked by admins. Hashes are never shown.

use confman_core::api_key::{ApiKeyRecord, KeyScope};
use confman_core::ids::Timestamp;
use confman_core::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueKeyBody {
    /// Never used before: 1 to 63 of `[a-z0-9._-]`, letters or digits at the ends. Roles name it as `key:NAME`.
    pub name: String,
    /// The `ENV` of `confman_ENV_RANDOM`: 1 to 16 letters, digits or dashes.
    pub environment: String,
    /// What it is for at most: `namespace` (and those below it), `readOnly`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub scope: KeyScope,
    /// From this time on it is refused; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A key that was just issued: the only time that its text is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyIssuedView {
    /// Its name.
    pub name: String,
    /// What callers show as `X-API-Key`.
    pub key: String,
    /// The subject to name in roles.
    #[schema(value_type = String, example = "key:reader")]
    pub principal: Principal,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for KeyIssuedView {
    /// Without the text of the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyIssuedView {{ name: {:?}, .. }}", self.name)
    }
}

/// A key as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyView {
    /// Its name.
    pub name: String,
    /// The subject to name in roles.
    #[schema(value_type = String, example = "key:reader")]
    pub principal: Principal,
    /// The `ENV` of its text.
    pub environment: String,
    /// What it is for at most.
    #[schema(value_type = Object)]
    pub scope: KeyScope,
    /// Who issued it.
    #[schema(value_type = String)]
    pub created_by: Principal,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used on the node that answers, since that started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKeyView {
    /// The view of `key`.
    pub fn of(key: &ApiKeyRecord, last_used_at: Option<Timestamp>) -> Self {
        let ApiKeyRecord {
            name,
            hash: _,
            environment,
            scope,
            created_by,
            created_at,
            expires_at,
            revoked_at,
        } = key;
        Self {
            name: name.clone(),
            principal: key.principal(),
            environment: environment.clone(),
            scope: scope.clone(),
            created_by: created_by.clone(),
            created_at: *created_at,
            expires_at: *expires_at,
            revoked_at: *revoked_at,
            last_used_at,
        }
    }
}
