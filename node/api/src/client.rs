//! A typed client for nodes: tries its endpoints in turn and says what is known about a failed call.

mod audit;
mod cluster;
mod courier;
mod events;
mod govern;
mod keys;
mod public;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod transport;
mod watch;
mod workflow;
mod write;

use confman_core::outcome::Rejection;

use crate::problem::Problem;

pub use audit::{AuditExport, AuditOrder, AuditQuery};
pub use courier::{CourierClient, CourierOptions};
pub use public::{Client, ClientOptions, Credential, Governed};
pub use read::{KeyFilter, ReadValue, Represented, RequestFilter, Waited, WaitedChange};
pub use watch::{Watch, WatchOptions, Watched};
pub use write::{NewValue, RolledBack};

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The state machine said no; nothing changed. Repeating gives the same answer until something else changes.
    #[error("refused: {0}")]
    Refused(Rejection, Box<Problem>),
    /// The node answered another problem; nothing changed.
    #[error("the node answered {} {}: {}", .0.status, .0.title, .0.detail)]
    Problem(Box<Problem>),
    /// No endpoint could be reached, or none answered a read; nothing changed.
    #[error("no node can be reached: {0}")]
    Unreachable(String),
    /// A write was sent and no answer came: it may or may not have happened. Repeat it with the same id.
    #[error("the outcome is not known: {0}")]
    OutcomeUnknown(String),
}

impl ClientError {
    /// The problem, where a node answered one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(_, problem) | Self::Problem(problem) => Some(problem),
            Self::Unreachable(_) | Self::OutcomeUnknown(_) => None,
        }
    }

    /// True when the node answered 404.
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 404)
    }

    /// True when the same call may succeed later without anything else changing: no leader, busy, unreachable, unknown.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(..) => false,
            Self::Problem(problem) => matches!(problem.status, 408 | 429 | 500 | 502 | 503 | 504 | 507),
            Self::Unreachable(_) | Self::OutcomeUnknown(_) => true,
        }
    }
}

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No endpoint, or one that is no URL.
    #[error("endpoint {0:?} is not a URL like https://host:port")]
    BadEndpoint(String),
    /// A certificate or key is not valid PEM of the right kind.
    #[error("cannot read the {what}: {detail}")]
    BadPem {
        /// Which input.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The certificate and key were refused by the TLS library.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused the settings.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
