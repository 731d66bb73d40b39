//! One sample of every command.

use confman_core::cluster::RecoveryCause;
use confman_core::digest::Digest;
use confman_core::proposal::{
    AddStampKey, AuthenticatedReview, Checkpoint, Command, CompareReplicas, DeclareNamespace, DeleteDraft, DeleteEntry,
    DeleteNamespace, DescribeEntry, IssueApiKey, NoteRotation, OpenRequest, Precondition, PutDraft, PutNamespace,
    PutSchema, RecordDelivery, RecoverCluster, RegisterStampKey, ReleaseNamespace, Review, ReviewRequest, RevokeApiKey,
    RollBackEntry, SetIdentity, SubmitRequest, WithdrawCause, WithdrawRequest,
};
use confman_core::publish_request::Decision;
use confman_core::stamp::{GovernanceStatement, RequesterStatement, StampKeyStatement};
use confman_core::webhook::DeliveryResult;

use super::{
    actor, api_key, claim, cluster_id, digest, identity, initialise, key, meta, path, put, request_id, review,
    review_request, settings, signed, spec, stamp_key, stamped_user, text_value, time, verdict,
};

/// A file name and a sample of every command.
pub(crate) fn commands() -> Vec<(&'static str, Command)> {
    let withdraw = |cause| {
        Command::WithdrawRequest(WithdrawRequest {
            request_id: request_id("request-1"),
            cause,
        })
    };
    let mut conditional_put = put("/teams/payments", "MAX_RETRIES", "five");
    if let Command::PutEntry(put) = &mut conditional_put {
        put.expected = Precondition::Digest(digest(4));
        put.verdict = Some(verdict());
    }
    let mut commands = vec![
        ("initialise-cluster", initialise(true)),
        (
            "register-stamp-key",
            Command::RegisterStampKey(RegisterStampKey {
                key: signed(StampKeyStatement {
                    cluster_id: cluster_id(),
                    key: stamp_key(),
                }),
            }),
        ),
        ("declare-namespace", Command::DeclareNamespace(declare_namespace())),
        (
            "release-namespace",
            Command::ReleaseNamespace(ReleaseNamespace {
                path: path("/teams/payments"),
                claim: claim(),
            }),
        ),
        ("submit-request", Command::SubmitRequest(submit_request())),
        (
            "approve-request",
            Command::ApproveRequest(review_request(Decision::Approve)),
        ),
        (
            "reject-request",
            Command::RejectRequest(review_request(Decision::Reject)),
        ),
        (
            "withdraw-by-requester",
            withdraw(WithdrawCause::ByRequester(Box::new(review(Decision::Withdraw)))),
        ),
        ("withdraw-object-deleted", withdraw(WithdrawCause::ObjectDeleted)),
        ("put-entry", conditional_put),
    ];
    commands.extend(key_commands());
    commands.extend(governing_commands());
    commands.extend(own_commands());
    commands
}

fn declare_namespace() -> DeclareNamespace {
    DeclareNamespace {
        claim: claim(),
        path: path("/teams/payments"),
        settings: settings(),
        governance: signed(GovernanceStatement {
            cluster_id: cluster_id(),
            kubernetes_namespace: "team-payments".to_owned(),
            name: "payments".to_owned(),
            path: path("/teams/payments"),
            governance_digest: digest(8),
            previous: Some(digest(1)),
            user: stamped_user("ada"),
            time: time(8),
        }),
    }
}

fn submit_request() -> SubmitRequest {
    SubmitRequest {
        request_id: request_id("request-1"),
        spec: spec(),
        requester: signed(RequesterStatement {
            cluster_id: cluster_id(),
            kubernetes_namespace: "team-payments".to_owned(),
            name: "raise-retries".to_owned(),
            spec_digest: digest(2),
            user: stamped_user("ada"),
            nonce: "0123456789abcdef0123456789abcdef".to_owned(),
            time: time(9),
        }),
        verdict: Some(verdict()),
    }
}

