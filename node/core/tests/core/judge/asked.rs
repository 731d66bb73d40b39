//! Requests, as their submission told them, and what their approvals come to.

use std::collections::BTreeSet;

use confman_core::access::Role;
use confman_core::digest::{Content, Digest, content_digest};
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::outcome::Outcome;
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Review, ReviewRequest, RollBackEntry, SubmitRequest};
use confman_core::publish_request::{Decision, Operation, PublishRequest, RequestSpec, RequestState};
use confman_core::value::ConfigValue;

use crate::builders::spec;

use super::keys::{Place, place};
use super::rights::login_of;
use super::{Judge, assert_signed};

/// A request as its submission told it.
pub(super) struct Asked {
    namespace: NamespacePath,
    key: ConfigKey,
    /// None for a deletion.
    value: Option<ConfigValue>,
    base: u64,
    /// By the strictest settings of those at its submission and at each approval.
    required: usize,
    /// Made while somebody had to publish what is approved; that stays so.
    is_manual: bool,
    digest: Digest,
    /// The login that asked.
    requester: Principal,
    /// Logins of all who had a hand in it.
    hands: BTreeSet<Principal>,
    /// Accepted approvals, with the groups at the time.
    approvals: Vec<Actor>,
    is_over: bool,
}

impl Asked {
    fn place(&self) -> Place {
        place(&self.namespace, &self.key)
    }
}

impl Judge {
    pub(super) fn submitted(&mut self, command: &SubmitRequest) {
        assert_signed(&command.requester);
        let statement = &command.requester.statement;
        assert_eq!(Some(&statement.cluster_id), self.cluster.as_ref());
        assert!(self.nonces.insert(statement.nonce.clone()), "a nonce twice");
        let claimed = self.claims.get(&command.spec.namespace_ref);
        let namespace = claimed.expect("a declared namespace").clone();
        self.ask(
            command.request_id.as_str(),
            (&namespace, &command.spec),
            &statement.user.actor(),
        );
    }

    pub(super) fn rolled_back(&mut self, command: &RollBackEntry, outcome: &Outcome) {
        self.may((&command.actor, Role::Publisher), &command.namespace);
        let spec = RequestSpec {
            operation: Operation::Rollback,
            value: None,
            to_version: Some(command.to_version),
            ..spec(command.namespace.as_str(), command.key.as_str(), "0")
        };
        self.opened(outcome, (&command.namespace, &spec), &command.actor);
    }

    pub(super) fn opened(&mut self, outcome: &Outcome, what: (&NamespacePath, &RequestSpec), by: &Actor) {
        self.ask(request(outcome).id.as_str(), what, by);
    }

    fn ask(&mut self, id: &str, (namespace, spec): (&NamespacePath, &RequestSpec), actor: &Actor) {
        let at = namespace.as_str();
        self.may((actor, Role::Editor), namespace);
        let place = place(namespace, &spec.key);
        let login = actor.principal.clone();
        let mut hands: BTreeSet<_> = spec.on_behalf_of.iter().map(|name| login_of(name)).collect();
        hands.insert(login.clone());
        let value = if let Some(number) = spec.to_version {
            self.keys.value(&place, number)
        } else {
            let wanted = spec.draft.or_else(|| spec.value.as_ref().map(ConfigValue::digest));
            let draft = self.keys.draft_of(&place, |value| Some(value.digest()) == wanted);
            hands.extend(draft.iter().flat_map(|draft| draft.hands.iter().cloned()));
            spec.value.clone().or_else(|| draft.map(|draft| draft.value.clone()))
        };
        let base = self.keys.last_version(&place);
        let digest = content_digest(&Content {
            cluster_id: self.cluster.as_ref().expect("a cluster"),
            namespace,
            key: &spec.key,
            operation: spec.operation,
            value_digest: value.as_ref().map(ConfigValue::digest),
            base_version: base,
            to_version: spec.to_version,
        });
        let asked = Asked {
            namespace: namespace.clone(),
            key: spec.key.clone(),
            value,
            base,
            required: self.rights.required(at, &login),
            is_manual: self.rights.is_manual(at),
            digest,
            requester: login,
            hands,
            approvals: Vec::new(),
            is_over: false,
        };
        self.asked.insert(id.to_owned(), asked);
    }

