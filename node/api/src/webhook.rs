//! Webhook targets of a namespace and how they do, as its admins see them. Neither secrets nor answers are in here.

use confman_core::ids::Timestamp;
use confman_core::webhook::{TargetHealth, TargetName, TargetState, WebhookTarget, WebhookUrl};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The webhooks of one namespace. What is read may be sent back as it is: only `webhooks` counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Webhooks)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhooksView {
    /// The targets as configured: `name`, `url`, `format`, `events`, `secret` (the name of a file) and `recursive`.
    #[schema(value_type = Vec<Object>)]
    pub webhooks: Vec<WebhookTarget>,
    /// How each of them does, in the same order.
    #[serde(default)]
    pub status: Vec<WebhookStatusView>,
}

/// How one target does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookStatus)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatusView {
    /// The target.
    #[schema(value_type = String)]
    pub name: TargetName,
    /// Where to, as configured; `{secret}` stands for the token.
    #[schema(value_type = String)]
    pub url: WebhookUrl,
    /// By the last attempt: `untried`, `healthy`, `failing`, or `gone` where the target wants no more (410).
    #[schema(value_type = String)]
    pub state: TargetState,
    /// Time of the first of the failures in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Deliveries that are not finished.
    pub pending: u64,
    /// Deliveries that the target took.
    pub delivered: u64,
    /// Deliveries that were given up, also at once because too many were pending.
    pub dead: u64,
    /// Time of the last attempt; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// What the last attempt ended with, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
}

impl WebhookStatusView {
    /// How `target` does.
    pub fn new(target: &WebhookTarget, health: &TargetHealth) -> Self {
        let TargetHealth {
            namespace: _,
            target: _,
            waiting,
            delivered,
            dead,
            failures_in_a_row,
            last_attempt_at,
            last_result,
            failing_since,
        } = health;
        Self {
            name: target.name.clone(),
            url: target.url.clone(),
            state: health.state(),
            failing_since: *failing_since,
            failures_in_a_row: *failures_in_a_row,
            pending: *waiting,
            delivered: *delivered,
            dead: *dead,
            last_attempt_at: *last_attempt_at,
            last_result: last_result.map(|result| result.to_string()),
        }
    }
}
