//! One delivery of one event to one target, and when it is tried again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{TargetName, WebhookEvent};
use crate::ids::{NamespacePath, Timestamp};

/// An outbox row: one event on its way to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// `msg_EVENT_DEPTH_TARGET`, where DEPTH is the number of segments of `namespace`: unique, and the same on every
    /// attempt, so that receivers can drop repeats. At most [`Delivery::MAX_ID_BYTES`].
    pub id: String,
    /// The namespace that configures the target; the event may be of one below it.
    pub namespace: NamespacePath,
    /// Name of the target in `namespace`.
    pub target: TargetName,
    /// Id of the event, which says what happened: that of an audit event, see [`crate::audit::AuditEvent::id_of`].
    pub event_id: String,
    /// Kind of the event.
    pub event: WebhookEvent,
    /// Proposal time of the event.
    pub created_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt is due; of no meaning once the state is final.
    pub next_attempt_at: Timestamp,
    /// What the last attempt ended with: a fixed text and a status, at most [`Delivery::MAX_RESULT_BYTES`], never
    /// anything that the target said.
    pub last_result: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// Waits for its next attempt.
    Pending,
    /// The target took it.
    Delivered,
    /// Given up.
    Dead,
}

impl DeliveryState {
    /// True once nothing more is tried.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending => false,
            Self::Delivered | Self::Dead => true,
        }
    }
}

/// What one attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum DeliveryResult {
    /// The target answered 2xx.
    Delivered {
        /// HTTP status.
        status: u16,
    },
    /// The target answered anything else; a redirect is not followed.
    Refused {
        /// HTTP status.
        status: u16,
        /// `Retry-After` in seconds, where it was given.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// There was no answer.
    Failed {
        /// Why.
        cause: FailureCause,
    },
}

/// Why an attempt had no answer. The text form is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureCause {
    /// The namespace has no such target any more.
    TargetRemoved,
    /// The secret file is missing, malformed or not for this namespace.
    SecretUnusable,
    /// The name of the host has no address.
    NameUnresolved,
    /// The host has an address that must not be connected to.
    AddressForbidden,
    /// No connection.
    ConnectFailed,
    /// TLS failed: most often the certificate is not trusted.
    TlsFailed,
    /// Too slow.
    TimedOut,
    /// The connection broke, or the answer was not HTTP.
    AnswerBroken,
}

impl FailureCause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::TargetRemoved,
        Self::SecretUnusable,
        Self::NameUnresolved,
        Self::AddressForbidden,
        Self::ConnectFailed,
        Self::TlsFailed,
        Self::TimedOut,
        Self::AnswerBroken,
    ];
}

impl fmt::Display for FailureCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TargetRemoved => "the target was removed",
            Self::SecretUnusable => "the secret file cannot be used for this namespace",
            Self::NameUnresolved => "the name of the host has no address",
            Self::AddressForbidden => "the host has an address that is not connected to",
            Self::ConnectFailed => "no connection",
            Self::TlsFailed => "tls failed, is the certificate trusted?",
            Self::TimedOut => "no answer in time",
            Self::AnswerBroken => "the answer broke off or was not http",
        })
    }
}

impl fmt::Display for DeliveryResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { status } | Self::Refused { status, .. } => write!(formatter, "answered {status}"),
            Self::Failed { cause } => cause.fmt(formatter),
        }
    }
}

impl Delivery {
    /// Longest id in bytes.
    pub const MAX_ID_BYTES: usize = 160;
    /// Longest last result in bytes.
    pub const MAX_RESULT_BYTES: usize = 256;
    /// Pauses after the first, second, … failed attempt in seconds: about three days in all, as Standard Webhooks 1.0
    /// recommends. The attempt after the last pause is the last.
    pub const PAUSES_S: [u32; 9] = [
        5,
        5 * 60,
        30 * 60,
        2 * 3600,
        5 * 3600,
        10 * 3600,
        14 * 3600,
        20 * 3600,
        24 * 3600,
    ];
    /// Most attempts.
    pub const MAX_ATTEMPTS: u32 = 10;
    /// Longest pause that a target may ask for by `Retry-After`, in seconds.
    pub const MAX_RETRY_AFTER_S: u32 = 24 * 3600;
    /// How much jitter may lengthen a pause: a quarter of it.
    pub const JITTER_SHARE: i64 = 4;

    pub(super) fn due(
        namespace: &NamespacePath,
        target: &TargetName,
        (event, event_id): (WebhookEvent, &str),
        at: Timestamp,
    ) -> Self {
        let depth = namespace.segments().count();
        Self {
            id: format!("msg_{event_id}_{depth}_{target}"),
            namespace: namespace.clone(),
            target: target.clone(),
            event_id: event_id.to_owned(),
            event,
            created_at: at,
            attempts: 0,
            next_attempt_at: at,
            last_result: None,
            state: DeliveryState::Pending,
        }
    }

    /// The delivery after one more attempt that ended at `at`; one that is final stays as it is.
    ///
    /// `jitter_permille` (0 to 1000, more counts as 1000) lengthens the pause by up to a quarter, so that targets that
    /// failed together are not tried together.
    #[must_use]
    pub fn after(self, result: DeliveryResult, at: Timestamp, jitter_permille: u16) -> Self {
        if self.state.is_final() {
            return self;
        }
        let attempts = self.attempts.saturating_add(1);
        let (state, pause_s) = match (verdict(result), Self::PAUSES_S.get(attempts as usize - 1)) {
            (Verdict::Done, _) => (DeliveryState::Delivered, 0),
            (Verdict::GiveUp, _) | (Verdict::TryAgain { .. }, None) => (DeliveryState::Dead, 0),
            (Verdict::TryAgain { not_before_s }, Some(pause_s)) => (DeliveryState::Pending, not_before_s.max(*pause_s)),
        };
        let wait_ms = i64::from(pause_s) * 1000;
        let jitter_ms = wait_ms * i64::from(jitter_permille.min(1000)) / 1000 / Self::JITTER_SHARE;
        Self {
            attempts,
            next_attempt_at: Timestamp::from_millis(at.as_millis() + wait_ms + jitter_ms),
            last_result: Some(result.to_string()),
            state,
            ..self
        }
    }
}

const _: () = assert!(Delivery::MAX_ATTEMPTS as usize == Delivery::PAUSES_S.len() + 1);

enum Verdict {
    Done,
    TryAgain { not_before_s: u32 },
    GiveUp,
}

fn verdict(result: DeliveryResult) -> Verdict {
    match result {
        DeliveryResult::Delivered { .. } => Verdict::Done,
        DeliveryResult::Refused { status: 410, .. } => Verdict::GiveUp,
        DeliveryResult::Refused {
            status: 429 | 503,
            retry_after_s,
        } => Verdict::TryAgain {
            not_before_s: retry_after_s.unwrap_or(0).min(Delivery::MAX_RETRY_AFTER_S),
        },
        DeliveryResult::Refused { .. } => Verdict::TryAgain { not_before_s: 0 },
        DeliveryResult::Failed { cause } => match cause {
            FailureCause::TargetRemoved => Verdict::GiveUp,
            FailureCause::SecretUnusable
            | FailureCause::NameUnresolved
            | FailureCause::AddressForbidden
            | FailureCause::ConnectFailed
            | FailureCause::TlsFailed
            | FailureCause::TimedOut
            | FailureCause::AnswerBroken => Verdict::TryAgain { not_before_s: 0 },
        },
    }
}
