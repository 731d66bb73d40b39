//! The commands inside a proposal as messages.

use confman_core::proposal::{
    DeclareNamespace, InitialiseCluster, PutEntry, ReleaseNamespace, ReviewRequest, SubmitRequest, WithdrawCause,
    WithdrawRequest,
};

use super::CodecError;
use super::cluster::StampKeyBody;
use super::entry::ValueBody;
use super::field::{digest_bytes, id, optional, optional_digest, repeated, required};
use super::namespace::{ClaimBody, SettingsBody, WorkflowBody};
use super::principal::{ActorBody, PrincipalBody};
use super::publish_request::RequestSpecBody;
use super::stamp::{SignedGovernanceBody, SignedRequesterBody, SignedReviewBody};

/// An [`InitialiseCluster`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct InitialiseClusterBody {
    #[prost(string, tag = "1")]
    cluster_id: String,
    #[prost(string, tag = "2")]
    kubernetes_namespace: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    root_admins: Vec<PrincipalBody>,
    #[prost(message, optional, tag = "5")]
    workflow: Option<WorkflowBody>,
    #[prost(message, optional, tag = "6")]
    stamp_key: Option<StampKeyBody>,
}

impl From<&InitialiseCluster> for InitialiseClusterBody {
    fn from(command: &InitialiseCluster) -> Self {
        let InitialiseCluster {
            cluster_id,
            kubernetes_namespace,
            name,
            root_admins,
            workflow,
            stamp_key,
        } = command;
        Self {
            cluster_id: cluster_id.to_string(),
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            root_admins: root_admins.iter().map(Into::into).collect(),
            workflow: Some((*workflow).into()),
            stamp_key: stamp_key.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<InitialiseClusterBody> for InitialiseCluster {
    type Error = CodecError;
    fn try_from(body: InitialiseClusterBody) -> Result<Self, CodecError> {
        Ok(Self {
            cluster_id: id(&body.cluster_id, "initialise.clusterId")?,
            kubernetes_namespace: body.kubernetes_namespace,
            name: body.name,
            root_admins: repeated(body.root_admins)?,
            workflow: required(body.workflow, "initialise.workflow")?.try_into()?,
            stamp_key: optional(body.stamp_key)?,
        })
    }
}

/// A [`DeclareNamespace`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeclareNamespaceBody {
    #[prost(message, optional, tag = "1")]
    claim: Option<ClaimBody>,
    #[prost(string, tag = "2")]
    path: String,
    #[prost(message, optional, tag = "3")]
    settings: Option<SettingsBody>,
    #[prost(message, optional, tag = "4")]
    governance: Option<SignedGovernanceBody>,
}

impl From<&DeclareNamespace> for DeclareNamespaceBody {
    fn from(command: &DeclareNamespace) -> Self {
        let DeclareNamespace {
            claim,
            path,
            settings,
            governance,
        } = command;
        Self {
            claim: Some(claim.into()),
            path: path.to_string(),
            settings: Some(settings.into()),
            governance: Some(governance.into()),
        }
    }
}

impl TryFrom<DeclareNamespaceBody> for DeclareNamespace {
    type Error = CodecError;
    fn try_from(body: DeclareNamespaceBody) -> Result<Self, CodecError> {
        Ok(Self {
            claim: required(body.claim, "declare.claim")?.into(),
            path: id(&body.path, "declare.path")?,
            settings: required(body.settings, "declare.settings")?.try_into()?,
            governance: required(body.governance, "declare.governance")?.try_into()?,
        })
    }
}

/// A [`ReleaseNamespace`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReleaseNamespaceBody {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "2")]
    claim: Option<ClaimBody>,
}

impl From<&ReleaseNamespace> for ReleaseNamespaceBody {
    fn from(command: &ReleaseNamespace) -> Self {
        let ReleaseNamespace { path, claim } = command;
        Self {
            path: path.to_string(),
            claim: Some(claim.into()),
        }
    }
}

impl TryFrom<ReleaseNamespaceBody> for ReleaseNamespace {
    type Error = CodecError;
    fn try_from(body: ReleaseNamespaceBody) -> Result<Self, CodecError> {
        Ok(Self {
            path: id(&body.path, "release.path")?,
            claim: required(body.claim, "release.claim")?.into(),
        })
    }
}

/// A [`SubmitRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubmitRequestBody {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(message, optional, tag = "2")]
    spec: Option<RequestSpecBody>,
    #[prost(message, optional, tag = "3")]
    requester: Option<SignedRequesterBody>,
}

