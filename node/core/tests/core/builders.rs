//! What tests say things with: names, people, keys, values and commands, each from a short text.

use confman_core::access::Role;
use confman_core::audit::AuditAction;
use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::identity::Identity;
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{Claim, Governance, NamespaceSettings, Workflow};
use confman_core::outcome::{Outcome, Rejection};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{
    AuthenticatedReview, Command, InitialiseCluster, Precondition, PutEntry, Review, ReviewRequest, WithdrawCause,
    WithdrawRequest,
};
use confman_core::publish_request::{Decision, Operation, RequestSpec};
use confman_core::stamp::{ReviewStatement, Signed, StampedUser, Statement};
use confman_core::value::ConfigValue;
use ed25519_dalek::SigningKey;

/// Kubernetes namespace of the cluster.
pub(crate) const KUBERNETES_NAMESPACE: &str = "confman";
/// The stamp key of a new world.
pub(crate) const KEY: &str = "k1";
/// What the stamp key of a new world lives, in days.
pub(crate) const KEY_DAYS: i64 = 90;

pub(crate) fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("a path")
}

pub(crate) fn key(text: &str) -> ConfigKey {
    ConfigKey::parse(text).expect("a key")
}

pub(crate) fn request_id(text: &str) -> RequestId {
    RequestId::parse(text).expect("an id")
}

pub(crate) fn cluster_id(text: &str) -> ClusterId {
    ClusterId::parse(text).expect("an id")
}

/// `ada` is a user, `group:staff` what it says.
pub(crate) fn subject(text: &str) -> Principal {
    if text.contains(':') {
        Principal::parse(text).expect("a subject")
    } else {
        Principal::user(text)
    }
}

/// `ada`, or `ada+staff+payments` with groups.
pub(crate) fn user(text: &str) -> StampedUser {
    let mut parts = text.split('+').map(str::to_owned);
    StampedUser {
        username: parts.next().unwrap_or_default(),
        uid: None,
        groups: parts.collect(),
    }
}

/// JSON, or else text.
pub(crate) fn value(text: &str) -> ConfigValue {
    ConfigValue::from_json_text(text)
        .or_else(|_| ConfigValue::from_text(text))
        .expect("a value")
}

pub(crate) fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

pub(crate) fn signing_key(key_id: &str) -> SigningKey {
    SigningKey::from_bytes(Digest::of(key_id.as_bytes()).as_bytes())
}

pub(crate) fn stamp_key(key_id: &str, not_after: Timestamp) -> StampKey {
    StampKey {
        key_id: key_id.to_owned(),
        public_key: signing_key(key_id).verifying_key().to_bytes().to_vec(),
        not_after,
    }
}

pub(crate) fn sign<S: Statement>(statement: S, key_id: &str) -> Signed<S> {
    Signed::sign(statement, key_id, &signing_key(key_id))
}

/// 32 hex digits made of `text`.
pub(crate) fn nonce(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string().split_off(7)[..32].to_owned()
}

pub(crate) fn workflow(min_approvers: u8) -> Workflow {
    Workflow {
        min_approvers,
        ..Workflow::REVIEWED
    }
}

pub(crate) const UNREVIEWED: Workflow = Workflow {
    require_approval: false,
    ..Workflow::REVIEWED
};

/// Governance with these roles, nothing else said.
pub(crate) fn governance(roles: &[(Role, &[&str])]) -> Governance {
    let subjects = |names: &[&str]| names.iter().map(|name| subject(name)).collect();
    Governance {
        roles: roles.iter().map(|(role, names)| (*role, subjects(names))).collect(),
        ..Governance::inherited()
    }
}

pub(crate) fn settings(governance: Governance) -> NamespaceSettings {
    NamespaceSettings::governed(governance)
}

