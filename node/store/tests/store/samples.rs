//! One sample of everything that has a place on disk or on the wire, with every field set.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::audit::{AuditAction, AuditActor, AuditChange, AuditEvent, AuditResource, AuditWorkflow};
use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ClusterId, ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{Claim, ConfigNamespace, Governance, NamespaceSettings, Workflow};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{
    Command, DeclareNamespace, InitialiseCluster, Proposal, PutEntry, RegisterStampKey, ReleaseNamespace,
    ReviewRequest, SubmitRequest, WithdrawCause, WithdrawRequest,
};
use confman_core::publish_request::{Decision, Operation, PublishRequest, RequestSpec, RequestState, Step, StepKind};
use confman_core::stamp::{
    GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement, StampedUser,
};
use confman_core::value::ConfigValue;

pub(crate) fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("a path")
}

pub(crate) fn key(text: &str) -> ConfigKey {
    ConfigKey::parse(text).expect("a key")
}

pub(crate) fn request_id(text: &str) -> RequestId {
    RequestId::parse(text).expect("an id")
}

pub(crate) fn cluster_id() -> ClusterId {
    ClusterId::parse("6f1f3c3e-cluster").expect("an id")
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

pub(crate) fn text_value(text: &str) -> ConfigValue {
    ConfigValue::from_text(text).expect("a value")
}

pub(crate) fn position(index: u64) -> LogPosition {
    LogPosition { term: 3, index }
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn stamped_user(name: &str) -> StampedUser {
    StampedUser {
        username: name.to_owned(),
        uid: Some("uid-1".to_owned()),
        groups: vec!["payments".to_owned(), "staff".to_owned()],
    }
}

pub(crate) fn stamp_key() -> StampKey {
    StampKey {
        key_id: "key-1".to_owned(),
        public_key: vec![7; 32],
        not_after: time(86_400),
    }
}

fn signed<S>(statement: S) -> Signed<S> {
    Signed {
        statement,
        key_id: "key-1".to_owned(),
        signature: vec![9; 64],
    }
}

fn claim() -> Claim {
    Claim {
        kubernetes_namespace: "team-payments".to_owned(),
        name: "payments".to_owned(),
        uid: "uid-2".to_owned(),
    }
}

fn settings() -> NamespaceSettings {
    let viewers = BTreeSet::from([Principal::group("staff"), Principal::api_key("reader")]);
    NamespaceSettings {
        display_name: Some("Payments".to_owned()),
        description: Some("What the payment services read".to_owned()),
        governance: Governance {
            owner: Some("payments@example.com".to_owned()),
            inherit: true,
            roles: BTreeMap::from([
                (Role::Viewer, viewers),
                (Role::Admin, BTreeSet::from([Principal::user("ada")])),
            ]),
            workflow: Some(Workflow {
                require_approval: true,
                min_approvers: 2,
            }),
        },
    }
}

pub(crate) fn namespace(at: &str) -> ConfigNamespace {
    ConfigNamespace {
        path: path(at),
        claim: Some(claim()),
        settings: settings(),
        governance_stamp: Some(digest(1)),
        created_at: time(1),
        created_by: Principal::user("ada"),
        updated_at: time(2),
        updated_by: Principal::from_kubernetes_username("system:serviceaccount:apps:web"),
        revision: 12,
    }
}

fn spec() -> RequestSpec {
    RequestSpec {
        namespace_ref: "payments".to_owned(),
        key: key("MAX_RETRIES"),
        operation: Operation::Put,
        value: Some(ConfigValue::from_json_text("5").expect("a number")),
        expected_version: Some(4),
        reason: Some("more patience".to_owned()),
        on_behalf_of: BTreeSet::from(["carol".to_owned()]),
    }
}

pub(crate) fn version(namespace: &str, name: &str, number: u64, value: &str) -> Version {
    let value = text_value(value);
    Version {
        namespace: path(namespace),
        key: key(name),
        number,
        digest: Some(value.digest()),
        value: Some(value),
        published_at: time(3),
        published_by: Principal::user("bob"),
        request_id: Some(request_id("request-1")),
        approvers: vec![Principal::user("bob"), Principal::user("carol")],
        position: position(20 + number),
    }
}

pub(crate) fn request(id: &str, state: RequestState, submitted: u64) -> PublishRequest {
    let step = |kind, actor: &str, index| Step {
        kind,
        actor: Principal::user(actor),
        groups: BTreeSet::new(),
        at: time(4),
        position: position(index),
        comment: Some("looks right".to_owned()),
    };
    PublishRequest {
        id: request_id(id),
        kubernetes_namespace: "team-payments".to_owned(),
        name: "raise-retries".to_owned(),
        namespace: path("/teams/payments"),
        spec: spec(),
        spec_digest: digest(2),
        digest: digest(3),
        base_version: 4,
        requested_by_username: "ada".to_owned(),
        requested_by: Principal::user("ada"),
        required_approvals: 2,
        state,
        steps: vec![
            step(StepKind::Submitted, "ada", submitted),
            step(StepKind::Approved, "bob", submitted + 1),
        ],
        published_version: Some(5),
    }
}

pub(crate) fn audit_event(namespace: &str, index: u64, seq: u32) -> AuditEvent {
    AuditEvent {
        id: format!("evt_{index}_{seq}"),
        position: position(index),
        seq,
        time: time(5),
        action: AuditAction::ConfigPublished,
        actor: AuditActor {
            principal: Principal::user("bob"),
            groups: [Principal::group("payments"), Principal::group("leads")].into(),
            stamp_key_id: Some("key-1".to_owned()),
            ip: Some("192.0.2.7".to_owned()),
        },
        resource: AuditResource {
            namespace: path(namespace),
            key: Some(key("MAX_RETRIES")),
        },
        change: Some(AuditChange {
            previous_version: Some(4),
            new_version: Some(5),
            previous_digest: Some(digest(4)),
            new_digest: Some(digest(5)),
        }),
        workflow: Some(AuditWorkflow {
            request_id: request_id("request-1"),
            state: RequestState::Published,
            digest: digest(3),
        }),
        comment: Some("more patience".to_owned()),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        previous_hash: digest(6),
        hash: digest(7),
    }
}

fn review(decision: Decision) -> Signed<ReviewStatement> {
    signed(ReviewStatement {
        cluster_id: cluster_id(),
        object_uid: "request-1".to_owned(),
        requester: "ada".to_owned(),
        digest: digest(3),
        user: stamped_user("bob"),
        decision,
        comment: Some("looks right".to_owned()),
        time: time(6),
    })
}

fn review_request(decision: Decision) -> ReviewRequest {
    ReviewRequest {
        request_id: request_id("request-1"),
        review: review(decision),
    }
}

pub(crate) fn proposal(command: Command) -> Proposal {
    Proposal {
        proposed_at: time(7),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        command,
    }
}

pub(crate) fn put(namespace: &str, name: &str, value: &str) -> Command {
    Command::PutEntry(PutEntry {
        actor: Actor {
            principal: Principal::user("ada"),
            groups: BTreeSet::from([Principal::group("staff")]),
            ip: Some("192.0.2.7".to_owned()),
        },
        namespace: path(namespace),
        key: key(name),
        value: text_value(value),
        expected_digest: None,
    })
}

pub(crate) fn initialise(require_approval: bool) -> Command {
    Command::InitialiseCluster(InitialiseCluster {
        cluster_id: cluster_id(),
        kubernetes_namespace: "confman".to_owned(),
        name: "main".to_owned(),
        root_admins: vec![Principal::user("ada"), Principal::group("staff")],
        workflow: Workflow {
            require_approval,
            min_approvers: 1,
        },
        stamp_key: Some(stamp_key()),
    })
}

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
        put.expected_digest = Some(digest(4));
    }
    vec![
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
    ]
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
    }
}
