//! Publish requests as messages.

use confman_core::ids::RequestId;
use confman_core::publish_request::{
    GovernanceChange, Operation, PublishRequest, RequestObject, RequestSpec, RequestState, Step, StepKind, Subject,
};

use super::document::{DocumentBody, read_optional};
use super::entry::ValueBody;
use super::field::{
    PositionBody, Tagged, digest, digest_bytes, id, optional, optional_digest, optional_id, repeated, required, small,
    tags, time,
};
use super::principal::PrincipalBody;
use super::{CodecError, Kind, Record};

tags!(Operation, "operation": Put = 1, Delete = 2, Rollback = 3, Govern = 4);
tags!(
    RequestState, "request state":
    PendingReview = 1, Approved = 2, Published = 3, Rejected = 4, Withdrawn = 5, Superseded = 6,
);
tags!(
    StepKind, "step kind":
    Submitted = 1, Approved = 2, Rejected = 3, Withdrawn = 4, Published = 5, Superseded = 6,
);

/// A [`RequestSpec`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestSpecBody {
    #[prost(string, tag = "1")]
    namespace_ref: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(uint32, tag = "3")]
    operation: u32,
    #[prost(message, optional, tag = "4")]
    value: Option<ValueBody>,
    #[prost(uint64, optional, tag = "5")]
    expected_version: Option<u64>,
    #[prost(string, optional, tag = "6")]
    reason: Option<String>,
    #[prost(string, repeated, tag = "7")]
    on_behalf_of: Vec<String>,
    #[prost(uint64, optional, tag = "8")]
    to_version: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "9")]
    draft: Option<Vec<u8>>,
}

impl From<&RequestSpec> for RequestSpecBody {
    fn from(spec: &RequestSpec) -> Self {
        let RequestSpec {
            namespace_ref,
            key,
            operation,
            value,
            expected_version,
            reason,
            on_behalf_of,
            to_version,
            draft,
        } = spec;
        Self {
            namespace_ref: namespace_ref.clone(),
            key: key.to_string(),
            operation: operation.tag(),
            value: value.as_ref().map(Into::into),
            expected_version: *expected_version,
            reason: reason.clone(),
            on_behalf_of: on_behalf_of.iter().cloned().collect(),
            to_version: *to_version,
            draft: draft.map(digest_bytes),
        }
    }
}

impl TryFrom<RequestSpecBody> for RequestSpec {
    type Error = CodecError;
    fn try_from(body: RequestSpecBody) -> Result<Self, CodecError> {
        Ok(Self {
            namespace_ref: body.namespace_ref,
            key: id(&body.key, "spec.key")?,
            operation: Operation::from_tag(body.operation)?,
            value: optional(body.value)?,
            expected_version: body.expected_version,
            reason: body.reason,
            on_behalf_of: body.on_behalf_of.into_iter().collect(),
            to_version: body.to_version,
            draft: optional_digest(body.draft.as_deref(), "spec.draft")?,
        })
    }
}

/// A [`Step`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct StepBody {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(message, optional, tag = "2")]
    actor: Option<PrincipalBody>,
    #[prost(int64, tag = "3")]
    at: i64,
    #[prost(message, optional, tag = "4")]
    position: Option<PositionBody>,
    #[prost(string, optional, tag = "5")]
    comment: Option<String>,
    #[prost(message, repeated, tag = "6")]
    groups: Vec<PrincipalBody>,
    #[prost(message, optional, tag = "7")]
    login: Option<PrincipalBody>,
}

impl From<&Step> for StepBody {
    fn from(step: &Step) -> Self {
        let Step {
            kind,
            actor,
            login,
            groups,
            at,
            position,
            comment,
        } = step;
        Self {
            kind: kind.tag(),
            actor: Some(actor.into()),
            at: at.as_millis(),
            position: Some((*position).into()),
            comment: comment.clone(),
            groups: groups.iter().map(Into::into).collect(),
            login: login.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<StepBody> for Step {
    type Error = CodecError;
    fn try_from(body: StepBody) -> Result<Self, CodecError> {
        Ok(Self {
            kind: StepKind::from_tag(body.kind)?,
            actor: required(body.actor, "step.actor")?.try_into()?,
            login: body.login.map(TryInto::try_into).transpose()?,
            at: time(body.at),
            groups: repeated(body.groups)?,
            position: required(body.position, "step.position")?.into(),
            comment: body.comment,
        })
    }
}

/// A [`RequestObject`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestObjectBody {
    #[prost(string, tag = "1")]
    kubernetes_namespace: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    requested_by_username: String,
}

impl From<&RequestObject> for RequestObjectBody {
    fn from(object: &RequestObject) -> Self {
        let RequestObject {
            kubernetes_namespace,
            name,
            requested_by_username,
        } = object;
        Self {
            kubernetes_namespace: kubernetes_namespace.clone(),
            name: name.clone(),
            requested_by_username: requested_by_username.clone(),
        }
    }
}

impl From<RequestObjectBody> for RequestObject {
    fn from(body: RequestObjectBody) -> Self {
        let RequestObjectBody {
            kubernetes_namespace,
            name,
            requested_by_username,
        } = body;
        Self {
            kubernetes_namespace,
            name,
            requested_by_username,
        }
    }
}

/// A [`PublishRequest`]. Exactly one of `spec` and `governance` is set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PublishRequestBody {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    object: Option<RequestObjectBody>,
    #[prost(string, tag = "4")]
    namespace: String,
    #[prost(message, optional, tag = "5")]
    spec: Option<RequestSpecBody>,
    #[prost(bytes = "vec", tag = "6")]
    spec_digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "8")]
    base_version: u64,
    #[prost(message, optional, tag = "10")]
    requested_by: Option<PrincipalBody>,
    #[prost(uint32, tag = "11")]
    required_approvals: u32,
    #[prost(uint32, tag = "12")]
    state: u32,
    #[prost(message, repeated, tag = "13")]
    steps: Vec<StepBody>,
    #[prost(uint64, optional, tag = "14")]
    published_version: Option<u64>,
    #[prost(message, optional, tag = "15")]
    governance: Option<DocumentBody>,
    #[prost(message, repeated, tag = "16")]
    contributors: Vec<PrincipalBody>,
    #[prost(string, optional, tag = "17")]
    resubmits: Option<String>,
    #[prost(bool, tag = "18")]
    is_sensitive: bool,
    #[prost(message, optional, tag = "19")]
    value: Option<ValueBody>,
    #[prost(bool, tag = "20")]
    waits_for_publisher: bool,
}

