//! Config namespaces: settings, claims, inheritance of roles and of the workflow floor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::{Action, Role, allows};
use crate::digest::Digest;
use crate::ids::{NamespacePath, RequestId, Timestamp};
use crate::planted::{Mistake, is_planted};
use crate::principal::{Actor, Principal};
use crate::webhook::WebhookTarget;

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
    /// Who publishes what is approved; none: at once, in the name of the last approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishMode>,
    /// How a rollback is done; none: like any other change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackMode>,
    /// Where people may ask and review; none: where the namespace is managed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

/// Who publishes what is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PublishMode {
    /// The last approval publishes.
    Automatic,
    /// A publisher publishes once enough people have approved.
    Manual,
}

/// How a rollback is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RollbackMode {
    /// A publisher rolls back at once; audited as such.
    Instant,
    /// By a publish request of operation `Rollback`.
    Reviewed,
}

/// Where people ask and review. At least one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channels {
    /// By objects, with the stamps of admission.
    pub kubernetes: bool,
    /// By the interface of the nodes, with a login of its own.
    pub http: bool,
}

/// One of the [`Channels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// Objects and stamps.
    Kubernetes,
    /// The interface of the nodes.
    Http,
}

impl Channels {
    /// True if `channel` is open.
    pub const fn are_open_to(self, channel: Channel) -> bool {
        match channel {
            Channel::Kubernetes => self.kubernetes,
            Channel::Http => self.http,
        }
    }
}

/// How long superseded versions stay. Both limits must be exceeded before one is dropped; the live version, the one
/// before it and pinned ones always stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryRetention {
    /// Versions of a key that stay at least, 2 or more.
    pub versions: u32,
    /// Days that a version stays at least.
    pub days: u32,
}

impl HistoryRetention {
    /// Fewest versions that it may keep: the live one and the one before it.
    pub const LEAST_VERSIONS: u32 = 2;
}

/// The schema that a namespace's object must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SchemaBinding {
    /// JSON text of the schema itself, at most [`crate::schema::MAX_SCHEMA_BYTES`].
    Inline(String),
    /// One revision of a stored schema.
    Stored(SchemaReference),
}

/// One revision of a stored schema; immutable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaReference {
    /// Path behind `/schemas`; its nearest namespace's admins own it.
    pub path: NamespacePath,
    /// 1, 2, 3 … per path.
    pub revision: u64,
}

impl Workflow {
    /// Most approvers a namespace may ask for.
    pub const MAX_APPROVERS: u8 = 16;

    /// Approval by one other person: the default.
    pub const REVIEWED: Self = Self {
        require_approval: true,
        min_approvers: 1,
        publish: None,
        rollback: None,
        channels: None,
    };

    /// Both rules at once: the stricter of each.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            require_approval: self.require_approval || other.require_approval,
            min_approvers: self.min_approvers.max(other.min_approvers),
            publish: self.publish.max(other.publish),
            rollback: self.rollback.max(other.rollback),
            channels: match (self.channels, other.channels) {
                (Some(one), Some(two)) => Some(Channels {
                    kubernetes: one.kubernetes && two.kubernetes,
                    http: one.http && two.http,
                }),
                (one, two) => one.or(two),
            },
        }
    }

    /// True if a publisher may roll back at once.
    pub fn rolls_back_at_once(self) -> bool {
        self.rollback == Some(RollbackMode::Instant)
    }

    /// True if what is approved waits for a publisher.
    pub fn waits_for_publisher(self) -> bool {
        self.publish == Some(PublishMode::Manual)
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
    /// Descriptive: at most 64, of 63 and 256 bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Who is told what happens here, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<WebhookTarget>,
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
    /// What values must look like; none: whatever the ancestors ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaBinding>,
    /// How long superseded versions stay; none: as in the nearest ancestor that says, else for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_retention: Option<HistoryRetention>,
}

