//! How deliveries to one target went: what is left of a delivery once it is finished.

use serde::{Deserialize, Serialize};

use super::{Delivery, DeliveryState, TargetName};
use crate::ids::{NamespacePath, Timestamp};

/// One target's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetHealth {
    /// The namespace that configures the target.
    pub namespace: NamespacePath,
    /// Its name.
    pub target: TargetName,
    /// Deliveries that the target took.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Time of the last attempt.
    pub last_attempt_at: Timestamp,
    /// What the last attempt ended with, as in [`Delivery::last_result`].
    pub last_result: Option<String>,
}

impl TargetHealth {
    /// The record after the attempt at `at` that left `delivery` as it is.
    #[must_use]
    pub fn after(before: Option<Self>, delivery: &Delivery, at: Timestamp) -> Self {
        let (delivered, dead, failures) = before.map_or((0, 0, 0), |before| {
            (before.delivered, before.dead, before.failures_in_a_row)
        });
        let (delivered, dead, failures_in_a_row) = match delivery.state {
            DeliveryState::Delivered => (delivered + 1, dead, 0),
            DeliveryState::Dead => (delivered, dead + 1, failures.saturating_add(1)),
            DeliveryState::Pending => (delivered, dead, failures.saturating_add(1)),
        };
        Self {
            namespace: delivery.namespace.clone(),
            target: delivery.target.clone(),
            delivered,
            dead,
            failures_in_a_row,
            last_attempt_at: at,
            last_result: delivery.last_result.clone(),
        }
    }
}
