//! Judges publications by the log alone: what was proposed and whether it was accepted, with rules written a second time.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::digest::{Content, Digest, content_digest};
use confman_core::entry::Version;
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath};
use confman_core::namespace::{Governance, Workflow};
use confman_core::outcome::Outcome;
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, PutDraft, PutEntry, Review, ReviewRequest, RollBackEntry, SubmitRequest};
use confman_core::publish_request::{Decision, Operation, RequestSpec};
use confman_core::stamp::{Signed, Statement};
use confman_core::state::Change;
use confman_core::value::ConfigValue;
use ed25519_dalek::{Signature, Verifier as _};

use crate::builders::{signing_key, spec, subject, workflow};
use crate::world::{Entry, changes_something};

/// A request as its submission told it.
struct Asked {
    namespace: NamespacePath,
    key: ConfigKey,
    /// None for a deletion.
    value: Option<ConfigValue>,
    base: u64,
    required: usize,
    digest: Digest,
    /// The login that asked.
    requester: Principal,
    /// Logins of all who had a hand in it.
    hands: BTreeSet<Principal>,
    /// Accepted approvals, with the groups at the time.
    approvals: Vec<Actor>,
    is_over: bool,
}

/// What follows from the accepted entries so far.
#[derive(Default)]
pub(crate) struct Judge {
    cluster: Option<ClusterId>,
    governance: BTreeMap<String, Governance>,
    /// Path by object name.
    claims: BTreeMap<String, String>,
    live: BTreeMap<(String, String), u64>,
    versions: BTreeMap<(String, String, u64), Option<ConfigValue>>,
    /// Value of each draft, and the logins that wrote to it.
    drafts: BTreeMap<(String, String), (ConfigValue, BTreeSet<Principal>)>,
    asked: BTreeMap<String, Asked>,
    nonces: BTreeSet<String>,
    /// Person by login.
    persons: BTreeMap<Principal, Principal>,
    /// Who asked for which persons, by request.
    identities: BTreeMap<String, (Principal, BTreeMap<Principal, Principal>)>,
}

