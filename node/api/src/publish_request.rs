//! A publish request as a reader sees it.

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_core::publish_request::{Operation, PublishRequest, RequestState, Step, StepKind};
use confman_core::value::ValueType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::config::PositionView;

/// One publish request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequestView {
    /// Its id: the UID of its object.
    #[schema(value_type = String)]
    pub id: RequestId,
    /// Kubernetes namespace of its object.
    pub kubernetes_namespace: String,
    /// Name of its object.
    pub name: String,
    /// Config namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key to change.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// What to do with it: `Put`.
    #[schema(value_type = String, example = "Put")]
    pub operation: Operation,
    /// The proposed value, any JSON; binary as a base64 string.
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    pub value_type: Option<ValueType>,
    /// What reviewers approve.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Live version it was made against, 0 for none.
    pub base_version: u64,
    /// `PendingReview`, `Approved`, `Published`, `Rejected`, `Withdrawn` or `Superseded`.
    #[schema(value_type = String, example = "PendingReview")]
    pub state: RequestState,
    /// Who asked for it.
    #[schema(value_type = String)]
    pub requested_by: Principal,
    /// Why.
    pub reason: Option<String>,
    /// Approvals needed by the policy at submission.
    pub required_approvals: u8,
    /// Whose approvals are counted, in order.
    #[schema(value_type = Vec<String>)]
    pub approvers: Vec<Principal>,
    /// The version it made.
    pub published_version: Option<u64>,
    /// Every transition, oldest first.
    pub steps: Vec<StepView>,
}

/// One transition of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// What happened.
    #[schema(value_type = String, example = "Submitted")]
    pub kind: StepKind,
    /// In whose name.
    #[schema(value_type = String)]
    pub actor: Principal,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where in the log.
    #[schema(value_type = PositionView)]
    pub position: LogPosition,
    /// What the person wrote.
    pub comment: Option<String>,
}

impl PublishRequestView {
    /// The view of `request`; none if its value is no JSON, which would be a damaged record.
    pub fn of(request: PublishRequest) -> Option<Self> {
        let approvers = request.approvers().cloned().collect();
        let PublishRequest {
            id,
            kubernetes_namespace,
            name,
            namespace,
            spec,
            spec_digest: _,
            digest,
            base_version,
            requested_by_username: _,
            requested_by,
            required_approvals,
            state,
            steps,
            published_version,
        } = request;
        let value = spec.value.as_ref();
        let json = value.map(|value| RawValue::from_string(value.to_json_text()));
        Some(Self {
            id,
            kubernetes_namespace,
            name,
            namespace,
            key: spec.key,
            operation: spec.operation,
            value: json.transpose().ok()?,
            value_type: spec.value.map(|value| value.value_type()),
            digest,
            base_version,
            state,
            requested_by,
            reason: spec.reason,
            required_approvals,
            approvers,
            published_version,
            steps: steps.into_iter().map(StepView::of).collect(),
        })
    }
}

impl StepView {
    fn of(step: Step) -> Self {
        let Step {
            kind,
            actor,
            groups: _,
            at,
            position,
            comment,
        } = step;
        Self {
            kind,
            actor,
            at,
            position,
            comment,
        }
    }
}
