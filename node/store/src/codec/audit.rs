//! Audit events and the head of their chain as messages.

use confman_core::audit::{AuditAction, AuditActor, AuditChange, AuditEvent, AuditHead, AuditResource, AuditWorkflow};
use confman_core::publish_request::{Operation, RequestState};

use super::field::{
    PositionBody, Tagged, digest, digest_bytes, id, optional, optional_digest, optional_id, repeated, required, small,
    tags, time,
};
use super::principal::PrincipalBody;
use super::{CodecError, Kind, Record};

tags!(
    AuditAction, "audit action":
    ClusterInitialised = 1, StampKeyRegistered = 2, NamespaceCreated = 3, NamespaceUpdated = 4, NamespaceReleased = 5,
    RequestSubmitted = 6, RequestApproved = 7, RequestRejected = 8, RequestWithdrawn = 9, RequestSuperseded = 10,
    ConfigPublished = 11, ConfigUnreviewed = 12, ConfigRolledBack = 13, DraftUpdated = 14, DraftDeleted = 15,
    NamespaceDeleted = 16, EntryDescribed = 17, SchemaStored = 18, IdentityUpdated = 19, ApiKeyIssued = 20,
    ApiKeyRevoked = 21, RotationDue = 22, ClusterRecovered = 23,
);

/// An [`AuditActor`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditActorBody {
    #[prost(message, optional, tag = "1")]
    principal: Option<PrincipalBody>,
    #[prost(string, optional, tag = "2")]
    ip: Option<String>,
    #[prost(message, repeated, tag = "3")]
    groups: Vec<PrincipalBody>,
    #[prost(string, optional, tag = "4")]
    stamp_key_id: Option<String>,
    #[prost(message, optional, tag = "5")]
    login: Option<PrincipalBody>,
}

impl From<&AuditActor> for AuditActorBody {
    fn from(actor: &AuditActor) -> Self {
        let AuditActor {
            principal,
            login,
            groups,
            stamp_key_id,
            ip,
        } = actor;
        Self {
            principal: Some(principal.into()),
            ip: ip.clone(),
            groups: groups.iter().map(Into::into).collect(),
            stamp_key_id: stamp_key_id.clone(),
            login: login.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<AuditActorBody> for AuditActor {
    type Error = CodecError;
    fn try_from(body: AuditActorBody) -> Result<Self, CodecError> {
        Ok(Self {
            principal: required(body.principal, "event.actor.principal")?.try_into()?,
            login: optional(body.login)?,
            groups: repeated(body.groups)?,
            stamp_key_id: body.stamp_key_id,
            ip: body.ip,
        })
    }
}

/// An [`AuditResource`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditResourceBody {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, optional, tag = "2")]
    key: Option<String>,
}

impl From<&AuditResource> for AuditResourceBody {
    fn from(resource: &AuditResource) -> Self {
        let AuditResource { namespace, key } = resource;
        Self {
            namespace: namespace.to_string(),
            key: key.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<AuditResourceBody> for AuditResource {
    type Error = CodecError;
    fn try_from(body: AuditResourceBody) -> Result<Self, CodecError> {
        Ok(Self {
            namespace: id(&body.namespace, "event.resource.namespace")?,
            key: optional_id(body.key.as_deref(), "event.resource.key")?,
        })
    }
}

/// An [`AuditChange`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditChangeBody {
    #[prost(uint64, optional, tag = "1")]
    previous_version: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    new_version: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    previous_digest: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    new_digest: Option<Vec<u8>>,
}

impl From<&AuditChange> for AuditChangeBody {
    fn from(change: &AuditChange) -> Self {
        let AuditChange {
            previous_version,
            new_version,
            previous_digest,
            new_digest,
        } = change;
        Self {
            previous_version: *previous_version,
            new_version: *new_version,
            previous_digest: previous_digest.map(digest_bytes),
            new_digest: new_digest.map(digest_bytes),
        }
    }
}

impl TryFrom<AuditChangeBody> for AuditChange {
    type Error = CodecError;
    fn try_from(body: AuditChangeBody) -> Result<Self, CodecError> {
        Ok(Self {
            previous_version: body.previous_version,
            new_version: body.new_version,
            previous_digest: optional_digest(body.previous_digest.as_deref(), "event.change.previousDigest")?,
            new_digest: optional_digest(body.new_digest.as_deref(), "event.change.newDigest")?,
        })
    }
}

/// An [`AuditWorkflow`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditWorkflowBody {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(uint32, tag = "2")]
    state: u32,
    #[prost(bytes = "vec", tag = "3")]
    digest: Vec<u8>,
    #[prost(uint32, optional, tag = "4")]
    operation: Option<u32>,
    #[prost(uint64, optional, tag = "5")]
    base_version: Option<u64>,
    #[prost(uint32, optional, tag = "6")]
    required_approvals: Option<u32>,
    #[prost(message, repeated, tag = "7")]
    contributors: Vec<PrincipalBody>,
    #[prost(uint64, optional, tag = "8")]
    to_version: Option<u64>,
}

impl From<&AuditWorkflow> for AuditWorkflowBody {
    fn from(workflow: &AuditWorkflow) -> Self {
        let AuditWorkflow {
            request_id,
            state,
            digest,
            operation,
            base_version,
            to_version,
            required_approvals,
            contributors,
        } = workflow;
        Self {
            request_id: request_id.to_string(),
            state: state.tag(),
            digest: digest_bytes(*digest),
            operation: operation.map(Tagged::tag),
            base_version: *base_version,
            required_approvals: required_approvals.map(u32::from),
            contributors: contributors.iter().map(Into::into).collect(),
            to_version: *to_version,
        }
    }
}

impl TryFrom<AuditWorkflowBody> for AuditWorkflow {
    type Error = CodecError;
    fn try_from(body: AuditWorkflowBody) -> Result<Self, CodecError> {
        Ok(Self {
            request_id: id(&body.request_id, "event.workflow.requestId")?,
            state: RequestState::from_tag(body.state)?,
            digest: digest(&body.digest, "event.workflow.digest")?,
            operation: body.operation.map(Operation::from_tag).transpose()?,
            base_version: body.base_version,
            to_version: body.to_version,
            required_approvals: body
                .required_approvals
                .map(|approvals| small(approvals, "event.workflow.requiredApprovals"))
                .transpose()?,
            contributors: repeated(body.contributors)?,
        })
    }
}

/// An [`AuditEvent`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditEventBody {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    position: Option<PositionBody>,
    #[prost(uint32, tag = "3")]
    seq: u32,
    #[prost(int64, tag = "4")]
    time: i64,
    #[prost(uint32, tag = "5")]
    action: u32,
    #[prost(message, optional, tag = "6")]
    actor: Option<AuditActorBody>,
    #[prost(message, optional, tag = "7")]
    resource: Option<AuditResourceBody>,
    #[prost(message, optional, tag = "8")]
    change: Option<AuditChangeBody>,
    #[prost(message, optional, tag = "9")]
    workflow: Option<AuditWorkflowBody>,
    #[prost(string, optional, tag = "10")]
    comment: Option<String>,
    #[prost(string, optional, tag = "11")]
    trace_id: Option<String>,
    #[prost(bytes = "vec", tag = "12")]
    previous_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "13")]
    hash: Vec<u8>,
}