impl Judge {
    /// Takes in one entry; fails the test if it published what should not have been.
    pub(crate) fn judge(&mut self, entry: &Entry) {
        let (Ok(outcome), true) = (&entry.applied.result, changes_something(&entry.applied)) else {
            return;
        };
        let published: Vec<&Version> = entry.applied.changes.iter().filter_map(version_of).collect();
        match &entry.proposal.command {
            Command::SetIdentity(command) => {
                let Outcome::GovernancePending { request_id, .. } = outcome else {
                    unreachable!("one admin alone says who is who: {outcome:?}");
                };
                let asked = (command.actor.principal.clone(), command.identity.aliases.clone());
                self.identities.insert(request_id.to_string(), asked);
            }
            Command::ApproveRequest(review) if self.identities.contains_key(review.request_id.as_str()) => {
                let (by, aliases) = self.identities.remove(review.request_id.as_str()).expect("it is there");
                let Review::Authenticated(review) = &review.review else {
                    unreachable!("nobody stamps that");
                };
                let admins = &self.governance["/"].roles[&Role::Admin];
                let approver = &review.actor.principal;
                assert!(
                    *approver != by && admins.contains(approver),
                    "another admin of / agreed"
                );
                self.persons = aliases;
            }
            // What waits for others is not in force.
            _ if matches!(outcome, Outcome::GovernancePending { .. }) => {}
            Command::InitialiseCluster(command) => {
                let admins = command.root_admins.iter().cloned().collect();
                self.cluster = Some(command.cluster_id.clone());
                let governance = Governance {
                    roles: BTreeMap::from([(Role::Admin, admins)]),
                    workflow: Some(command.workflow),
                    ..Governance::inherited()
                };
                self.governance.insert("/".to_owned(), governance);
            }
            Command::DeclareNamespace(command) => {
                let path = command.path.to_string();
                self.claims.insert(command.claim.name.clone(), path.clone());
                self.governance.insert(path, command.settings.governance.clone());
            }
            Command::PutNamespace(command) => {
                let governance = command.settings.governance.clone();
                self.governance.insert(command.path.to_string(), governance);
            }
            Command::ReleaseNamespace(command) => _ = self.claims.remove(&command.claim.name),
            Command::SubmitRequest(command) => self.submitted(command),
            Command::PutDraft(command) => self.drafted(command),
            Command::OpenRequest(command) => {
                let by = (&command.actor, command.actor.principal.clone());
                self.asked(outcome, (&command.namespace, &command.spec), by);
            }
            Command::RollBackEntry(command) => self.rolled_back(command, outcome),
            Command::ApproveRequest(review) => self.approved(review, outcome, &published),
            Command::PutEntry(command) => self.written(command, &published),
            Command::RejectRequest(review) => {
                let asked = self.asked.get_mut(review.request_id.as_str());
                asked.expect("it was submitted").is_over = true;
            }
            Command::WithdrawRequest(command) => {
                let asked = self.asked.get_mut(command.request_id.as_str());
                asked.expect("it was submitted").is_over = true;
            }
            Command::RegisterStampKey(_) | Command::AddStampKey(_) => {}
            Command::DeleteEntry(_)
            | Command::DeleteDraft(_)
            | Command::PublishApproved(_)
            | Command::DeleteNamespace(_)
            | Command::DescribeEntry(_)
            | Command::PutSchema(_)
            | Command::IssueApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::RecordDelivery(_)
            | Command::NoteRotation(_) => unreachable!("histories do not try {:?}", entry.proposal.command),
        }
        let may_publish = matches!(
            entry.proposal.command,
            Command::ApproveRequest(_) | Command::PutEntry(_)
        );
        assert!(
            published.is_empty() || may_publish,
            "only approvals and direct writes publish"
        );
        for version in published {
            let place = (version.namespace.to_string(), version.key.to_string());
            let (namespace, key) = place.clone();
            self.versions
                .insert((namespace, key, version.number), version.value.clone());
            if self
                .drafts
                .get(&place)
                .is_some_and(|(value, _)| Some(value) == version.value.as_ref())
            {
                self.drafts.remove(&place);
            }
            self.live.insert(place, version.number);
        }
    }

    fn drafted(&mut self, command: &PutDraft) {
        let namespace = command.namespace.as_str();
        assert!(
            self.rank(namespace, &command.actor) >= Some(Role::Editor),
            "an editor wrote"
        );
        let place = (namespace.to_owned(), command.key.to_string());
        let before = self.drafts.remove(&place);
        let mut hands = before.map_or_else(BTreeSet::new, |(_, hands)| hands);
        hands.insert(command.actor.principal.clone());
        self.drafts.insert(place, (command.value.clone(), hands));
    }

    fn submitted(&mut self, command: &SubmitRequest) {
        assert_signed(&command.requester);
        let statement = &command.requester.statement;
        assert_eq!(Some(&statement.cluster_id), self.cluster.as_ref());
        assert!(self.nonces.insert(statement.nonce.clone()), "a nonce twice");
        let namespace = self
            .claims
            .get(&command.spec.namespace_ref)
            .expect("a declared namespace")
            .clone();
        let actor = statement.user.actor();
        let login = actor.principal.clone();
        let namespace = NamespacePath::parse(&namespace).expect("a path");
        self.ask(
            command.request_id.as_str(),
            (&namespace, &command.spec),
            (&actor, login),
        );
    }

    fn rolled_back(&mut self, command: &RollBackEntry, outcome: &Outcome) {
        assert!(
            self.rank(command.namespace.as_str(), &command.actor) >= Some(Role::Publisher),
            "a publisher rolled back"
        );
        let spec = RequestSpec {
            operation: Operation::Rollback,
            value: None,
            to_version: Some(command.to_version),
            ..spec(command.namespace.as_str(), command.key.as_str(), "0")
        };
        let by = (&command.actor, command.actor.principal.clone());
        self.asked(outcome, (&command.namespace, &spec), by);
    }