impl From<&SubmitRequest> for SubmitRequestBody {
    fn from(command: &SubmitRequest) -> Self {
        let SubmitRequest {
            request_id,
            spec,
            requester,
        } = command;
        Self {
            request_id: request_id.to_string(),
            spec: Some(spec.into()),
            requester: Some(requester.into()),
        }
    }
}

impl TryFrom<SubmitRequestBody> for SubmitRequest {
    type Error = CodecError;
    fn try_from(body: SubmitRequestBody) -> Result<Self, CodecError> {
        Ok(Self {
            request_id: id(&body.request_id, "submit.requestId")?,
            spec: required(body.spec, "submit.spec")?.try_into()?,
            requester: required(body.requester, "submit.requester")?.try_into()?,
        })
    }
}

/// A [`ReviewRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReviewRequestBody {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(message, optional, tag = "2")]
    review: Option<SignedReviewBody>,
}

impl From<&ReviewRequest> for ReviewRequestBody {
    fn from(command: &ReviewRequest) -> Self {
        let ReviewRequest { request_id, review } = command;
        Self {
            request_id: request_id.to_string(),
            review: Some(review.into()),
        }
    }
}

impl TryFrom<ReviewRequestBody> for ReviewRequest {
    type Error = CodecError;
    fn try_from(body: ReviewRequestBody) -> Result<Self, CodecError> {
        Ok(Self {
            request_id: id(&body.request_id, "review.requestId")?,
            review: required(body.review, "review.review")?.try_into()?,
        })
    }
}

/// A [`WithdrawRequest`]. Exactly one of the causes is set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WithdrawRequestBody {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(message, optional, tag = "2")]
    by_requester: Option<SignedReviewBody>,
    #[prost(bool, tag = "3")]
    object_deleted: bool,
}

impl From<&WithdrawRequest> for WithdrawRequestBody {
    fn from(command: &WithdrawRequest) -> Self {
        let WithdrawRequest { request_id, cause } = command;
        let (by_requester, object_deleted) = match cause {
            WithdrawCause::ByRequester(review) => (Some(review.as_ref().into()), false),
            WithdrawCause::ObjectDeleted => (None, true),
        };
        Self {
            request_id: request_id.to_string(),
            by_requester,
            object_deleted,
        }
    }
}

impl TryFrom<WithdrawRequestBody> for WithdrawRequest {
    type Error = CodecError;
    fn try_from(body: WithdrawRequestBody) -> Result<Self, CodecError> {
        let WithdrawRequestBody {
            request_id,
            by_requester,
            object_deleted,
        } = body;
        let cause = match (by_requester, object_deleted) {
            (Some(review), false) => WithdrawCause::ByRequester(Box::new(review.try_into()?)),
            (None, true) => WithdrawCause::ObjectDeleted,
            (Some(_), true) | (None, false) => {
                return Err(CodecError::UnknownVariant {
                    what: "cause of a withdrawal",
                    found: 0,
                });
            }
        };
        Ok(Self {
            request_id: id(&request_id, "withdraw.requestId")?,
            cause,
        })
    }
}

/// A [`PutEntry`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct PutEntryBody {
    #[prost(message, optional, tag = "1")]
    actor: Option<ActorBody>,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    key: String,
    #[prost(message, optional, tag = "4")]
    value: Option<ValueBody>,
    #[prost(bytes = "vec", optional, tag = "5")]
    expected_digest: Option<Vec<u8>>,
}

impl From<&PutEntry> for PutEntryBody {
    fn from(command: &PutEntry) -> Self {
        let PutEntry {
            actor,
            namespace,
            key,
            value,
            expected_digest,
        } = command;
        Self {
            actor: Some(actor.into()),
            namespace: namespace.to_string(),
            key: key.to_string(),
            value: Some(value.into()),
            expected_digest: expected_digest.map(digest_bytes),
        }
    }
}

impl TryFrom<PutEntryBody> for PutEntry {
    type Error = CodecError;
    fn try_from(body: PutEntryBody) -> Result<Self, CodecError> {
        Ok(Self {
            actor: required(body.actor, "put.actor")?.try_into()?,
            namespace: id(&body.namespace, "put.namespace")?,
            key: id(&body.key, "put.key")?,
            value: required(body.value, "put.value")?.try_into()?,
            expected_digest: optional_digest(body.expected_digest.as_deref(), "put.expectedDigest")?,
        })
    }
}