impl Record for AuditEvent {
    const KIND: Kind = Kind::AuditEvent;
    type Body = AuditEventBody;

    fn to_body(&self) -> AuditEventBody {
        let Self {
            id,
            position,
            seq,
            time,
            action,
            actor,
            resource,
            change,
            workflow,
            comment,
            trace_id,
            previous_hash,
            hash,
        } = self;
        AuditEventBody {
            id: id.clone(),
            position: Some((*position).into()),
            seq: *seq,
            time: time.as_millis(),
            action: action.tag(),
            actor: Some(actor.into()),
            resource: Some(resource.into()),
            change: change.as_ref().map(Into::into),
            workflow: workflow.as_ref().map(Into::into),
            comment: comment.clone(),
            trace_id: trace_id.clone(),
            previous_hash: digest_bytes(*previous_hash),
            hash: digest_bytes(*hash),
        }
    }

    fn from_body(body: AuditEventBody) -> Result<Self, CodecError> {
        Ok(Self {
            id: body.id,
            position: required(body.position, "event.position")?.into(),
            seq: body.seq,
            time: time(body.time),
            action: AuditAction::from_tag(body.action)?,
            actor: required(body.actor, "event.actor")?.try_into()?,
            resource: required(body.resource, "event.resource")?.try_into()?,
            change: optional(body.change)?,
            workflow: optional(body.workflow)?,
            comment: body.comment,
            trace_id: body.trace_id,
            previous_hash: digest(&body.previous_hash, "event.previousHash")?,
            hash: digest(&body.hash, "event.hash")?,
        })
    }
}

/// An [`AuditHead`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuditHeadBody {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(int64, tag = "3")]
    time: i64,
}

impl Record for AuditHead {
    const KIND: Kind = Kind::AuditHead;
    type Body = AuditHeadBody;

    fn to_body(&self) -> AuditHeadBody {
        let Self { count, hash, time } = self;
        AuditHeadBody {
            count: *count,
            hash: digest_bytes(*hash),
            time: time.as_millis(),
        }
    }

    fn from_body(body: AuditHeadBody) -> Result<Self, CodecError> {
        let AuditHeadBody {
            count,
            hash,
            time: millis,
        } = body;
        Ok(Self {
            count,
            hash: digest(&hash, "auditHead.hash")?,
            time: time(millis),
        })
    }
}
