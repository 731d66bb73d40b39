//! Config namespaces, their settings and claims as messages.

use confman_core::access::Role;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{
    Channels, Claim, ConfigNamespace, Governance, HistoryRetention, NamespaceSettings, PublishMode, RollbackMode,
    Workflow,
};

use super::document::{DocumentBody, read_optional};
use super::field::{
    Tagged, digest_bytes, id, optional, optional_digest, optional_id, repeated, required, small, tags, time,
};
use super::principal::PrincipalBody;
use super::{CodecError, Kind, Record};

tags!(PublishMode, "publish mode": Automatic = 1, Manual = 2);
tags!(RollbackMode, "rollback mode": Instant = 1, Reviewed = 2);

/// [`Channels`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct ChannelsBody {
    #[prost(bool, tag = "1")]
    kubernetes: bool,
    #[prost(bool, tag = "2")]
    http: bool,
}

/// A [`HistoryRetention`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct RetentionBody {
    #[prost(uint32, tag = "1")]
    versions: u32,
    #[prost(uint32, tag = "2")]
    days: u32,
}

/// A [`Workflow`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct WorkflowBody {
    #[prost(bool, tag = "1")]
    require_approval: bool,
    #[prost(uint32, tag = "2")]
    min_approvers: u32,
    #[prost(uint32, optional, tag = "3")]
    publish: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    rollback: Option<u32>,
    #[prost(message, optional, tag = "5")]
    channels: Option<ChannelsBody>,
}

impl From<Workflow> for WorkflowBody {
    fn from(workflow: Workflow) -> Self {
        let Workflow {
            require_approval,
            min_approvers,
            publish,
            rollback,
            channels,
        } = workflow;
        Self {
            require_approval,
            min_approvers: min_approvers.into(),
            publish: publish.map(Tagged::tag),
            rollback: rollback.map(Tagged::tag),
            channels: channels.map(|Channels { kubernetes, http }| ChannelsBody { kubernetes, http }),
        }
    }
}

impl TryFrom<WorkflowBody> for Workflow {
    type Error = CodecError;
    fn try_from(body: WorkflowBody) -> Result<Self, CodecError> {
        let WorkflowBody {
            require_approval,
            min_approvers,
            publish,
            rollback,
            channels,
        } = body;
        Ok(Self {
            require_approval,
            min_approvers: small(min_approvers, "workflow.minApprovers")?,
            publish: publish.map(PublishMode::from_tag).transpose()?,
            rollback: rollback.map(RollbackMode::from_tag).transpose()?,
            channels: channels.map(|ChannelsBody { kubernetes, http }| Channels { kubernetes, http }),
        })
    }
}

/// A [`Claim`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimBody {
    #[prost(string, tag = "1")]
    kubernetes_namespace: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    uid: String,
}

impl From<&Claim> for ClaimBody {
    fn from(claim: &Claim) -> Self {
        let Claim {
            kubernetes_namespace,
            name,
            uid,
        } = claim;
        Self {
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
        }
    }
}

impl From<ClaimBody> for Claim {
    fn from(body: ClaimBody) -> Self {
        let ClaimBody {
            kubernetes_namespace,
            name,
            uid,
        } = body;
        Self {
            kubernetes_namespace,
            name,
            uid,
        }
    }
}

/// Who holds one role.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RoleBody {
    #[prost(uint32, tag = "1")]
    role: u32,
    #[prost(message, repeated, tag = "2")]
    subjects: Vec<PrincipalBody>,
}

/// A [`Governance`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct GovernanceBody {
    #[prost(string, optional, tag = "1")]
    owner: Option<String>,
    #[prost(bool, tag = "2")]
    inherit: bool,
    #[prost(message, repeated, tag = "3")]
    roles: Vec<RoleBody>,
    #[prost(message, optional, tag = "4")]
    workflow: Option<WorkflowBody>,
    #[prost(message, optional, tag = "5")]
    schema: Option<DocumentBody>,
    #[prost(message, optional, tag = "6")]
    history_retention: Option<RetentionBody>,
}

impl From<&Governance> for GovernanceBody {
    fn from(governance: &Governance) -> Self {
        let Governance {
            owner,
            inherit,
            roles,
            workflow,
            schema,
            history_retention,
        } = governance;
        let roles = roles.iter().map(|(role, subjects)| RoleBody {
            role: role.tag(),
            subjects: subjects.iter().map(Into::into).collect(),
        });
        Self {
            owner: owner.clone(),
            inherit: *inherit,
            roles: roles.collect(),
            workflow: workflow.map(Into::into),
            schema: schema.as_ref().map(DocumentBody::of),
            history_retention: history_retention
                .map(|HistoryRetention { versions, days }| RetentionBody { versions, days }),
        }
    }
}