/// A file name and a sample of every command about a key and its requests that comes over HTTP.
fn key_commands() -> Vec<(&'static str, Command)> {
    let (namespace, at) = (path("/teams/payments"), key("MAX_RETRIES"));
    let expected = Precondition::Digest(digest(4));
    let authenticated = AuthenticatedReview {
        actor: actor(),
        digest: digest(3),
        comment: Some("looks right".to_owned()),
    };
    vec![
        (
            "delete-entry",
            Command::DeleteEntry(DeleteEntry {
                actor: actor(),
                namespace: namespace.clone(),
                key: at.clone(),
                expected,
                verdict: Some(verdict()),
            }),
        ),
        (
            "put-draft",
            Command::PutDraft(PutDraft {
                actor: actor(),
                namespace: namespace.clone(),
                key: at.clone(),
                value: text_value("five"),
                expected,
                verdict: None,
            }),
        ),
        (
            "delete-draft",
            Command::DeleteDraft(DeleteDraft {
                actor: actor(),
                namespace: namespace.clone(),
                key: at.clone(),
                expected: Precondition::Present,
            }),
        ),
        (
            "open-request",
            Command::OpenRequest(OpenRequest {
                actor: actor(),
                namespace: namespace.clone(),
                spec: spec(),
                resubmits: Some(request_id("pr-3")),
                verdict: Some(verdict()),
            }),
        ),
        (
            "publish-approved",
            Command::PublishApproved(ReviewRequest {
                request_id: request_id("request-1"),
                review: Review::Authenticated(authenticated.clone()),
                verdict: None,
            }),
        ),
        (
            "withdraw-by-actor",
            Command::WithdrawRequest(WithdrawRequest {
                request_id: request_id("request-1"),
                cause: WithdrawCause::ByActor(authenticated),
            }),
        ),
        (
            "roll-back-entry",
            Command::RollBackEntry(RollBackEntry {
                actor: actor(),
                namespace: namespace.clone(),
                key: at.clone(),
                to_version: 3,
                comment: Some("back".to_owned()),
                verdict: None,
            }),
        ),
    ]
}

/// A file name and a sample of every command about namespaces, schemas, logins and bookkeeping.
fn governing_commands() -> Vec<(&'static str, Command)> {
    let (namespace, at) = (path("/teams/payments"), key("MAX_RETRIES"));
    vec![
        (
            "put-namespace",
            Command::PutNamespace(PutNamespace {
                actor: actor(),
                path: namespace.clone(),
                settings: settings(),
                expected_revision: Some(12),
            }),
        ),
        (
            "delete-namespace",
            Command::DeleteNamespace(DeleteNamespace {
                actor: actor(),
                path: namespace.clone(),
                expected_revision: None,
            }),
        ),
        (
            "describe-entry",
            Command::DescribeEntry(DescribeEntry {
                actor: actor(),
                namespace: namespace.clone(),
                key: at,
                meta: meta(),
            }),
        ),
        (
            "put-schema",
            Command::PutSchema(PutSchema {
                actor: actor(),
                path: namespace,
                text: "{}".to_owned(),
                expected_revision: Some(0),
            }),
        ),
        (
            "set-identity",
            Command::SetIdentity(SetIdentity {
                actor: actor(),
                identity: identity(),
            }),
        ),
        (
            "add-stamp-key",
            Command::AddStampKey(AddStampKey {
                actor: actor(),
                key: stamp_key(),
            }),
        ),
        (
            "issue-api-key",
            Command::IssueApiKey(IssueApiKey {
                actor: actor(),
                key: api_key(),
            }),
        ),
        (
            "revoke-api-key",
            Command::RevokeApiKey(RevokeApiKey {
                actor: actor(),
                name: "reader".to_owned(),
            }),
        ),
    ]
}

/// What nodes write by themselves, or what nobody runs as a command.
fn own_commands() -> Vec<(&'static str, Command)> {
    vec![
        (
            "record-delivery",
            Command::RecordDelivery(RecordDelivery {
                delivery_id: "msg_evt_7_0_2_ops".to_owned(),
                attempt: 1,
                result: DeliveryResult::Refused {
                    status: 503,
                    retry_after_s: Some(30),
                },
                jitter_permille: 250,
            }),
        ),
        (
            "note-rotation",
            Command::NoteRotation(NoteRotation {
                namespace: path("/teams/payments"),
                key: key("MAX_RETRIES"),
                version: 5,
            }),
        ),
        (
            "recover-cluster",
            Command::RecoverCluster(RecoverCluster {
                cluster_id: cluster_id(),
                kept_index: 70,
                cause: RecoveryCause::Volume,
            }),
        ),
        (
            "compare-replicas",
            Command::CompareReplicas(CompareReplicas {
                agreed: Some(Checkpoint {
                    index: 70,
                    hash: Digest::of(b"checkpoint"),
                    version: "1.2.2".to_owned(),
                }),
            }),
        ),
    ]
}
