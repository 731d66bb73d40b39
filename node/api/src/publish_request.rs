//! A publish request as a reader sees it.

use std::collections::BTreeSet;

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use confman_core::publish_request::{
    GovernanceChange, Operation, PublishRequest, RequestState, Step, StepKind, Subject,
};
use confman_core::value::{ConfigValue, ValueType};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::config::PositionView;
use crate::diff::{DiffView, present};

/// One publish request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequestView {
    /// Its id: the UID of its object; without one, `pr-` and the log index of its submission.
    #[schema(value_type = String)]
    pub id: RequestId,
    /// Its object; absent for one made over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectView>,
    /// Config namespace of the change.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key to change; absent where the governance of the namespace changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<ConfigKey>,
    /// What to do: `Put`, `Delete`, `Rollback` or `Govern`.
    #[schema(value_type = String, example = "Put")]
    pub operation: Operation,
    /// The proposed value, any JSON; binary as a base64 string. Absent for a deletion and for secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
    /// Its type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub value_type: Option<ValueType>,
    /// The version that a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u64>,
    /// The change of governance, of operation `Govern`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub governance: Option<GovernanceChange>,
    /// What reviewers approve.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Live version it was made against, 0 for none; of governance: revision of the namespace.
    pub base_version: u64,
    /// `PendingReview`, `Approved`, `Published`, `Rejected`, `Withdrawn` or `Superseded`.
    #[schema(value_type = String, example = "PendingReview")]
    pub state: RequestState,
    /// Who asked for it.
    #[schema(value_type = String)]
    pub requested_by: Principal,
    /// Everyone who had a hand in it: none of them may approve it.
    #[schema(value_type = Vec<String>)]
    pub contributors: BTreeSet<Principal>,
    /// Why.
    pub reason: Option<String>,
    /// Approvals needed by the policy at submission.
    pub required_approvals: u8,
    /// Whose approvals are counted, in order.
    #[schema(value_type = Vec<String>)]
    pub approvers: Vec<Principal>,
    /// The version it made.
    pub published_version: Option<u64>,
    /// The request that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub resubmits: Option<RequestId>,
    /// True if the value is a secret and so is not shown.
    #[serde(default)]
    pub sensitive: bool,
    /// Every transition, oldest first.
    pub steps: Vec<StepView>,
    /// What reviewers need to know; where one request is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewView>,
}

/// What a reviewer needs to know of a request, by the state, the policy and the roles of now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewView {
    /// What it changes: from the version it was made against, or from the governance in force. Absent once that version is
    /// not retained any more, and for a request that is decided and about governance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffView>,
    /// Number of the live version, 0 for none; another than `baseVersion` means that approving it would change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_version: Option<u64>,
    /// How many approvals are needed: the stricter of the policies at submission and now.
    pub approvals_needed: u8,
    /// Whose approvals count now, in order.
    #[schema(value_type = Vec<String>)]
    pub approvals_counted: Vec<Principal>,
    /// Role subjects that may approve, without those who had a hand in the change. Nodes do not know who is in a group.
    /// Empty once it is decided.
    #[schema(value_type = Vec<String>)]
    pub eligible_approvers: BTreeSet<Principal>,
}

/// A publish request in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequestItem {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RequestId,
    /// Config namespace of the change.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key to change; absent where the governance of the namespace changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<ConfigKey>,
    /// What to do: `Put`, `Delete`, `Rollback` or `Govern`.
    #[schema(value_type = String, example = "Put")]
    pub operation: Operation,
    /// `PendingReview`, `Approved`, `Published`, `Rejected`, `Withdrawn` or `Superseded`.
    #[schema(value_type = String, example = "PendingReview")]
    pub state: RequestState,
    /// Who asked for it.
    #[schema(value_type = String)]
    pub requested_by: Principal,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub submitted_at: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What reviewers approve.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Approvals needed by the policy at submission.
    pub required_approvals: u8,
    /// Who has approved, in order.
    #[schema(value_type = Vec<String>)]
    pub approvers: Vec<Principal>,
    /// The version it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_version: Option<u64>,
}

