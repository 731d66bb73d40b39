//! Judges publications by the log alone: what was proposed and whether it was accepted, with rules written a second time.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::digest::{Content, Digest, content_digest};
use confman_core::entry::Version;
use confman_core::ids::{ClusterId, NamespacePath};
use confman_core::namespace::{Governance, Workflow};
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, PutEntry, Review, ReviewRequest, SubmitRequest};
use confman_core::publish_request::Decision;
use confman_core::stamp::{Signed, StampedUser, Statement};
use confman_core::state::Change;
use ed25519_dalek::{Signature, Verifier as _};

use crate::builders::{signing_key, workflow};
use crate::world::Entry;

/// A request as its submission told it.
struct Asked {
    command: SubmitRequest,
    namespace: String,
    base: u64,
    required: usize,
    digest: Digest,
    /// Accepted approvals: user name, and groups at the time.
    approvals: Vec<StampedUser>,
}

/// What follows from the accepted entries so far.
#[derive(Default)]
pub(crate) struct Judge {
    cluster: Option<ClusterId>,
    governance: BTreeMap<String, Governance>,
    /// Path by object name.
    claims: BTreeMap<String, String>,
    live: BTreeMap<(String, String), u64>,
    asked: BTreeMap<String, Asked>,
    nonces: BTreeSet<String>,
}

impl Judge {
    /// Takes in one entry; fails the test if it published what should not have been.
    pub(crate) fn judge(&mut self, entry: &Entry) {
        let (Ok(outcome), false) = (&entry.applied.result, entry.applied.changes.is_empty()) else {
            return;
        };
        let published: Vec<&Version> = entry.applied.changes.iter().filter_map(version_of).collect();
        match &entry.proposal.command {
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
            // What waits for others is not in force.
            Command::DeclareNamespace(_) if matches!(outcome, Outcome::GovernancePending { .. }) => {}
            Command::DeclareNamespace(command) => {
                let path = command.path.to_string();
                self.claims.insert(command.claim.name.clone(), path.clone());
                self.governance.insert(path, command.settings.governance.clone());
            }
            Command::ReleaseNamespace(command) => _ = self.claims.remove(&command.claim.name),
            Command::SubmitRequest(command) => self.submitted(command),
            Command::ApproveRequest(review) => self.approved(review, outcome, &published),
            Command::PutEntry(command) => self.written(command, &published),
            Command::RegisterStampKey(_) | Command::RejectRequest(_) | Command::WithdrawRequest(_) => {}
            other => unreachable!("histories do not try {other:?}"),
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
            self.live.insert(place, version.number);
        }
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
        assert!(
            self.rank(&namespace, &statement.user) >= Some(Role::Editor),
            "an editor asked"
        );
        let base = self.live_version(&namespace, command.spec.key.as_str());
        let digest = content_digest(&Content {
            cluster_id: self.cluster.as_ref().expect("a cluster"),
            namespace: &NamespacePath::parse(&namespace).expect("a path"),
            key: &command.spec.key,
            operation: command.spec.operation,
            value_digest: command
                .spec
                .value
                .as_ref()
                .map(confman_core::value::ConfigValue::digest),
            base_version: base,
            to_version: command.spec.to_version,
        });
        let asked = Asked {
            required: self.required(&namespace, &statement.user.username),
            command: command.clone(),
            namespace,
            base,
            digest,
            approvals: Vec::new(),
        };
        self.asked.insert(command.request_id.to_string(), asked);
    }

    fn approved(&mut self, review: &ReviewRequest, outcome: &Outcome, published: &[&Version]) {
        let Outcome::Request(request) = outcome else {
            unreachable!("an approval answers with the request");
        };
        let asked = self
            .asked
            .get_mut(review.request_id.as_str())
            .expect("it was submitted");
        let (namespace, key) = (asked.namespace.clone(), asked.command.spec.key.to_string());
        let Review::Stamped(signed) = &review.review else {
            unreachable!("histories try stamps only");
        };
        let statement = &signed.statement;
        assert_signed(signed.as_ref());
        assert_eq!(Some(&statement.cluster_id), self.cluster.as_ref());
        assert_eq!(statement.decision, Decision::Approve);
        assert_eq!(statement.object_uid, review.request_id.as_str());
        assert_eq!(statement.digest, asked.digest, "they approved what was asked for");
        asked.approvals.push(statement.user.clone());
        let asked = &self.asked[review.request_id.as_str()];
        let requester = &asked.command.requester.statement.user.username;
        let required = asked.required.max(self.required(&namespace, requester));
        let eligible: BTreeSet<&str> = asked
            .approvals
            .iter()
            .filter(|user| is_human(&user.username))
            .filter(|user| user.username != *requester)
            .filter(|user| !asked.command.spec.on_behalf_of.contains(&user.username))
            .filter(|user| self.rank(&namespace, user) >= Some(Role::Publisher))
            .map(|user| user.username.as_str())
            .collect();
        let fresh = self.live_version(&namespace, &key) == asked.base;
        let due = fresh && eligible.len() >= required;
        assert_eq!(
            published.len(),
            usize::from(due),
            "{} of {required}: {eligible:?}, {}",
            eligible.len(),
            request.state
        );
        for version in published {
            let counted: BTreeSet<&str> = version
                .approvers
                .iter()
                .map(|approver| approver.name.as_str())
                .collect();
            assert_eq!(counted, eligible);
            assert_eq!(
                version.value, asked.command.spec.value,
                "what was asked for is what is live"
            );
            assert_eq!(
                (version.namespace.as_str(), version.key.as_str()),
                (namespace.as_str(), key.as_str())
            );
        }
    }

    fn written(&self, command: &PutEntry, published: &[&Version]) {
        let namespace = command.namespace.as_str();
        assert_eq!(published.len(), 1);
        assert!(
            !self.workflow(namespace).require_approval,
            "approval was required in {namespace}"
        );
        let names: Vec<_> = command.actor.subjects().map(ToString::to_string).collect();
        assert!(
            self.rank_of_any(namespace, &names) >= Some(Role::Publisher),
            "a publisher wrote"
        );
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

    fn rank(&self, namespace: &str, user: &StampedUser) -> Option<Role> {
        let mut names: Vec<String> = user.groups.iter().map(|group| format!("group:{group}")).collect();
        names.push(match user.username.strip_prefix("system:serviceaccount:") {
            Some(account) => format!("serviceaccount:{}", account.replacen(':', "/", 1)),
            None => format!("user:{}", user.username),
        });
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

    fn required(&self, namespace: &str, requester: &str) -> usize {
        usize::from(self.workflow(namespace).min_approvers) + usize::from(!is_human(requester))
    }
}

fn version_of(change: &Change) -> Option<&Version> {
    if let Change::PutVersion(version) = change {
        Some(version)
    } else {
        None
    }
}

fn is_human(username: &str) -> bool {
    !username.starts_with("system:") && username != "kubernetes-admin"
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
