//! One sample of everything that has a place on disk or on the wire, with every field set.

#[path = "commands.rs"]
pub(crate) mod commands;

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::api_key::{ApiKeyRecord, KeyScope};
use confman_core::audit::{AuditAction, AuditActor, AuditChange, AuditEvent, AuditResource, AuditWorkflow};
use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::entry::{Draft, EntryMeta, Version};
use confman_core::idempotency::{Idempotency, IdempotencyRecord};
use confman_core::identity::Identity;
use confman_core::ids::{ClusterId, ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{
    Channels, Claim, ConfigNamespace, Governance, HistoryRetention, NamespaceSettings, PublishMode, RollbackMode,
    SchemaBinding, SchemaReference, Workflow,
};
use confman_core::outcome::Outcome;
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, InitialiseCluster, Precondition, Proposal, PutEntry, Review, ReviewRequest};
use confman_core::publish_request::{
    Decision, GovernanceChange, Operation, PublishRequest, RequestObject, RequestSpec, RequestState, SettingsChange,
    Step, StepKind, Subject,
};
use confman_core::schema::KeyRules;
use confman_core::stamp::{ReviewStatement, Signed, StampedUser};
use confman_core::state::StoredSchema;
use confman_core::value::ConfigValue;
use confman_core::verdict::Verdict;
use confman_core::webhook::{
    Delivery, DeliveryState, SecretSource, TargetName, WebhookEvent, WebhookFormat, WebhookTarget, WebhookUrl,
};

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
        labels: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
        webhooks: vec![webhook()],
        governance: Governance {
            owner: Some("payments@example.com".to_owned()),
            inherit: true,
            schema: Some(SchemaBinding::Inline("{\"type\":\"object\"}".to_owned())),
            history_retention: Some(HistoryRetention { versions: 10, days: 90 }),
            roles: BTreeMap::from([
                (Role::Viewer, viewers),
                (Role::Admin, BTreeSet::from([Principal::user("ada")])),
            ]),
            workflow: Some(Workflow {
                require_approval: true,
                min_approvers: 2,
                publish: Some(PublishMode::Manual),
                rollback: Some(RollbackMode::Instant),
                channels: Some(Channels {
                    kubernetes: true,
                    http: false,
                }),
            }),
        },
    }
}

fn webhook() -> WebhookTarget {
    WebhookTarget {
        name: TargetName::parse("ops").expect("a name"),
        url: WebhookUrl::parse("https://hooks.example.com/ops").expect("a url"),
        format: WebhookFormat::Generic,
        events: BTreeSet::from([WebhookEvent::Published]),
        secret: SecretSource::parse("ops").expect("a name"),
        recursive: true,
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
        governance_request: Some(request_id("pr-11")),
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
        to_version: Some(3),
        draft: Some(digest(10)),
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
        is_sensitive: true,
        schema_revision: Some(12),
    }
}

pub(crate) fn request(id: &str, state: RequestState, submitted: u64) -> PublishRequest {
    let step = |kind, actor: &str, index| Step {
        kind,
        actor: Principal::user(actor),
        login: Some(Principal::user("other-login")),
        groups: BTreeSet::new(),
        at: time(4),
        position: position(index),
        comment: Some("looks right".to_owned()),
    };
    PublishRequest {
        id: request_id(id),
        object: Some(RequestObject {
            kubernetes_namespace: "team-payments".to_owned(),
            name: "raise-retries".to_owned(),
            requested_by_username: "ada".to_owned(),
        }),
        namespace: path("/teams/payments"),
        subject: Subject::Key(spec()),
        value: Some(text_value("five")),
        spec_digest: digest(2),
        digest: digest(3),
        base_version: 4,
        requested_by: Principal::user("ada"),
        contributors: BTreeSet::from([Principal::user("ada"), Principal::user("carol")]),
        required_approvals: 2,
        state,
        steps: vec![
            step(StepKind::Submitted, "ada", submitted),
            step(StepKind::Approved, "bob", submitted + 1),
        ],
        published_version: Some(5),
        resubmits: Some(request_id("request-0")),
        is_sensitive: true,
        waits_for_publisher: true,
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
            login: Some(Principal::parse("user:corp/bob").expect("a subject")),
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
            operation: None,
            base_version: None,
            to_version: None,
            required_approvals: None,
            contributors: BTreeSet::new(),
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
        review: Review::Stamped(Box::new(review(decision))),
        verdict: Some(verdict()),
    }
}

