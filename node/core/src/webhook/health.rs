//! How deliveries to one target went: what waits, and what is left of a delivery once it is finished.

use serde::{Deserialize, Serialize};

use super::{Delivery, DeliveryResult, DeliveryState, TargetName};
use crate::ids::{NamespacePath, Timestamp};

/// One target's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetHealth {
    /// The namespace that configures the target.
    pub namespace: NamespacePath,
    /// Its name.
    pub target: TargetName,
    /// Deliveries that are not finished, at most [`TargetHealth::MAX_WAITING`].
    pub waiting: u64,
    /// Deliveries that the target took.
    pub delivered: u64,
    /// Deliveries that were given up, also those that never had a place.
    pub dead: u64,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Time of the last attempt; none before the first.
    pub last_attempt_at: Option<Timestamp>,
    /// What the last attempt ended with.
    pub last_result: Option<DeliveryResult>,
    /// Time of the first of the failures in a row.
    pub failing_since: Option<Timestamp>,
}

/// How a target does, by its last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetState {
    /// Nothing was tried yet.
    Untried,
    /// It took the delivery.
    Healthy,
    /// It did not.
    Failing,
    /// It wants no more (410): each delivery is given up after one attempt, until it takes one.
    Gone,
}

impl TargetHealth {
    /// Most deliveries of one target that wait: a dead one must not fill the state.
    pub const MAX_WAITING: u64 = 10_000;

    /// Before the first delivery.
    pub fn new(namespace: &NamespacePath, target: &TargetName) -> Self {
        Self {
            namespace: namespace.clone(),
            target: target.clone(),
            waiting: 0,
            delivered: 0,
            dead: 0,
            failures_in_a_row: 0,
            last_attempt_at: None,
            last_result: None,
            failing_since: None,
        }
    }

    /// How the target does.
    pub const fn state(&self) -> TargetState {
        match self.last_result {
            None => TargetState::Untried,
            Some(DeliveryResult::Delivered { .. }) => TargetState::Healthy,
            Some(DeliveryResult::Refused { status: 410, .. }) => TargetState::Gone,
            Some(DeliveryResult::Refused { .. } | DeliveryResult::Failed { .. }) => TargetState::Failing,
        }
    }

    /// Counts one more delivery. True if it has a place among those that wait; it is given up at once otherwise.
    #[must_use]
    pub fn take_place(&mut self) -> bool {
        let has_place = self.waiting < Self::MAX_WAITING;
        if has_place {
            self.waiting += 1;
        } else {
            self.dead += 1;
        }
        has_place
    }

    /// Counts the attempt that ended with `result` at `at` and left `delivery` as it is.
    pub fn attempted(&mut self, delivery: &Delivery, result: DeliveryResult, at: Timestamp) {
        match delivery.state {
            DeliveryState::Pending => {}
            DeliveryState::Delivered => self.delivered += 1,
            DeliveryState::Dead => self.dead += 1,
        }
        if delivery.state.is_final() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if delivery.state == DeliveryState::Delivered {
            self.failures_in_a_row = 0;
            self.failing_since = None;
        } else {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            self.failing_since.get_or_insert(at);
        }
        self.last_attempt_at = Some(at);
        self.last_result = Some(result);
    }
}
