//! Webhook targets of a namespace and how they do, as a reader sees them. Neither secrets nor answers are in here.

use std::collections::BTreeSet;

use confman_core::webhook::{TargetHealth, WebhookEvent, WebhookFormat, WebhookTarget};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookTarget)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTargetView {
    /// Unique in its namespace.
    pub name: String,
    /// Where to, as configured; `{secret}` stands for the token.
    pub url: String,
    /// How payloads are written: `generic`, `slack` or `teams`.
    #[schema(value_type = String)]
    pub format: WebhookFormat,
    /// Which events are sent; empty for all.
    #[schema(value_type = Vec<String>)]
    pub events: BTreeSet<WebhookEvent>,
    /// Name of the secret file.
    pub secret: String,
    /// Whether events of the namespaces below are sent too.
    pub recursive: bool,
    /// How it does; none before the first delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<WebhookHealthView>,
}

/// How deliveries to a target went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookHealth)]
#[serde(rename_all = "camelCase")]
pub struct WebhookHealthView {
    /// Deliveries that are not finished.
    pub waiting: u64,
    /// Deliveries that the target took.
    pub delivered: u64,
    /// Deliveries that were given up, also at once because too many waited.
    pub dead: u64,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Time of the last attempt; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_attempt_at: Option<String>,
    /// What the last attempt ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
}

impl WebhookTargetView {
    /// The view of a target and of how it does.
    pub fn new(target: &WebhookTarget, health: Option<&TargetHealth>) -> Self {
        let WebhookTarget {
            name,
            url,
            format,
            events,
            secret,
            recursive,
        } = target;
        Self {
            name: name.to_string(),
            url: url.to_string(),
            format: *format,
            events: events.clone(),
            secret: secret.to_string(),
            recursive: *recursive,
            health: health.map(WebhookHealthView::from),
        }
    }
}

impl From<&TargetHealth> for WebhookHealthView {
    fn from(health: &TargetHealth) -> Self {
        let TargetHealth {
            namespace: _,
            target: _,
            waiting,
            delivered,
            dead,
            failures_in_a_row,
            last_attempt_at,
            last_result,
        } = health;
        Self {
            waiting: *waiting,
            delivered: *delivered,
            dead: *dead,
            failures_in_a_row: *failures_in_a_row,
            last_attempt_at: last_attempt_at.map(|at| at.to_string()),
            last_result: last_result.clone(),
        }
    }
}
