//! What clients ask for, as commands of the core.

use std::collections::BTreeSet;

use confman_core::access::Role;
use confman_core::digest::Digest;
use confman_core::idempotency::{Idempotency, IdempotencyKey, key_digest};
use confman_core::identity::Identity;
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath};
use confman_core::namespace::{Governance, NamespaceSettings, Workflow};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{
    AuthenticatedReview, Command, DeleteEntry, InitialiseCluster, OpenRequest, Precondition, PutEntry, PutNamespace,
    Review, ReviewRequest,
};
use confman_core::publish_request::{Operation, PublishRequest, RequestSpec};
use confman_core::value::ConfigValue;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::reader::Place;

/// Who asks for publications.
const AUTHOR: &str = "ada";
/// Who reviews them; the author tries too.
pub(super) const REVIEWERS: [&str; 4] = [AUTHOR, "bob", "carol", "dan"];
const ROOT: &str = "root";
const DIRECT: &str = "/direct";
const REVIEWED: &str = "/reviewed";
const KEYS: [&str; 3] = ["rate", "limit", "mode"];

const UNREVIEWED: Workflow = Workflow {
    require_approval: false,
    ..Workflow::REVIEWED
};
const BY_TWO: Workflow = Workflow {
    min_approvers: 2,
    ..Workflow::REVIEWED
};

/// What makes a cluster and its two namespaces: one that is written directly, one where two people approve.
pub(crate) fn setup() -> Vec<Command> {
    let initialise = Command::InitialiseCluster(InitialiseCluster {
        cluster_id: ClusterId::parse("11111111-1111-4111-8111-111111111111").expect("a cluster id"),
        kubernetes_namespace: "confman".to_owned(),
        name: "sim".to_owned(),
        root_admins: vec![Principal::user(ROOT)],
        workflow: UNREVIEWED,
        stamp_key: None,
        identity: Identity::default(),
    });
    vec![initialise, namespace(DIRECT, UNREVIEWED), namespace(REVIEWED, BY_TWO)]
}

fn namespace(at: &str, workflow: Workflow) -> Command {
    let people: BTreeSet<Principal> = REVIEWERS.into_iter().map(Principal::user).collect();
    Command::PutNamespace(PutNamespace {
        actor: actor(ROOT),
        path: path(at),
        settings: NamespaceSettings::governed(Governance {
            roles: [(Role::Publisher, people.clone()), (Role::Editor, people)].into(),
            workflow: Some(workflow),
            ..Governance::inherited()
        }),
        expected_revision: None,
    })
}

fn actor(name: &str) -> Actor {
    Actor::new(Principal::user(name))
}

fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("the paths of the simulation are paths")
}

fn place(namespace: &str, random: &mut SmallRng) -> Place {
    let key = KEYS[random.random_range(0..KEYS.len())];
    (
        path(namespace),
        ConfigKey::parse(key).expect("the keys of the simulation are keys"),
    )
}

fn value_of(text: &str) -> ConfigValue {
    ConfigValue::from_text(text).expect("the values of the simulation are small")
}

/// A key that is written directly.
pub(super) fn direct_place(random: &mut SmallRng) -> Place {
    place(DIRECT, random)
}

/// A key that is written by publish requests.
pub(super) fn reviewed_place(random: &mut SmallRng) -> Place {
    place(REVIEWED, random)
}

/// A direct write.
pub(super) fn put((namespace, key): Place, value: &str) -> Command {
    Command::PutEntry(PutEntry {
        actor: actor(AUTHOR),
        namespace,
        key,
        value: value_of(value),
        expected: Precondition::Any,
        verdict: None,
    })
}

/// A direct deletion.
pub(super) fn delete((namespace, key): Place) -> Command {
    Command::DeleteEntry(DeleteEntry {
        actor: actor(AUTHOR),
        namespace,
        key,
        expected: Precondition::Any,
        verdict: None,
    })
}

/// A request for a publication.
pub(super) fn open((namespace, key): Place, value: &str) -> Command {
    Command::OpenRequest(OpenRequest {
        actor: actor(AUTHOR),
        spec: RequestSpec {
            namespace_ref: namespace.to_string(),
            key,
            operation: Operation::Put,
            value: Some(value_of(value)),
            expected_version: None,
            reason: None,
            on_behalf_of: BTreeSet::new(),
            to_version: None,
            draft: None,
        },
        namespace,
        resubmits: None,
        verdict: None,
    })
}

/// An approval by `reviewer`, who saw `digest`.
pub(super) fn review(reviewer: &str, request: &PublishRequest, digest: Digest) -> Command {
    Command::ApproveRequest(ReviewRequest {
        request_id: request.id.clone(),
        review: Review::Authenticated(AuthenticatedReview {
            actor: actor(reviewer),
            digest,
            comment: None,
        }),
        verdict: None,
    })
}

/// What tells a repeat of this call; reviews carry none, since they may be repeated anyway.
pub(super) fn call_of(command: &Command, (client, call): (u64, u64)) -> Option<Idempotency> {
    if matches!(command, Command::ApproveRequest(_) | Command::InitialiseCluster(_)) {
        return None;
    }
    let key = IdempotencyKey::parse(&format!("{client}-{call}")).expect("visible ASCII");
    Some(Idempotency {
        key: key_digest(&Principal::user(AUTHOR), &key),
        fingerprint: Digest::of(format!("{command:?}").as_bytes()),
    })
}
