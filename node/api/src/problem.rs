//! Problems: every answer that is no success, as RFC 9457 `application/problem+json` with a stable type.

use confman_core::outcome::Rejection;
use confman_core::schema::Violation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

const TYPE_PREFIX: &str = "https://confman.io/problems/";

macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal;)+) => {
        /// Stable type of a problem; its URI is `https://confman.io/problems/NAME`, its page `docs/problems/NAME.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemType {
            $($(#[$doc])* $variant,)+
        }

        impl ProblemType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Last segment of the URI.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The whole URI.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("https://confman.io/problems/", $name),)+ }
            }

            /// HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Title: the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

problem_types! {
    /// The path names no valid namespace, key or id.
    InvalidPath = "invalid-path", 400, "The path is not valid";
    /// The body is not what the route takes.
    InvalidBody = "invalid-body", 400, "The body is not valid";
    /// A query parameter or header is not valid.
    InvalidParameter = "invalid-parameter", 400, "A parameter is not valid";
    /// No credentials, or wrong ones.
    Unauthorized = "unauthorized", 401, "Credentials are missing or not valid";
    /// The caller may not do this.
    Forbidden = "forbidden", 403, "The caller may not do this";
    /// The requester cannot review their own change.
    SelfApproval = "self-approval", 403, "Nobody approves their own change";
    /// A stamp does not prove what it should.
    InvalidStamp = "invalid-stamp", 403, "The stamp is not valid";
    /// No such thing, or the caller may not know of it.
    NotFound = "not-found", 404, "Not found";
    /// The route exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "The route does not take this method";
    /// None of the accepted media types can be produced.
    NotAcceptable = "not-acceptable", 406, "No acceptable representation";
    /// The request did not arrive in time.
    RequestTimeout = "request-timeout", 408, "The request did not arrive in time";
    /// The state does not allow it.
    Conflict = "conflict", 409, "The state does not allow this";
    /// Direct writes are off here; submit a publish request.
    ApprovalRequired = "approval-required", 409, "Approval is required";
    /// The reviewed content is not the requested one.
    DigestMismatch = "digest-mismatch", 409, "The review is of other content";
    /// An object in Kubernetes declares it; change it there.
    ManagedByKubernetes = "managed-by-kubernetes", 409, "Kubernetes manages this";
    /// The live version moved since the request was made.
    Superseded = "superseded", 409, "The request was superseded";
    /// `If-Match` did not hold.
    PreconditionFailed = "precondition-failed", 412, "The precondition does not hold";
    /// Larger than a limit.
    TooLarge = "too-large", 413, "A limit on size was exceeded";
    /// The body's media type is not taken.
    UnsupportedMediaType = "unsupported-media-type", 415, "The media type is not supported";
    /// The `Idempotency-Key` named another write before.
    IdempotencyKeyReused = "idempotency-key-reused", 409, "The idempotency key was used for something else";
    /// Understood, but against the rules for content.
    ValidationFailed = "validation-failed", 422, "The content breaks a rule";
    /// The caller does too much at once, or too often.
    RateLimited = "rate-limited", 429, "Too much at once";
    /// The request's header is too large.
    HeaderTooLarge = "header-too-large", 431, "The header is too large";
    /// A fault of the node.
    Internal = "internal", 500, "The node failed";
    /// The keys of the token's issuer cannot be fetched now; the token may be good.
    IssuerUnavailable = "issuer-unavailable", 503, "The issuer of the token cannot be reached";
    /// No leader within the time a request may wait; nothing was written.
    NoLeader = "no-leader", 503, "The cluster has no leader";
    /// The cluster is not bootstrapped.
    NotInitialised = "not-initialised", 503, "The cluster is not initialised";
    /// Too many requests at once; nothing was written.
    Overloaded = "overloaded", 503, "The node is busy";
    /// What this node has is older than the read allows.
    TooStale = "too-stale", 503, "The state of this node is too old";
    /// The fate of a write is unknown; ask or repeat with the same id.
    OutcomeUnknown = "outcome-unknown", 504, "The outcome is not known";
    /// The volume is (almost) full; nothing was written.
    StorageFull = "storage-full", 507, "The storage is full";
}

