//! Webhook targets of a namespace, and which of them an event is delivered to.

mod delivery;
mod health;
mod url;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{NamespacePath, Timestamp, text_conversions};

pub use delivery::{Delivery, DeliveryResult, DeliveryState, FailureCause};
pub use health::{TargetHealth, TargetState};
pub use url::{WebhookHost, WebhookUrl};

/// Why a webhook target was refused; names the limit that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// More targets than [`WebhookTarget::MAX_PER_NAMESPACE`].
    #[error("{actual} webhook targets, the limit is {limit}")]
    TooMany {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Two targets of one namespace with one name.
    #[error("two webhook targets are named {name}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A name of the wrong shape.
    #[error("{what} {given:?} must match {shape}")]
    Shape {
        /// What was parsed.
        what: &'static str,
        /// The offending text, cut to 64 characters.
        given: String,
        /// The shape it must have, as a regular expression.
        shape: &'static str,
    },
    /// A URL that is not sent to. The URL itself is not repeated: it may carry a credential.
    #[error("the webhook url is refused: {detail}")]
    Url {
        /// What is wrong with it.
        detail: &'static str,
    },
}

/// Where events of a namespace are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookTarget {
    /// Unique in its namespace.
    pub name: TargetName,
    /// Where to; `{secret}` in its path or query stands for the token in the secret file.
    pub url: WebhookUrl,
    /// How the payload is written.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Which events are sent; empty for all.
    #[serde(default)]
    pub events: BTreeSet<WebhookEvent>,
    /// Which file holds what payloads are signed with.
    pub secret: SecretSource,
    /// Whether events of the namespaces below are sent too.
    #[serde(default)]
    pub recursive: bool,
}

impl WebhookTarget {
    /// Most targets of one namespace.
    pub const MAX_PER_NAMESPACE: usize = 16;

    /// Checks what one target alone cannot know: how many there are, and that their names differ.
    ///
    /// # Errors
    /// [`WebhookError::TooMany`] and [`WebhookError::DuplicateName`].
    pub fn check_all(targets: &[Self]) -> Result<(), WebhookError> {
        if targets.len() > Self::MAX_PER_NAMESPACE {
            return Err(WebhookError::TooMany {
                actual: targets.len(),
                limit: Self::MAX_PER_NAMESPACE,
            });
        }
        let mut names = BTreeSet::new();
        match targets.iter().find(|target| !names.insert(&target.name)) {
            Some(target) => Err(WebhookError::DuplicateName {
                name: target.name.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// True if `event` is sent to this target.
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

/// How a payload is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WebhookFormat {
    /// Confman's own documented JSON.
    #[default]
    Generic,
    /// A message for an incoming webhook of Slack.
    Slack,
    /// An Adaptive Card for a workflow of Microsoft Teams.
    Teams,
}

/// What is told to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WebhookEvent {
    /// A publish request waits for review.
    Submitted,
    /// An approval was counted.
    Approved,
    /// A publish request was rejected.
    Rejected,
    /// A new value, or a deletion, went live.
    Published,
    /// An earlier value went live again.
    RolledBack,
    /// A live value is older than its schema allows.
    RotationDue,
}

impl WebhookEvent {
    /// Every event.
    pub const ALL: [Self; 6] = [
        Self::Submitted,
        Self::Approved,
        Self::Rejected,
        Self::Published,
        Self::RolledBack,
        Self::RotationDue,
    ];

    /// The `type` of a generic payload; stable.
    pub const fn payload_type(self) -> &'static str {
        match self {
            Self::Submitted => "confman.publish-request.submitted",
            Self::Approved => "confman.publish-request.approved",
            Self::Rejected => "confman.publish-request.rejected",
            Self::Published => "confman.config.published",
            Self::RolledBack => "confman.config.rolled-back",
            Self::RotationDue => "confman.config.rotation-due",
        }
    }
}

/// Name of a target: 1 to 63 of `[a-z0-9-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

impl TargetName {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=63).contains(&text.len()) && text.bytes().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(shape_error("webhook target name", text, "[a-z0-9-]{1,63}"))
        }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of a file in the folder of webhook secrets; the secret itself is never replicated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretSource(String);

impl SecretSource {
    /// Parses a file name: no separator, no leading dot, so it cannot leave its folder.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let edge = |byte: &u8| byte.is_ascii_alphanumeric();
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_name = (1..=63).contains(&text.len())
            && text.as_bytes().first().is_some_and(edge)
            && text.as_bytes().last().is_some_and(edge)
            && text.bytes().all(inner);
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            let shape = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?";
            Err(shape_error("webhook secret name", text, shape))
        }
    }

    /// The file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_conversions!(WebhookError: TargetName, SecretSource);

fn shape_error(what: &'static str, given: &str, shape: &'static str) -> WebhookError {
    WebhookError::Shape {
        what,
        given: given.chars().take(64).collect(),
        shape,
    }
}

/// The deliveries that `event` makes, all due at `at`.
///
/// `lineage` is the namespace of the event and then its existing ancestors, nearest first, each with its targets. An
/// ancestor's targets count where they are recursive. The caller ends the lineage after a namespace with
/// `inherit: false`: whoever lost their roles there is not told either.
pub fn deliveries_for<'a>(
    lineage: impl IntoIterator<Item = (&'a NamespacePath, &'a [WebhookTarget])>,
    event: WebhookEvent,
    event_id: &str,
    at: Timestamp,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (distance, (namespace, targets)) in lineage.into_iter().enumerate() {
        let wanted = targets
            .iter()
            .filter(|target| (distance == 0 || target.recursive) && target.wants(event));
        deliveries.extend(wanted.map(|target| Delivery::due(namespace, &target.name, (event, event_id), at)));
    }
    deliveries
}
