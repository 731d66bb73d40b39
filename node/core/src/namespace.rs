//! Config namespaces: settings, claims, inheritance of roles and of the workflow floor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::digest::Digest;
use crate::ids::{NamespacePath, Timestamp};
use crate::principal::Principal;

/// Who holds which role here.
pub type RoleAssignments = BTreeMap<Role, BTreeSet<Principal>>;

/// What must happen before a change is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workflow {
    /// False lets publishers write directly; such writes are audited as unreviewed.
    pub require_approval: bool,
    /// Distinct eligible approvers needed, 1 to 16.
    pub min_approvers: u8,
}

impl Workflow {
    /// Most approvers a namespace may ask for.
    pub const MAX_APPROVERS: u8 = 16;

    /// Approval by one other person: the default.
    pub const REVIEWED: Self = Self {
        require_approval: true,
        min_approvers: 1,
    };

    /// Both rules at once: the stricter of each.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            require_approval: self.require_approval || other.require_approval,
            min_approvers: self.min_approvers.max(other.min_approvers),
        }
    }
}

/// The `ConfigNamespace` object that manages a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// Kubernetes namespace of the object.
    pub kubernetes_namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object; an object recreated under the same name has another.
    pub uid: String,
}

/// What a declaration sets. The governance fields are covered by the governance stamp; the descriptive ones are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceSettings {
    /// Descriptive: at most 128 bytes.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Descriptive: at most 2 KiB.
    #[serde(default)]
    pub description: Option<String>,
    /// Governance: the part that a stamp binds.
    pub governance: Governance,
}

/// The governance fields of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Governance {
    /// Contact of the owning team, at most 256 bytes.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whether role assignments of the parent also hold here. The workflow floor is inherited either way.
    pub inherit: bool,
    /// Role assignments, at most 256 subjects in all.
    #[serde(default)]
    pub roles: RoleAssignments,
    /// None: the floor of the ancestors.
    #[serde(default)]
    pub workflow: Option<Workflow>,
}

/// A config namespace as replicated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigNamespace {
    /// Its path.
    pub path: NamespacePath,
    /// The object that manages it; none for `/` until one adopts it, and after its object is deleted.
    pub claim: Option<Claim>,
    /// Its settings.
    pub settings: NamespaceSettings,
    /// Digest of the governance stamp in force; none where no stamp made it.
    pub governance_stamp: Option<Digest>,
    /// Proposal time of creation.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: Principal,
    /// Proposal time of the last change.
    pub updated_at: Timestamp,
    /// Who changed it last.
    pub updated_by: Principal,
    /// Log index of the last change.
    pub revision: u64,
}