impl ProblemType {
    /// The type with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(TYPE_PREFIX)?;
        Self::ALL.iter().copied().find(|candidate| candidate.name() == name)
    }

    /// The type that a refusal of the state machine is answered with.
    pub const fn of(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::ClusterNotInitialised => Self::NotInitialised,
            Rejection::InvalidField { .. } => Self::InvalidBody,
            Rejection::InvalidStamp { .. }
            | Rejection::UnknownStampKey { .. }
            | Rejection::StampKeyExpired { .. }
            | Rejection::StampReplayed
            | Rejection::WrongDecision { .. } => Self::InvalidStamp,
            Rejection::ClusterAlreadyInitialised { .. }
            | Rejection::StaleGovernanceStamp
            | Rejection::PathClaimed { .. }
            | Rejection::NameTaken { .. }
            | Rejection::RequestIdReused { .. }
            | Rejection::RequestNotPending { .. }
            | Rejection::AlreadyReviewed { .. }
            | Rejection::NamespaceNotEmpty { .. }
            | Rejection::FinalKey { .. }
            | Rejection::VerdictOutdated
            | Rejection::NotEnoughApprovals { .. }
            | Rejection::ApiKeyNameTaken { .. }
            | Rejection::VersionMismatch { .. } => Self::Conflict,
            Rejection::LooseningNeedsApproval { .. } | Rejection::ApprovalRequired { .. } => Self::ApprovalRequired,
            Rejection::BelowFloor { .. }
            | Rejection::ValidationFailed { .. }
            | Rejection::PlainSecretInObject { .. }
            | Rejection::NotSealed { .. } => Self::ValidationFailed,
            Rejection::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Rejection::NotDelegated { .. }
            | Rejection::Forbidden { .. }
            | Rejection::NotHuman { .. }
            | Rejection::NotRequester { .. }
            | Rejection::UnmappedIdentity { .. }
            | Rejection::ChannelClosed { .. }
            | Rejection::KeyNotAccepted { .. } => Self::Forbidden,
            Rejection::ManagedByKubernetes { .. } => Self::ManagedByKubernetes,
            Rejection::NamespaceNotFound { .. }
            | Rejection::DraftNotFound { .. }
            | Rejection::KeyNotFound { .. }
            | Rejection::VersionNotFound { .. }
            | Rejection::SchemaNotFound { .. }
            | Rejection::ApiKeyNotFound { .. }
            | Rejection::RequestNotFound { .. } => Self::NotFound,
            Rejection::SelfApproval { .. } => Self::SelfApproval,
            Rejection::DigestMismatch { .. } => Self::DigestMismatch,
            Rejection::PreconditionFailed | Rejection::RevisionMismatch { .. } => Self::PreconditionFailed,
        }
    }
}

/// One problem. Members beyond RFC 9457 are documented at their fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Stable URI; see [`ProblemType`].
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The same for every occurrence of the type.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// Path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// W3C trace id of the request, to be found in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Field, parameter, header or path part that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The limit that was exceeded, or the shape that is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// What the content breaks, each with its JSON pointer and keyword.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub violations: Vec<Violation>,
    /// Seconds after which another try makes sense; also the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The state machine's refusal, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub rejection: Option<Box<Rejection>>,
}

impl Problem {
    /// A problem of this type.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            type_uri: kind.uri().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            instance: None,
            trace_id: None,
            field: None,
            limit: None,
            violations: Vec::new(),
            retry_after: None,
            rejection: None,
        }
    }

    /// The answer to a refused command.
    pub fn from_rejection(rejection: Rejection) -> Self {
        let mut problem = Self::new(ProblemType::of(&rejection), rejection.to_string());
        if let Rejection::InvalidField { field, .. } | Rejection::BelowFloor { field, .. } = &rejection {
            problem.field = Some(field.clone());
        }
        if let Rejection::ValidationFailed { violations } = &rejection {
            problem.violations.clone_from(violations);
        }
        problem.rejection = Some(Box::new(rejection));
        problem
    }

    /// Names what is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the limit or shape.
    #[must_use]
    pub fn limit(mut self, limit: impl Into<String>) -> Self {
        self.limit = Some(limit.into());
        self
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Its type; none for a type that this version does not know.
    pub fn kind(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.type_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_uri() {
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::from_uri(kind.uri()), Some(*kind));
            assert!(
                (400..600).contains(&kind.status()),
                "{} has an error status",
                kind.name()
            );
        }
    }

    /// Where the URIs lead to.
    #[test]
    fn every_type_has_a_page_that_names_its_status_title_and_uri() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
        let index = std::fs::read_to_string(folder.join("README.md")).expect("docs/problems has an index");
        for kind in ProblemType::ALL {
            let (name, status) = (kind.name(), kind.status());
            let page = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap_or_default();
            let lines: Vec<_> = page.lines().collect();
            let described = format!("{}. Type: `{}`", kind.title(), kind.uri());
            assert_eq!(
                lines.get(..3),
                Some([format!("# `{name}` ({status})").as_str(), "", &described].as_slice()),
                "docs/problems/{name}.md"
            );
            for heading in ["## What happened", "## Typical causes", "## What to do"] {
                assert!(lines.contains(&heading), "docs/problems/{name}.md has no {heading:?}");
            }
            let row = format!("| {status} | [`{name}`]({name}.md): ");
            assert!(index.contains(&row), "docs/problems/README.md has no row {row:?}");
        }
    }

    #[test]
    fn a_rejection_survives_the_wire() {
        let rejection = Rejection::InvalidField {
            field: "spec.reason".to_owned(),
            detail: "3000 bytes, the limit is 2048".to_owned(),
        };
        let problem = Problem::from_rejection(rejection);
        let text = serde_json::to_string(&problem).expect("a problem serialises");
        let back: Problem = serde_json::from_str(&text).expect("and parses");
        assert_eq!(back, problem);
        assert_eq!(back.field.as_deref(), Some("spec.reason"));
        assert_eq!(back.kind(), Some(ProblemType::InvalidBody));
    }
}
