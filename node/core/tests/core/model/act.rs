//! What people do in the model.

use confman_core::digest::Digest;
use confman_core::principal::Actor;
use confman_core::proposal::{
    AuthenticatedReview, Command, OpenRequest, Precondition, PutDraft, Review, ReviewRequest, WithdrawCause,
    WithdrawRequest,
};
use confman_core::publish_request::RequestSpec;

use crate::builders::{key, path, request_id, spec, subject, value};

use super::heard::Heard;
use super::{LOGINS, id};

/// One command, as people give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    Draft {
        login: usize,
        value: u8,
    },
    Ask {
        login: usize,
        value: u8,
        by_draft: bool,
    },
    Approve {
        login: usize,
        request: usize,
        digest_of: usize,
    },
    Reject {
        login: usize,
        request: usize,
    },
    Withdraw {
        login: usize,
        request: usize,
    },
    Publish {
        login: usize,
        request: usize,
    },
}

impl Act {
    /// True of what can lead to a version.
    pub(super) fn may_publish(self) -> bool {
        match self {
            Self::Approve { .. } | Self::Publish { .. } => true,
            Self::Draft { .. } | Self::Ask { .. } | Self::Reject { .. } | Self::Withdraw { .. } => false,
        }
    }

    /// The command, by someone who knows what was heard.
    pub(super) fn command(self, heard: &Heard) -> Command {
        let digest_of = |request: usize| heard.asked.get(request).map_or(Digest::ZERO, |asked| asked.digest);
        let review = |login, digest| AuthenticatedReview {
            actor: actor(login),
            digest,
            comment: None,
        };
        let reviewing = |login, request: usize, digest| ReviewRequest {
            request_id: request_id(&id(request)),
            review: Review::Authenticated(review(login, digest)),
            verdict: None,
        };
        match self {
            Act::Draft { login, value: wanted } => Command::PutDraft(PutDraft {
                actor: actor(login),
                namespace: path("/payments"),
                key: key("rate"),
                value: value(&wanted.to_string()),
                expected: Precondition::Any,
                verdict: None,
            }),
            Act::Ask {
                login,
                value: wanted,
                by_draft,
            } => Command::OpenRequest(OpenRequest {
                actor: actor(login),
                namespace: path("/payments"),
                spec: RequestSpec {
                    value: (!by_draft).then(|| value(&wanted.to_string())),
                    draft: by_draft.then(|| value(&wanted.to_string()).digest()),
                    ..spec("/payments", "rate", "0")
                },
                resubmits: None,
                verdict: None,
            }),
            Act::Approve {
                login,
                request,
                digest_of: seen,
            } => Command::ApproveRequest(reviewing(login, request, digest_of(seen))),
            Act::Reject { login, request } => Command::RejectRequest(reviewing(login, request, digest_of(request))),
            Act::Publish { login, request } => Command::PublishApproved(reviewing(login, request, digest_of(request))),
            Act::Withdraw { login, request } => Command::WithdrawRequest(WithdrawRequest {
                request_id: request_id(&id(request)),
                cause: WithdrawCause::ByActor(review(login, digest_of(request))),
            }),
        }
    }
}

fn actor(login: usize) -> Actor {
    Actor::new(subject(LOGINS[login].0))
}