impl Record for PublishRequest {
    const KIND: Kind = Kind::PublishRequest;
    type Body = PublishRequestBody;

    fn to_body(&self) -> PublishRequestBody {
        let Self {
            id,
            object,
            namespace,
            subject,
            value,
            spec_digest,
            digest,
            base_version,
            requested_by,
            contributors,
            required_approvals,
            state,
            steps,
            published_version,
            resubmits,
            is_sensitive,
            waits_for_publisher,
        } = self;
        let (spec, governance) = match subject {
            Subject::Key(spec) => (Some(spec.into()), None),
            Subject::Governance(change) => (None, Some(DocumentBody::of(change.as_ref()))),
        };
        PublishRequestBody {
            id: id.to_string(),
            object: object.as_ref().map(Into::into),
            namespace: namespace.to_string(),
            spec,
            spec_digest: digest_bytes(*spec_digest),
            digest: digest_bytes(*digest),
            base_version: *base_version,
            requested_by: Some(requested_by.into()),
            required_approvals: (*required_approvals).into(),
            state: state.tag(),
            steps: steps.iter().map(Into::into).collect(),
            published_version: *published_version,
            governance,
            contributors: contributors.iter().map(Into::into).collect(),
            resubmits: resubmits.as_ref().map(ToString::to_string),
            is_sensitive: *is_sensitive,
            value: value.as_ref().map(Into::into),
            waits_for_publisher: *waits_for_publisher,
        }
    }

    fn from_body(body: PublishRequestBody) -> Result<Self, CodecError> {
        let governance: Option<GovernanceChange> = read_optional(body.governance.as_ref(), "request.governance")?;
        let subject = match governance {
            Some(change) => Subject::Governance(Box::new(change)),
            None => Subject::Key(required(body.spec, "request.spec")?.try_into()?),
        };
        Ok(Self {
            id: id(&body.id, "request.id")?,
            object: body.object.map(Into::into),
            namespace: id(&body.namespace, "request.namespace")?,
            subject,
            value: optional(body.value)?,
            spec_digest: digest(&body.spec_digest, "request.specDigest")?,
            digest: digest(&body.digest, "request.digest")?,
            base_version: body.base_version,
            requested_by: required(body.requested_by, "request.requestedBy")?.try_into()?,
            contributors: repeated(body.contributors)?,
            required_approvals: small(body.required_approvals, "request.requiredApprovals")?,
            state: RequestState::from_tag(body.state)?,
            steps: repeated(body.steps)?,
            published_version: body.published_version,
            resubmits: optional_id(body.resubmits.as_deref(), "request.resubmits")?,
            is_sensitive: body.is_sensitive,
            waits_for_publisher: body.waits_for_publisher,
        })
    }
}

/// Which request published a spec of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedSpec {
    /// The request.
    pub request_id: RequestId,
}

/// An [`AppliedSpec`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppliedSpecBody {
    #[prost(string, tag = "1")]
    request_id: String,
}

impl Record for AppliedSpec {
    const KIND: Kind = Kind::AppliedSpec;
    type Body = AppliedSpecBody;

    fn to_body(&self) -> AppliedSpecBody {
        let Self { request_id } = self;
        AppliedSpecBody {
            request_id: request_id.to_string(),
        }
    }

    fn from_body(body: AppliedSpecBody) -> Result<Self, CodecError> {
        let AppliedSpecBody { request_id } = body;
        Ok(Self {
            request_id: id(&request_id, "appliedSpec.requestId")?,
        })
    }
}