/// A spec that puts `value` at `key` of the object `namespace_ref`.
pub(crate) fn spec(namespace_ref: &str, name: &str, text: &str) -> RequestSpec {
    RequestSpec {
        namespace_ref: namespace_ref.to_owned(),
        key: key(name),
        operation: Operation::Put,
        value: Some(value(text)),
        expected_version: None,
        reason: None,
        on_behalf_of: std::collections::BTreeSet::new(),
        to_version: None,
        draft: None,
    }
}

pub(crate) fn initialise(cluster: &str, admins: &[&str], floor: Workflow, key: Option<StampKey>) -> Command {
    Command::InitialiseCluster(InitialiseCluster {
        cluster_id: cluster_id(cluster),
        kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
        name: "main".to_owned(),
        root_admins: admins.iter().map(|name| subject(name)).collect(),
        workflow: floor,
        stamp_key: key,
        identity: Identity::default(),
    })
}

/// The command that carries `review`, by its decision.
pub(crate) fn reviewing(id: &str, review: Signed<ReviewStatement>) -> Command {
    let request_id = request_id(id);
    let stamped = |review| ReviewRequest {
        request_id: request_id.clone(),
        review: Review::Stamped(Box::new(review)),
        verdict: None,
    };
    match review.statement.decision {
        Decision::Approve => Command::ApproveRequest(stamped(review)),
        Decision::Reject => Command::RejectRequest(stamped(review)),
        Decision::Publish => Command::PublishApproved(stamped(review)),
        Decision::Withdraw => Command::WithdrawRequest(WithdrawRequest {
            request_id,
            cause: WithdrawCause::ByRequester(Box::new(review)),
        }),
    }
}

/// The same by an authenticated caller, with the digest and comment of `statement`.
pub(crate) fn reviewing_over_http(id: &str, actor: Actor, statement: &ReviewStatement) -> Command {
    let request_id = request_id(id);
    let review = AuthenticatedReview {
        actor,
        digest: statement.digest,
        comment: statement.comment.clone(),
    };
    let reviewed = |review| ReviewRequest {
        request_id: request_id.clone(),
        review: Review::Authenticated(review),
        verdict: None,
    };
    match statement.decision {
        Decision::Approve => Command::ApproveRequest(reviewed(review)),
        Decision::Reject => Command::RejectRequest(reviewed(review)),
        Decision::Publish => Command::PublishApproved(reviewed(review)),
        Decision::Withdraw => Command::WithdrawRequest(WithdrawRequest {
            request_id,
            cause: WithdrawCause::ByActor(review),
        }),
    }
}

/// `ada+staff` as admission sees them, or any subject: also one that no API server stamps, such as an API key.
pub(crate) fn caller(text: &str) -> Actor {
    let stamped = user(text);
    match Principal::parse(&stamped.username) {
        Ok(principal) => Actor {
            principal,
            ..stamped.actor()
        },
        Err(_) => stamped.actor(),
    }
}

pub(crate) fn writing(name: &str, namespace: &str, at: &str, text: &str) -> Command {
    Command::PutEntry(PutEntry {
        actor: caller(name),
        namespace: path(namespace),
        key: key(at),
        value: value(text),
        expected: Precondition::Any,
        verdict: None,
    })
}

pub(crate) fn claim(object: &str) -> Claim {
    Claim {
        kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
        name: object.to_owned(),
        uid: format!("{object}-uid"),
    }
}

/// Name of the variant: what people see as a condition's reason.
pub(crate) fn reason(rejection: &Rejection) -> String {
    let debug = format!("{rejection:?}");
    debug.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// `ok`, `pending` where others must agree, or the name of the refusal.
pub(crate) fn verdict(result: &Result<Outcome, Rejection>) -> String {
    match result {
        Ok(Outcome::GovernancePending { .. }) => "pending".to_owned(),
        Ok(_) => "ok".to_owned(),
        Err(rejection) => reason(rejection),
    }
}

/// The audited name of an action.
pub(crate) fn action_name(action: AuditAction) -> String {
    let name = serde_json::to_value(action).expect("an action serialises");
    name.as_str().expect("an action is a string").to_owned()
}
