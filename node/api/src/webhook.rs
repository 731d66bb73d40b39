//! Webhook targets of a namespace and how they do, as a reader sees them. Neither secrets nor answers are in here.

use std::collections::BTreeSet;

use confman_core::webhook::{Delivery, DeliveryState, TargetHealth, WebhookEvent, WebhookFormat, WebhookTarget};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The webhooks of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Webhooks)]
#[serde(rename_all = "camelCase")]
pub struct WebhooksView {
    /// The namespace that configures them.
    pub namespace: String,
    /// Each target, in the order of the settings.
    pub targets: Vec<WebhookTargetView>,
    /// Deliveries that are not finished, by id; at most [`WebhooksView::MAX_DELIVERIES`].
    pub deliveries: Vec<WebhookDeliveryView>,
    /// Whether there are more deliveries than are shown.
    pub has_more_deliveries: bool,
}

impl WebhooksView {
    /// Most deliveries that are shown.
    pub const MAX_DELIVERIES: usize = 100;
}

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
    /// How it does; none before the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<WebhookHealthView>,
}

/// How deliveries to a target went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookHealth)]
#[serde(rename_all = "camelCase")]
pub struct WebhookHealthView {
    /// Deliveries that the target took.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Time of the last attempt.
    #[schema(format = DateTime)]
    pub last_attempt_at: String,
    /// What the last attempt ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
}

/// One delivery that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookDelivery)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeliveryView {
    /// The `webhook-id` of its messages.
    pub id: String,
    /// Name of the target.
    pub target: String,
    /// Id of the audit event that it tells.
    pub event_id: String,
    /// Kind of the event, e.g. `published`.
    #[schema(value_type = String)]
    pub event: WebhookEvent,
    /// Where it stands: `pending`, `delivered` or `dead`.
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// Time of the event.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    pub next_attempt_at: String,
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
        Self {
            delivered: health.delivered,
            dead: health.dead,
            failures_in_a_row: health.failures_in_a_row,
            last_attempt_at: health.last_attempt_at.to_string(),
            last_result: health.last_result.clone(),
        }
    }
}

impl From<&Delivery> for WebhookDeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            target: delivery.target.to_string(),
            event_id: delivery.event_id.clone(),
            event: delivery.event,
            state: delivery.state,
            created_at: delivery.created_at.to_string(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at.to_string(),
            last_result: delivery.last_result.clone(),
        }
    }
}
