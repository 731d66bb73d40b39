//! Config namespaces: settings, claims, inheritance of roles and of the workflow floor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::access::{Action, Role, allows};
use crate::digest::Digest;
use crate::ids::{NamespacePath, Timestamp};
use crate::principal::{Actor, Principal};

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

impl NamespaceSettings {
    /// Longest display name in bytes.
    pub const MAX_DISPLAY_NAME_BYTES: usize = 128;
    /// Longest description in bytes.
    pub const MAX_DESCRIPTION_BYTES: usize = 2048;
}

impl Governance {
    /// Longest owner in bytes.
    pub const MAX_OWNER_BYTES: usize = 256;
    /// Most subjects in all role assignments together.
    pub const MAX_SUBJECTS: usize = 256;
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kubernetes_namespace, self.name)
    }
}

/// The strongest role of `actor` in the first namespace of `lineage`: a namespace and its existing ancestors, nearest
/// first, ending with `/`. Roles add up along `inherit`; `inherit: false` cuts all but the admins of `/`.
pub fn strongest_role<'a>(lineage: impl IntoIterator<Item = &'a ConfigNamespace>, actor: &Actor) -> Option<Role> {
    let mut strongest = None;
    let mut is_cut = false;
    for namespace in lineage {
        let own = namespace.own_role(actor);
        if !is_cut || (namespace.path.is_root() && own == Some(Role::Admin)) {
            strongest = strongest.max(own);
        }
        is_cut |= !namespace.settings.governance.inherit;
    }
    strongest
}

/// May `actor` do `action` in the first namespace of `lineage`? Roles as in [`strongest_role`], rights as in
/// [`allows`].
pub fn may<'a>(lineage: impl IntoIterator<Item = &'a ConfigNamespace>, actor: &Actor, action: Action) -> bool {
    strongest_role(lineage, actor).is_some_and(|role| allows(role, action))
}

/// The workflow that holds in the first namespace of `lineage`: the strictest of all, whether or not roles are inherited.
pub fn effective_workflow<'a>(lineage: impl IntoIterator<Item = &'a ConfigNamespace>) -> Workflow {
    lineage
        .into_iter()
        .filter_map(ConfigNamespace::own_workflow)
        .reduce(Workflow::stricter)
        .unwrap_or(Workflow::REVIEWED)
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

impl ConfigNamespace {
    /// What this namespace itself asks for; `/` always asks for something, so that saying nothing there lifts no floor.
    pub fn own_workflow(&self) -> Option<Workflow> {
        let unsaid = self.path.is_root().then_some(Workflow::REVIEWED);
        self.settings.governance.workflow.or(unsaid)
    }

    /// The strongest role that this namespace itself assigns to `actor`.
    fn own_role(&self, actor: &Actor) -> Option<Role> {
        let roles = self.settings.governance.roles.iter();
        let holds = |subjects: &BTreeSet<Principal>| actor.subjects().any(|subject| subjects.contains(subject));
        roles
            .filter(|(_, subjects)| holds(subjects))
            .map(|(role, _)| *role)
            .max()
    }
}
