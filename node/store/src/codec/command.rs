//! The commands inside a proposal as messages.

use confman_core::identity::Identity;
use confman_core::proposal::{
    AuthenticatedReview, DeclareNamespace, InitialiseCluster, Precondition, PutEntry, ReleaseNamespace, Review,
    ReviewRequest, SubmitRequest, WithdrawCause, WithdrawRequest,
};

use super::CodecError;
use super::cluster::StampKeyBody;
use super::document::{DocumentBody, read_optional};
use super::entry::ValueBody;
use super::field::{digest, digest_bytes, id, optional, optional_digest, repeated, required};
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
    #[prost(message, optional, tag = "7")]
    identity: Option<DocumentBody>,
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
            identity,
        } = command;
        Self {
            cluster_id: cluster_id.to_string(),
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            root_admins: root_admins.iter().map(Into::into).collect(),
            workflow: Some((*workflow).into()),
            stamp_key: stamp_key.as_ref().map(Into::into),
            identity: (*identity != Identity::default()).then(|| DocumentBody::of(identity)),
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
            identity: read_optional(body.identity.as_ref(), "initialise.identity")?.unwrap_or_default(),
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
    #[prost(message, optional, tag = "4")]
    verdict: Option<DocumentBody>,
}

impl From<&SubmitRequest> for SubmitRequestBody {
    fn from(command: &SubmitRequest) -> Self {
        let SubmitRequest {
            request_id,
            spec,
            requester,
            verdict,
        } = command;
        Self {
            request_id: request_id.to_string(),
            spec: Some(spec.into()),
            requester: Some(requester.into()),
            verdict: verdict.as_ref().map(DocumentBody::of),
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
            verdict: read_optional(body.verdict.as_ref(), "submit.verdict")?,
        })
    }
}

/// An [`AuthenticatedReview`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AuthenticatedReviewBody {
    #[prost(message, optional, tag = "1")]
    actor: Option<ActorBody>,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(string, optional, tag = "3")]
    comment: Option<String>,
}

impl From<&AuthenticatedReview> for AuthenticatedReviewBody {
    fn from(review: &AuthenticatedReview) -> Self {
        let AuthenticatedReview { actor, digest, comment } = review;
        Self {
            actor: Some(actor.into()),
            digest: digest_bytes(*digest),
            comment: comment.clone(),
        }
    }
}

impl TryFrom<AuthenticatedReviewBody> for AuthenticatedReview {
    type Error = CodecError;
    fn try_from(body: AuthenticatedReviewBody) -> Result<Self, CodecError> {
        Ok(Self {
            actor: required(body.actor, "review.actor")?.try_into()?,
            digest: digest(&body.digest, "review.digest")?,
            comment: body.comment,
        })
    }
}

/// A [`ReviewRequest`]. Exactly one of `stamped` and `authenticated` is set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReviewRequestBody {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(message, optional, tag = "2")]
    stamped: Option<SignedReviewBody>,
    #[prost(message, optional, tag = "3")]
    authenticated: Option<AuthenticatedReviewBody>,
    #[prost(message, optional, tag = "4")]
    verdict: Option<DocumentBody>,
}

impl From<&ReviewRequest> for ReviewRequestBody {
    fn from(command: &ReviewRequest) -> Self {
        let ReviewRequest {
            request_id,
            review,
            verdict,
        } = command;
        let (stamped, authenticated) = match review {
            Review::Stamped(signed) => (Some(signed.as_ref().into()), None),
            Review::Authenticated(review) => (None, Some(review.into())),
        };
        Self {
            request_id: request_id.to_string(),
            stamped,
            authenticated,
            verdict: verdict.as_ref().map(DocumentBody::of),
        }
    }
}

