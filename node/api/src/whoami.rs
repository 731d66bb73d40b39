//! Who a caller is, and whether a node works.

use confman_core::access::Role;
use confman_core::api_key::KeyScope;
use confman_core::ids::{NamespacePath, Timestamp};
use confman_core::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The caller as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiView {
    /// The person behind the login, or the login itself, e.g. `key:reader`: the subject to name in roles.
    #[schema(value_type = String)]
    pub principal: Principal,
    /// As they logged in.
    #[schema(value_type = String)]
    pub login: Principal,
    /// Who vouches for the login; absent for service accounts and API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// What they showed.
    pub credential: CredentialKind,
    /// When that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// What it is for at most: `namespace` and those below it, `readOnly`. Absent: whatever the roles allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub scope: Option<KeyScope>,
    /// Groups.
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<Principal>,
    /// The strongest role in each namespace where there is one, inherited roles included; at most 1000.
    pub roles: Vec<RoleView>,
}

/// What a caller may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialKind {
    /// `X-API-Key`.
    ApiKey,
    /// `Authorization: Bearer`.
    BearerToken,
    /// In the handshake.
    ClientCertificate,
    /// The operator's certificate.
    Courier,
    /// None, where such may read.
    Nothing,
}

/// A role in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleView {
    /// The namespace.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// `viewer`, `editor`, `publisher` or `admin`.
    #[schema(value_type = String, example = "viewer")]
    pub role: Role,
}

/// Health of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    /// `ok`, `ready` or `not-ready`.
    pub status: String,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