impl TryFrom<GovernanceBody> for Governance {
    type Error = CodecError;
    fn try_from(body: GovernanceBody) -> Result<Self, CodecError> {
        let GovernanceBody {
            owner,
            inherit,
            roles,
            workflow,
            schema,
            history_retention,
        } = body;
        let roles = roles
            .into_iter()
            .map(|RoleBody { role, subjects }| Ok((Role::from_tag(role)?, repeated(subjects)?)));
        Ok(Self {
            owner,
            inherit,
            roles: roles.collect::<Result<_, CodecError>>()?,
            workflow: optional(workflow)?,
            schema: read_optional(schema.as_ref(), "governance.schema")?,
            history_retention: history_retention
                .map(|RetentionBody { versions, days }| HistoryRetention { versions, days }),
        })
    }
}

/// [`NamespaceSettings`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SettingsBody {
    #[prost(string, optional, tag = "1")]
    display_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    description: Option<String>,
    #[prost(message, optional, tag = "3")]
    governance: Option<GovernanceBody>,
    #[prost(btree_map = "string, string", tag = "4")]
    labels: std::collections::BTreeMap<String, String>,
    #[prost(message, repeated, tag = "5")]
    webhooks: Vec<DocumentBody>,
}

impl From<&NamespaceSettings> for SettingsBody {
    fn from(settings: &NamespaceSettings) -> Self {
        let NamespaceSettings {
            display_name,
            description,
            labels,
            webhooks,
            governance,
        } = settings;
        Self {
            display_name: display_name.clone(),
            description: description.clone(),
            governance: Some(governance.into()),
            labels: labels.clone(),
            webhooks: webhooks.iter().map(DocumentBody::of).collect(),
        }
    }
}

impl TryFrom<SettingsBody> for NamespaceSettings {
    type Error = CodecError;
    fn try_from(body: SettingsBody) -> Result<Self, CodecError> {
        let SettingsBody {
            display_name,
            description,
            governance,
            labels,
            webhooks,
        } = body;
        let webhooks = webhooks.iter().map(|webhook| webhook.read("settings.webhooks"));
        Ok(Self {
            display_name,
            description,
            labels,
            webhooks: webhooks.collect::<Result<_, _>>()?,
            governance: required(governance, "settings.governance")?.try_into()?,
        })
    }
}

/// A [`ConfigNamespace`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigNamespaceBody {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "2")]
    claim: Option<ClaimBody>,
    #[prost(message, optional, tag = "3")]
    settings: Option<SettingsBody>,
    #[prost(bytes = "vec", optional, tag = "4")]
    governance_stamp: Option<Vec<u8>>,
    #[prost(int64, tag = "5")]
    created_at: i64,
    #[prost(message, optional, tag = "6")]
    created_by: Option<PrincipalBody>,
    #[prost(int64, tag = "7")]
    updated_at: i64,
    #[prost(message, optional, tag = "8")]
    updated_by: Option<PrincipalBody>,
    #[prost(uint64, tag = "9")]
    revision: u64,
    #[prost(string, optional, tag = "10")]
    governance_request: Option<String>,
}

impl Record for ConfigNamespace {
    const KIND: Kind = Kind::ConfigNamespace;
    type Body = ConfigNamespaceBody;

    fn to_body(&self) -> ConfigNamespaceBody {
        let Self {
            path,
            claim,
            settings,
            governance_stamp,
            created_at,
            created_by,
            updated_at,
            updated_by,
            revision,
            governance_request,
        } = self;
        ConfigNamespaceBody {
            path: path.to_string(),
            claim: claim.as_ref().map(Into::into),
            settings: Some(settings.into()),
            governance_stamp: governance_stamp.map(digest_bytes),
            created_at: created_at.as_millis(),
            created_by: Some(created_by.into()),
            updated_at: updated_at.as_millis(),
            updated_by: Some(updated_by.into()),
            revision: *revision,
            governance_request: governance_request.as_ref().map(ToString::to_string),
        }
    }

    fn from_body(body: ConfigNamespaceBody) -> Result<Self, CodecError> {
        Ok(Self {
            path: id(&body.path, "namespace.path")?,
            claim: body.claim.map(Into::into),
            settings: required(body.settings, "namespace.settings")?.try_into()?,
            governance_stamp: optional_digest(body.governance_stamp.as_deref(), "namespace.governanceStamp")?,
            created_at: time(body.created_at),
            created_by: required(body.created_by, "namespace.createdBy")?.try_into()?,
            updated_at: time(body.updated_at),
            updated_by: required(body.updated_by, "namespace.updatedBy")?.try_into()?,
            revision: body.revision,
            governance_request: optional_id(body.governance_request.as_deref(), "namespace.governanceRequest")?,
        })
    }
}

/// The path that a `ConfigNamespace` object claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedPath {
    /// The path.
    pub path: NamespacePath,
}

/// A [`ClaimedPath`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimedPathBody {
    #[prost(string, tag = "1")]
    path: String,
}

impl Record for ClaimedPath {
    const KIND: Kind = Kind::ClaimedPath;
    type Body = ClaimedPathBody;

    fn to_body(&self) -> ClaimedPathBody {
        let Self { path } = self;
        ClaimedPathBody { path: path.to_string() }
    }

    fn from_body(body: ClaimedPathBody) -> Result<Self, CodecError> {
        let ClaimedPathBody { path } = body;
        Ok(Self {
            path: id(&path, "claim.path")?,
        })
    }
}