pub(crate) fn proposal(command: Command) -> Proposal {
    Proposal {
        proposed_at: time(7),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        idempotency: Some(Idempotency {
            key: digest(11),
            fingerprint: digest(12),
        }),
        command,
    }
}

pub(crate) fn put(namespace: &str, name: &str, value: &str) -> Command {
    Command::PutEntry(PutEntry {
        actor: actor(),
        namespace: path(namespace),
        key: key(name),
        value: text_value(value),
        expected: Precondition::Any,
        verdict: None,
    })
}

fn actor() -> Actor {
    Actor {
        principal: Principal::user("ada"),
        groups: BTreeSet::from([Principal::group("staff")]),
        ip: Some("192.0.2.7".to_owned()),
    }
}

fn verdict() -> Verdict {
    Verdict {
        namespaces: BTreeMap::from([(path("/teams"), 12)]),
        content_revision: Some(13),
        live_version: 4,
        rules: KeyRules {
            sensitive: true,
            ..KeyRules::default()
        },
        violations: Vec::new(),
    }
}

pub(crate) fn initialise(require_approval: bool) -> Command {
    Command::InitialiseCluster(InitialiseCluster {
        cluster_id: cluster_id(),
        kubernetes_namespace: "confman".to_owned(),
        name: "main".to_owned(),
        root_admins: vec![Principal::user("ada"), Principal::group("staff")],
        workflow: Workflow {
            require_approval,
            ..Workflow::REVIEWED
        },
        stamp_key: Some(stamp_key()),
        identity: identity(),
    })
}

pub(crate) fn identity() -> Identity {
    Identity {
        aliases: BTreeMap::from([(
            Principal::parse("user:corp/ada").expect("a subject"),
            Principal::user("ada"),
        )]),
        ..Identity::default()
    }
}

pub(crate) fn meta() -> EntryMeta {
    EntryMeta {
        description: Some("How often a payment is tried".to_owned()),
        tags: BTreeSet::from(["tuning".to_owned()]),
        is_final: true,
        pins: BTreeSet::from([2]),
    }
}

pub(crate) fn api_key() -> ApiKeyRecord {
    ApiKeyRecord {
        name: "reader".to_owned(),
        hash: digest(13),
        environment: "prod".to_owned(),
        scope: KeyScope {
            namespace: Some(path("/teams")),
            read_only: true,
        },
        created_by: Principal::user("ada"),
        created_at: time(10),
        expires_at: Some(time(11)),
        revoked_at: None,
    }
}

pub(crate) fn draft() -> Draft {
    Draft {
        namespace: path("/teams/payments"),
        key: key("MAX_RETRIES"),
        value: text_value("five"),
        author: Principal::user("ada"),
        contributors: BTreeSet::from([Principal::user("ada")]),
        updated_at: time(12),
        updated_by: Principal::user("ada"),
        revision: 30,
    }
}

pub(crate) fn schema() -> StoredSchema {
    StoredSchema {
        reference: SchemaReference {
            path: path("/teams/payments"),
            revision: 3,
        },
        text: "{}".to_owned(),
        stored_by: Principal::user("ada"),
        stored_at: time(13),
    }
}

pub(crate) fn delivery() -> Delivery {
    Delivery {
        id: "msg_evt_7_0_2_ops".to_owned(),
        namespace: path("/teams/payments"),
        target: TargetName::parse("ops").expect("a name"),
        event_id: "evt_7_0".to_owned(),
        event: WebhookEvent::Published,
        created_at: time(14),
        attempts: 1,
        next_attempt_at: time(15),
        last_result: Some("answered 503".to_owned()),
        state: DeliveryState::Pending,
    }
}

pub(crate) fn idempotency() -> IdempotencyRecord {
    IdempotencyRecord {
        key: digest(11),
        fingerprint: digest(12),
        outcome: Outcome::DraftDeleted,
        position: position(31),
        ends_at: time(16),
    }
}

/// A change of governance that waits for others.
pub(crate) fn governance_request() -> PublishRequest {
    PublishRequest {
        object: None,
        subject: Subject::Governance(Box::new(GovernanceChange::Settings(SettingsChange {
            settings: settings(),
            claim: Some(claim()),
            governance_stamp: Some(digest(1)),
            loosens: "zoe becomes viewer".to_owned(),
        }))),
        value: None,
        ..request("pr-11", RequestState::PendingReview, 11)
    }
}