    fn asked(&mut self, outcome: &Outcome, what: (&NamespacePath, &RequestSpec), by: (&Actor, Principal)) {
        let Outcome::Request(request) = outcome else {
            unreachable!("asking answers with the request");
        };
        self.ask(request.id.as_str(), what, by);
    }

    fn ask(&mut self, id: &str, what: (&NamespacePath, &RequestSpec), (actor, login): (&Actor, Principal)) {
        let (namespace, spec) = what;
        let at = namespace.as_str();
        assert!(self.rank(at, actor) >= Some(Role::Editor), "an editor asked");
        let place = (at.to_owned(), spec.key.to_string());
        let mut hands: BTreeSet<_> = spec.on_behalf_of.iter().map(|name| login_of(name)).collect();
        hands.insert(login.clone());
        let value = if let Some(number) = spec.to_version {
            self.versions[&(place.0.clone(), place.1.clone(), number)].clone()
        } else {
            let wanted = spec.draft.or_else(|| spec.value.as_ref().map(ConfigValue::digest));
            let draft = self
                .drafts
                .get(&place)
                .filter(|(value, _)| Some(value.digest()) == wanted);
            hands.extend(draft.iter().flat_map(|(_, hands)| hands.iter().cloned()));
            spec.value.clone().or_else(|| draft.map(|(value, _)| value.clone()))
        };
        let base = self.live_version(at, spec.key.as_str());
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
            required: self.required(at, &login),
            digest,
            requester: login,
            hands,
            approvals: Vec::new(),
            is_over: false,
        };
        self.asked.insert(id.to_owned(), asked);
    }

    fn approved(&mut self, review: &ReviewRequest, outcome: &Outcome, published: &[&Version]) {
        let Outcome::Request(request) = outcome else {
            unreachable!("an approval answers with the request");
        };
        let id = review.request_id.as_str();
        let (actor, digest) = match &review.review {
            Review::Stamped(signed) => {
                let statement = &signed.statement;
                assert_signed(signed.as_ref());
                assert_eq!(Some(&statement.cluster_id), self.cluster.as_ref());
                assert_eq!(statement.decision, Decision::Approve);
                assert_eq!(statement.object_uid, id);
                (statement.user.actor(), statement.digest)
            }
            Review::Authenticated(review) => (review.actor.clone(), review.digest),
        };
        let asked = self.asked.get_mut(id).expect("it was submitted");
        assert_eq!(digest, asked.digest, "they approved what was asked for");
        assert!(!asked.is_over, "what was rejected or taken back stays so");
        asked.approvals.push(actor);
        let asked = &self.asked[id];
        let namespace = asked.namespace.as_str();
        let required = asked.required.max(self.required(namespace, &asked.requester));
        let hands: BTreeSet<_> = asked.hands.iter().map(|login| self.person(login)).collect();
        let eligible: BTreeSet<Principal> = asked
            .approvals
            .iter()
            .filter(|actor| is_human(&self.person(&actor.principal)))
            .filter(|actor| !hands.contains(&self.person(&actor.principal)))
            .filter(|actor| self.rank(namespace, actor) >= Some(Role::Publisher))
            .map(|actor| self.person(&actor.principal))
            .collect();
        let fresh = self.live_version(namespace, asked.key.as_str()) == asked.base;
        let due = fresh && eligible.len() >= required;
        assert_eq!(
            published.len(),
            usize::from(due),
            "{} of {required}: {eligible:?}, {}",
            eligible.len(),
            request.state
        );
        for version in published {
            let counted: BTreeSet<Principal> = version.approvers.iter().cloned().collect();
            assert_eq!(counted, eligible);
            assert_eq!(version.approvers.len(), eligible.len(), "each of them once");
            assert_eq!(version.value, asked.value, "what was asked for is what is live");
            assert_eq!((&version.namespace, &version.key), (&asked.namespace, &asked.key));
        }
    }

    fn written(&self, command: &PutEntry, published: &[&Version]) {
        let namespace = command.namespace.as_str();
        assert_eq!(published.len(), 1);
        assert!(
            !self.workflow(namespace).require_approval,
            "approval was required in {namespace}"
        );
        assert!(
            self.rank(namespace, &command.actor) >= Some(Role::Publisher),
            "a publisher wrote"
        );
    }

    /// Who is behind a login, as far as is known now.
    fn person(&self, login: &Principal) -> Principal {
        self.persons.get(login).unwrap_or(login).clone()
    }

    fn live_version(&self, namespace: &str, key: &str) -> u64 {
        let place = (namespace.to_owned(), key.to_owned());
        self.live.get(&place).copied().unwrap_or(0)
    }

    /// Governance of `namespace` and of all above it, nearest first.
    fn lineage(&self, namespace: &str) -> Vec<(&str, &Governance)> {
        let is_above = |path: &str| path == "/" || namespace == path || namespace.starts_with(&format!("{path}/"));
        let all = self.governance.iter().rev();
        all.filter(|(path, _)| is_above(path))
            .map(|(path, governance)| (path.as_str(), governance))
            .collect()
    }

    fn rank(&self, namespace: &str, actor: &Actor) -> Option<Role> {
        let mut names: Vec<String> = actor.groups.iter().map(ToString::to_string).collect();
        names.push(self.person(&actor.principal).to_string());
        self.rank_of_any(namespace, &names)
    }

    /// The strongest role that one of the subjects `names` holds.
    fn rank_of_any(&self, namespace: &str, names: &[String]) -> Option<Role> {
        let mut ranks = BTreeSet::new();
        let mut reaches = true;
        for (path, governance) in self.lineage(namespace) {
            for (role, subjects) in &governance.roles {
                let held = subjects.iter().any(|subject| names.contains(&subject.to_string()));
                let counts = reaches || (path == "/" && *role == Role::Admin);
                ranks.extend((held && counts).then_some(*role));
            }
            reaches &= governance.inherit;
        }
        ranks.last().copied()
    }

    fn workflow(&self, namespace: &str) -> Workflow {
        let mut strictest: Option<Workflow> = None;
        for (path, governance) in self.lineage(namespace) {
            let unsaid = (path == "/").then(|| workflow(1));
            if let Some(own) = governance.workflow.or(unsaid) {
                let before = strictest.unwrap_or(own);
                strictest = Some(Workflow {
                    require_approval: before.require_approval | own.require_approval,
                    ..workflow(before.min_approvers.max(own.min_approvers))
                });
            }
        }
        strictest.expect("the top says something")
    }

    fn required(&self, namespace: &str, requester: &Principal) -> usize {
        let by_machine = !is_human(&self.person(requester));
        usize::from(self.workflow(namespace).min_approvers) + usize::from(by_machine)
    }
}

/// The version that a change writes.
pub(crate) fn version_of(change: &Change) -> Option<&Version> {
    if let Change::PutVersion(version) = change {
        Some(version)
    } else {
        None
    }
}

fn is_human(person: &Principal) -> bool {
    let text = person.to_string();
    text.starts_with("user:") && !text.starts_with("user:system:") && text != "user:kubernetes-admin"
}

/// The login with this Kubernetes user name.
fn login_of(username: &str) -> Principal {
    match username.strip_prefix("system:serviceaccount:") {
        Some(account) => subject(&format!("serviceaccount:{}", account.replacen(':', "/", 1))),
        None => subject(&format!("user:{username}")),
    }
}

/// Every key of a history is made of its id, so that a forgery shows.
fn assert_signed<S: Statement>(signed: &Signed<S>) {
    let signature = Signature::from_slice(&signed.signature).expect("64 bytes");
    let public = signing_key(&signed.key_id).verifying_key();
    assert!(
        public.verify(&signed.statement.message(), &signature).is_ok(),
        "a forged stamp was accepted"
    );
    assert_ne!(signed.key_id, "nobodys");
}