impl TryFrom<ReviewRequestBody> for ReviewRequest {
    type Error = CodecError;
    fn try_from(body: ReviewRequestBody) -> Result<Self, CodecError> {
        let review = match (body.stamped, body.authenticated) {
            (Some(signed), None) => Review::Stamped(Box::new(signed.try_into()?)),
            (None, Some(review)) => Review::Authenticated(review.try_into()?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(CodecError::UnknownVariant {
                    what: "kind of a review",
                    found: 0,
                });
            }
        };
        Ok(Self {
            request_id: id(&body.request_id, "review.requestId")?,
            review,
            verdict: read_optional(body.verdict.as_ref(), "review.verdict")?,
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
    #[prost(message, optional, tag = "4")]
    by_actor: Option<AuthenticatedReviewBody>,
}

impl From<&WithdrawRequest> for WithdrawRequestBody {
    fn from(command: &WithdrawRequest) -> Self {
        let WithdrawRequest { request_id, cause } = command;
        let (by_requester, by_actor, object_deleted) = match cause {
            WithdrawCause::ByRequester(review) => (Some(review.as_ref().into()), None, false),
            WithdrawCause::ByActor(review) => (None, Some(review.into()), false),
            WithdrawCause::ObjectDeleted => (None, None, true),
        };
        Self {
            request_id: request_id.to_string(),
            by_requester,
            object_deleted,
            by_actor,
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
            by_actor,
        } = body;
        let cause = match (by_requester, by_actor, object_deleted) {
            (Some(review), None, false) => WithdrawCause::ByRequester(Box::new(review.try_into()?)),
            (None, Some(review), false) => WithdrawCause::ByActor(review.try_into()?),
            (None, None, true) => WithdrawCause::ObjectDeleted,
            (_, _, _) => {
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

/// A [`PutEntry`]. `expected` is one of the constants below.
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
    #[prost(uint32, tag = "6")]
    expected: u32,
    #[prost(message, optional, tag = "7")]
    verdict: Option<DocumentBody>,
}

const EXPECT_ANY: u32 = 1;
const EXPECT_PRESENT: u32 = 2;
const EXPECT_ABSENT: u32 = 3;
const EXPECT_DIGEST: u32 = 4;

impl From<&PutEntry> for PutEntryBody {
    fn from(command: &PutEntry) -> Self {
        let PutEntry {
            actor,
            namespace,
            key,
            value,
            expected,
            verdict,
        } = command;
        let (expected, expected_digest) = match expected {
            Precondition::Any => (EXPECT_ANY, None),
            Precondition::Present => (EXPECT_PRESENT, None),
            Precondition::Absent => (EXPECT_ABSENT, None),
            Precondition::Digest(digest) => (EXPECT_DIGEST, Some(digest_bytes(*digest))),
        };
        Self {
            actor: Some(actor.into()),
            namespace: namespace.to_string(),
            key: key.to_string(),
            value: Some(value.into()),
            expected_digest,
            expected,
            verdict: verdict.as_ref().map(DocumentBody::of),
        }
    }
}

impl TryFrom<PutEntryBody> for PutEntry {
    type Error = CodecError;
    fn try_from(body: PutEntryBody) -> Result<Self, CodecError> {
        let expected_digest = optional_digest(body.expected_digest.as_deref(), "put.expectedDigest")?;
        let expected = match body.expected {
            EXPECT_ANY => Precondition::Any,
            EXPECT_PRESENT => Precondition::Present,
            EXPECT_ABSENT => Precondition::Absent,
            EXPECT_DIGEST => Precondition::Digest(required(expected_digest, "put.expectedDigest")?),
            found => {
                return Err(CodecError::UnknownVariant {
                    what: "precondition",
                    found,
                });
            }
        };
        Ok(Self {
            actor: required(body.actor, "put.actor")?.try_into()?,
            namespace: id(&body.namespace, "put.namespace")?,
            key: id(&body.key, "put.key")?,
            value: required(body.value, "put.value")?.try_into()?,
            expected,
            verdict: read_optional(body.verdict.as_ref(), "put.verdict")?,
        })
    }
}
