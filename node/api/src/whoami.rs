//! Who a caller is, and whether a node works.

use confman_core::access::Role;
use confman_core::ids::NamespacePath;
use confman_core::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The caller as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiView {
    /// The principal, e.g. `key:reader`: the subject to name in roles.
    #[schema(value_type = String)]
    pub principal: Principal,
    /// Groups.
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<Principal>,
    /// The strongest role in each namespace where there is one, inherited roles included; at most 1000.
    pub roles: Vec<RoleView>,
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
