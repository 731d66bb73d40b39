//! What came of webhooks, what of them waits, and what is due for rotation.

use confman_core::webhook::{DeliveryResult, FailureCause};

use super::register::{Counters, Level, Register, set};

pub(super) struct WebhookMetrics {
    attempts: Counters<1>,
    pending_deliveries: Level,
    failing_targets: Level,
    rotation_due: Level,
}

impl WebhookMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        let attempts = register.counters(
            "webhook_attempts",
            ["result"],
            "Attempts to deliver a webhook by result: delivered, refused-3xx, refused-4xx, refused-5xx, or a cause.",
        );
        attempts.expect(["delivered"]);
        Self {
            attempts,
            pending_deliveries: register.level(
                "webhook_pending_deliveries",
                "On the leader: deliveries in the outbox. 0 elsewhere.",
            ),
            failing_targets: register.level(
                "webhook_failing_targets",
                "On the leader: webhook targets whose last attempt failed. 0 elsewhere.",
            ),
            rotation_due: register.level(
                "rotation_due_keys",
                "Live values that are older than their schemas allow, by the last hourly look.",
            ),
        }
    }

    pub(super) fn attempt(&self, result: DeliveryResult) {
        self.attempts.count([attempt_result(result)]);
    }

    pub(super) fn outbox(&self, pending: u64, failing: usize) {
        set(&self.pending_deliveries, pending);
        set(&self.failing_targets, failing as u64);
    }

    pub(super) fn rotation_due(&self, keys: usize) {
        set(&self.rotation_due, keys as u64);
    }
}

fn attempt_result(result: DeliveryResult) -> &'static str {
    match result {
        DeliveryResult::Delivered { .. } => "delivered",
        DeliveryResult::Refused { status: 300..=399, .. } => "refused-3xx",
        DeliveryResult::Refused { status: 400..=499, .. } => "refused-4xx",
        DeliveryResult::Refused { .. } => "refused-5xx",
        DeliveryResult::Failed { cause } => match cause {
            FailureCause::TargetRemoved => "target-removed",
            FailureCause::SecretUnusable => "secret-unusable",
            FailureCause::NameUnresolved => "name-unresolved",
            FailureCause::AddressForbidden => "address-forbidden",
            FailureCause::ConnectFailed => "connect-failed",
            FailureCause::TlsFailed => "tls-failed",
            FailureCause::TimedOut => "timed-out",
            FailureCause::AnswerBroken => "answer-broken",
        },
    }
}