impl Governance {
    /// Nothing of its own: everything as in the ancestors.
    pub fn inherited() -> Self {
        Self {
            owner: None,
            inherit: true,
            roles: RoleAssignments::new(),
            workflow: None,
            schema: None,
            history_retention: None,
        }
    }
}

impl NamespaceSettings {
    /// Longest display name in bytes.
    pub const MAX_DISPLAY_NAME_BYTES: usize = 128;
    /// Longest description in bytes.
    pub const MAX_DESCRIPTION_BYTES: usize = 2048;
    /// Most labels.
    pub const MAX_LABELS: usize = 64;
    /// Longest name of a label in bytes.
    pub const MAX_LABEL_NAME_BYTES: usize = 63;
    /// Longest value of a label in bytes.
    pub const MAX_LABEL_VALUE_BYTES: usize = 256;

    /// Settings of these governance fields and nothing else.
    pub fn governed(governance: Governance) -> Self {
        Self {
            display_name: None,
            description: None,
            labels: BTreeMap::new(),
            webhooks: Vec::new(),
            governance,
        }
    }
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

/// The namespaces of a lineage.
pub fn each(lineage: &[Arc<ConfigNamespace>]) -> impl Iterator<Item = &ConfigNamespace> + Clone {
    lineage.iter().map(Arc::as_ref)
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
        .reduce(|below, above| {
            if is_planted(Mistake::ChildLoosensParent) {
                below
            } else {
                below.stricter(above)
            }
        })
        .unwrap_or(Workflow::REVIEWED)
}

/// The namespaces of `lineage` that its first one inherits from, itself included: up to the first that cuts inheritance.
pub fn inherited<'a>(
    lineage: impl IntoIterator<Item = &'a ConfigNamespace>,
) -> impl Iterator<Item = &'a ConfigNamespace> {
    let mut is_cut = false;
    lineage.into_iter().take_while(move |namespace| {
        let reached = !is_cut;
        is_cut |= !namespace.settings.governance.inherit;
        reached
    })
}

/// The namespaces of `lineage` whose schemas hold in its first one.
pub fn schema_lineage<'a>(
    lineage: impl IntoIterator<Item = &'a ConfigNamespace>,
) -> impl Iterator<Item = &'a ConfigNamespace> {
    inherited(lineage).filter(|namespace| namespace.settings.governance.schema.is_some())
}

/// How long versions stay in the first namespace of `lineage`; none: for ever.
pub fn effective_retention<'a>(lineage: impl IntoIterator<Item = &'a ConfigNamespace>) -> Option<HistoryRetention> {
    lineage
        .into_iter()
        .find_map(|namespace| namespace.settings.governance.history_retention)
}

/// The channels open in the first namespace of `lineage`.
pub fn effective_channels<'a>(lineage: impl IntoIterator<Item = &'a ConfigNamespace> + Clone) -> Channels {
    let said = effective_workflow(lineage.clone()).channels;
    said.unwrap_or_else(|| {
        let managed = lineage
            .into_iter()
            .next()
            .is_some_and(|nearest| nearest.claim.is_some());
        Channels {
            kubernetes: managed,
            http: !managed,
        }
    })
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
    /// The last request for looser settings, open or decided; none before the first.
    #[serde(default)]
    pub governance_request: Option<RequestId>,
}

impl ConfigNamespace {
    /// What this namespace itself asks for; `/` always asks for something, so that saying nothing there lifts no floor.
    pub fn own_workflow(&self) -> Option<Workflow> {
        let unsaid = self.path.is_root().then_some(Workflow::REVIEWED);
        self.settings.governance.workflow.or(unsaid)
    }

    /// The strongest role that this namespace itself assigns to `actor`.
    fn own_role(&self, actor: &Actor) -> Option<Role> {
        let strongest_first = self.settings.governance.roles.iter().rev();
        let mut held = strongest_first.filter(|(_, subjects)| actor.is_among(subjects));
        held.next().map(|(role, _)| *role)
    }
}