    /// Rejected or taken back.
    pub(super) fn ended(&mut self, id: &str) {
        self.asked.get_mut(id).expect("it was submitted").is_over = true;
    }

    pub(super) fn approved(&mut self, review: &ReviewRequest, outcome: &Outcome, published: &[&Version]) {
        let approver = self.reviewer(review, Decision::Approve);
        let id = review.request_id.as_str();
        let asked = self.asked.get_mut(id).expect("it was submitted");
        asked.approvals.push(approver);
        let asked = &self.asked[id];
        let waits = asked.is_manual || self.rights.is_manual(asked.namespace.as_str());
        self.decided((id, request(outcome)), published, waits);
    }

    pub(super) fn published_by_hand(&mut self, review: &ReviewRequest, outcome: &Outcome, published: &[&Version]) {
        let by = self.reviewer(review, Decision::Publish);
        let id = review.request_id.as_str();
        self.may((&by, Role::Publisher), &self.asked[id].namespace);
        self.decided((id, request(outcome)), published, false);
    }

    /// Who reviewed an open request, having seen just what was asked for.
    fn reviewer(&self, review: &ReviewRequest, decision: Decision) -> Actor {
        let id = review.request_id.as_str();
        let (actor, digest) = match &review.review {
            Review::Stamped(signed) => {
                let statement = &signed.statement;
                assert_signed(signed.as_ref());
                assert_eq!(Some(&statement.cluster_id), self.cluster.as_ref());
                assert_eq!(statement.decision, decision);
                assert_eq!(statement.object_uid, id);
                (statement.user.actor(), statement.digest)
            }
            Review::Authenticated(review) => (review.actor.clone(), review.digest),
        };
        let asked = self.asked.get(id).expect("it was submitted");
        assert_eq!(digest, asked.digest, "they said it of what was asked for");
        assert!(!asked.is_over, "what has ended stays so");
        actor
    }

    /// Whose approvals count now.
    fn eligible(&self, asked: &Asked) -> BTreeSet<Principal> {
        let rights = &self.rights;
        let hands: BTreeSet<_> = asked.hands.iter().map(|login| rights.person(login)).collect();
        asked
            .approvals
            .iter()
            .filter(|actor| rights.is_human(&actor.principal))
            .filter(|actor| !hands.contains(&rights.person(&actor.principal)))
            .filter(|actor| rights.rank(asked.namespace.as_str(), actor) >= Some(Role::Publisher))
            .map(|actor| rights.person(&actor.principal))
            .collect()
    }

    /// Fails unless the request is now as what is known of it says; `waits` for somebody to publish it.
    fn decided(&mut self, (id, request): (&str, &PublishRequest), published: &[&Version], waits: bool) {
        let asked = &self.asked[id];
        let now = self.rights.required(asked.namespace.as_str(), &asked.requester);
        let required = asked.required.max(now);
        let eligible = self.eligible(asked);
        let expected = if self.keys.last_version(&asked.place()) != asked.base {
            RequestState::Superseded
        } else if eligible.len() < required {
            RequestState::PendingReview
        } else if waits {
            RequestState::Approved
        } else {
            RequestState::Published
        };
        let count = eligible.len();
        assert_eq!(request.state, expected, "{count} of {required}: {eligible:?}");
        let is_published = expected == RequestState::Published;
        assert_eq!(published.len(), usize::from(is_published));
        for version in published {
            let counted: BTreeSet<Principal> = version.approvers.iter().cloned().collect();
            assert_eq!(counted, eligible);
            assert_eq!(version.approvers.len(), eligible.len(), "each of them once");
            assert_eq!(version.value, asked.value, "what was asked for is what is live");
            assert_eq!((&version.namespace, &version.key), (&asked.namespace, &asked.key));
        }
        let asked = self.asked.get_mut(id).expect("it was submitted");
        if expected != RequestState::Superseded {
            asked.required = required;
        }
        asked.is_over = is_published || expected == RequestState::Superseded;
    }
}

fn request(outcome: &Outcome) -> &PublishRequest {
    let Outcome::Request(request) = outcome else {
        unreachable!("the answer is the request, not {outcome:?}");
    };
    request
}