impl PublishRequestItem {
    /// What a list shows of `request`.
    pub fn of(request: &PublishRequest) -> Self {
        Self {
            id: request.id.clone(),
            namespace: request.namespace.clone(),
            key: request.key().cloned(),
            operation: request.operation(),
            state: request.state,
            requested_by: request.requested_by.clone(),
            submitted_at: request.steps.first().map(|step| step.at),
            reason: request.reason().map(str::to_owned),
            digest: request.digest,
            required_approvals: request.required_approvals,
            approvers: request.approvers().cloned().collect(),
            published_version: request.published_version,
        }
    }
}

/// The `PublishRequest` object of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// Its Kubernetes namespace.
    pub kubernetes_namespace: String,
    /// Its name.
    pub name: String,
}

/// Asks for a change of a key. Of `Put` without a value the draft is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenRequestBody {
    /// Config namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// `Put` (default), `Delete` or `Rollback`.
    #[serde(default = "put")]
    #[schema(value_type = String, example = "Put")]
    pub operation: Operation,
    /// The new value, any JSON; `null` is a value too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub value: Option<Box<RawValue>>,
    /// The new value as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The new value as bytes in standard base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
    /// The new value as the address of a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// Digest of the draft that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub draft: Option<Digest>,
    /// The version to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u64>,
    /// Live version that the change was made against, 0 for no such key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<u64>,
    /// Why, at most 2 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rejected, withdrawn or superseded request that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub resubmits: Option<RequestId>,
    /// Subjects that it is made on behalf of, such as `user:corp/ada`; they may not approve it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on_behalf_of: BTreeSet<String>,
}

impl OpenRequestBody {
    /// Asks for `operation` on a key and says nothing else.
    pub fn new(namespace: NamespacePath, key: ConfigKey, operation: Operation) -> Self {
        Self {
            namespace,
            key,
            operation,
            value: None,
            text: None,
            binary: None,
            secret_ref: None,
            draft: None,
            to_version: None,
            expected_version: None,
            reason: None,
            resubmits: None,
            on_behalf_of: BTreeSet::new(),
        }
    }
}

fn put() -> Operation {
    Operation::Put
}

/// What somebody decides about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DecisionBody {
    /// The request's digest as they saw it; required to approve and to publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Why, at most 2 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Goes back to an earlier version of the key in the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackBody {
    /// The version to go back to.
    pub to_version: u64,
    /// Why, at most 2 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Goes back to an earlier version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedRollbackBody {
    /// Config namespace of the key.
    #[schema(value_type = String)]
    pub namespace: NamespacePath,
    /// The key.
    #[schema(value_type = String)]
    pub key: ConfigKey,
    /// The version to go back to.
    pub to_version: u64,
    /// Why, at most 2 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
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
        let (key, operation) = (request.key().cloned(), request.operation());
        let reason = request.reason().map(str::to_owned);
        let value = request.new_value().filter(|_| !request.is_sensitive);
        let json = value.map(|value| RawValue::from_string(value.to_json_text()));
        let (json, value_type) = (json.transpose().ok()?, request.new_value().map(ConfigValue::value_type));
        let PublishRequest {
            id,
            object,
            namespace,
            subject,
            value: _,
            spec_digest: _,
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
            waits_for_publisher: _,
        } = request;
        let (to_version, governance) = match subject {
            Subject::Key(spec) => (spec.to_version, None),
            Subject::Governance(change) => (None, Some(*change)),
        };
        Some(Self {
            id,
            object: object.map(|object| ObjectView {
                kubernetes_namespace: object.kubernetes_namespace,
                name: object.name,
            }),
            namespace,
            key,
            operation,
            value: json,
            value_type,
            to_version,
            governance,
            digest,
            base_version,
            state,
            requested_by,
            contributors,
            reason,
            required_approvals,
            approvers,
            published_version,
            resubmits,
            sensitive: is_sensitive,
            steps: steps.into_iter().map(StepView::of).collect(),
            review: None,
        })
    }
}

impl StepView {
    fn of(step: Step) -> Self {
        let Step {
            kind,
            actor,
            login: _,
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
