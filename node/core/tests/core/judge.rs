//! Judges publications by the log alone: what was proposed and whether it was accepted, with rules written a second time.

mod asked;
mod keys;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::entry::Version;
use confman_core::ids::{ClusterId, NamespacePath};
use confman_core::namespace::Governance;
use confman_core::outcome::Outcome;
use confman_core::principal::Principal;
use confman_core::proposal::{Command, InitialiseCluster, PutDraft, PutEntry, Review, ReviewRequest};
use confman_core::stamp::{Signed, Statement};
use confman_core::state::Change;
use ed25519_dalek::{Signature, Verifier as _};

use crate::builders::signing_key;
use crate::world::{Entry, changes_something};

use asked::Asked;
use keys::{Keys, place};
use rights::Rights;

/// What follows from the accepted entries so far.
#[derive(Default)]
pub(crate) struct Judge {
    cluster: Option<ClusterId>,
    rights: Rights,
    /// Path by object name.
    claims: BTreeMap<String, NamespacePath>,
    keys: Keys,
    asked: BTreeMap<String, Asked>,
    nonces: BTreeSet<String>,
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
        let mut may_publish = false;
        match &entry.proposal.command {
            Command::SetIdentity(command) => {
                let Outcome::GovernancePending { request_id, .. } = outcome else {
                    unreachable!("one admin alone says who is who: {outcome:?}");
                };
                let asked = (command.actor.principal.clone(), command.identity.aliases.clone());
                self.identities.insert(request_id.to_string(), asked);
            }
            Command::ApproveRequest(review) if self.identities.contains_key(review.request_id.as_str()) => {
                self.identified(review);
            }
            // What waits for others is not in force.
            _ if matches!(outcome, Outcome::GovernancePending { .. }) => {}
            Command::InitialiseCluster(command) => self.initialised(command),
            Command::DeclareNamespace(command) => {
                self.claims.insert(command.claim.name.clone(), command.path.clone());
                self.rights.govern(&command.path, command.settings.governance.clone());
            }
            Command::PutNamespace(command) => self.rights.govern(&command.path, command.settings.governance.clone()),
            Command::ReleaseNamespace(command) => _ = self.claims.remove(&command.claim.name),
            Command::SubmitRequest(command) => self.submitted(command),
            Command::PutDraft(command) => self.drafted(command),
            Command::OpenRequest(command) => {
                self.opened(outcome, (&command.namespace, &command.spec), &command.actor);
            }
            Command::RollBackEntry(command) => self.rolled_back(command, outcome),
            Command::ApproveRequest(review) => {
                self.approved(review, outcome, &published);
                may_publish = true;
            }
            Command::PutEntry(command) => {
                self.written(command, &published);
                may_publish = true;
            }
            Command::RejectRequest(review) => self.ended(review.request_id.as_str()),
            Command::WithdrawRequest(command) => self.ended(command.request_id.as_str()),
            Command::RegisterStampKey(_) => {}
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
        assert!(
            published.is_empty() || may_publish,
            "only approvals and direct writes publish"
        );
        published.into_iter().for_each(|version| self.keys.published(version));
    }

    fn initialised(&mut self, command: &InitialiseCluster) {
        let admins = command.root_admins.iter().cloned().collect();
        self.cluster = Some(command.cluster_id.clone());
        let governance = Governance {
            roles: BTreeMap::from([(Role::Admin, admins)]),
            workflow: Some(command.workflow),
            ..Governance::inherited()
        };
        self.rights.govern(&NamespacePath::root(), governance);
    }

    fn identified(&mut self, review: &ReviewRequest) {
        let (by, aliases) = self.identities.remove(review.request_id.as_str()).expect("it is there");
        let Review::Authenticated(review) = &review.review else {
            unreachable!("nobody stamps that");
        };
        let approver = &review.actor;
        assert!(
            approver.principal != by && self.rights.rank("/", approver) == Some(Role::Admin),
            "another admin of / agreed"
        );
        self.rights.identify(aliases);
    }

    fn drafted(&mut self, command: &PutDraft) {
        assert!(
            self.rights.rank(command.namespace.as_str(), &command.actor) >= Some(Role::Editor),
            "an editor wrote"
        );
        self.keys.drafted(
            place(&command.namespace, &command.key),
            command.value.clone(),
            command.actor.principal.clone(),
        );
    }

    fn written(&self, command: &PutEntry, published: &[&Version]) {
        let namespace = command.namespace.as_str();
        assert_eq!(published.len(), 1);
        assert!(
            !self.rights.workflow(namespace).require_approval,
            "approval was required in {namespace}"
        );
        assert!(
            self.rights.rank(namespace, &command.actor) >= Some(Role::Publisher),
            "a publisher wrote"
        );
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
