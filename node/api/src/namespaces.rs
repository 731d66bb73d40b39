//! Config namespaces as readers see them and admins write them.

use confman_core::ids::{NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{Claim, ConfigNamespace, NamespaceSettings, RoleAssignments, SchemaBinding, Workflow};
use confman_core::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One config namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    /// Its path.
    #[schema(value_type = String)]
    pub path: NamespacePath,
    /// Its settings: displayName, description, labels, webhooks, and `governance` with owner, inherit, roles, workflow,
    /// schema and historyRetention. What is written is this.
    #[schema(value_type = Object)]
    pub settings: NamespaceSettings,
    /// The `ConfigNamespace` object that manages it; absent for one managed over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub managed_by: Option<Claim>,
    /// Log index of its last change: its entity tag.
    pub revision: u64,
    /// The last request for looser settings, open or decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub governance_request: Option<RequestId>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who created it.
    #[schema(value_type = String)]
    pub created_by: Principal,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Who changed it last.
    #[schema(value_type = String)]
    pub updated_by: Principal,
}

impl NamespaceView {
    /// The view of `namespace`.
    pub fn of(namespace: &ConfigNamespace) -> Self {
        let ConfigNamespace {
            path,
            claim,
            settings,
            governance_stamp: _,
            created_at,
            created_by,
            updated_at,
            updated_by,
            revision,
            governance_request,
        } = namespace;
        Self {
            path: path.clone(),
            settings: settings.clone(),
            managed_by: claim.clone(),
            revision: *revision,
            governance_request: governance_request.clone(),
            created_at: *created_at,
            created_by: created_by.clone(),
            updated_at: *updated_at,
            updated_by: updated_by.clone(),
        }
    }
}

/// A new namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateNamespaceBody {
    /// Its path.
    #[schema(value_type = String)]
    pub path: NamespacePath,
    /// Its settings.
    #[schema(value_type = Object)]
    pub settings: NamespaceSettings,
}

/// The part `:roles` of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesView {
    /// Role assignments.
    pub roles: RoleAssignments,
}

/// The part `:schema` of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaBindingView {
    /// What it binds; none: whatever its ancestors ask for.
    pub schema: Option<SchemaBinding>,
}

/// The part `:workflow` of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowView {
    /// Its own rules; none: the floor of its ancestors.
    pub workflow: Option<Workflow>,
}

/// A namespace that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceWrittenView {
    /// Its path.
    #[schema(value_type = String)]
    pub path: NamespacePath,
    /// Log index of its last change.
    pub revision: u64,
}

/// A change of governance that waits for others: the old settings stay in force until they agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingView {
    /// The namespace.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The publish request that they decide.
    #[schema(value_type = String)]
    pub request_id: RequestId,
}
