//! Judges publications by the log alone: what was proposed and whether it was accepted, with rules written a second time.

mod asked;
mod keys;
mod pending;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use confman_core::access::Role;
use confman_core::entry::Version;
use confman_core::ids::{ClusterId, ConfigKey, NamespacePath};
use confman_core::namespace::Governance;
use confman_core::outcome::Outcome;
use confman_core::principal::Actor;
use confman_core::proposal::{Command, InitialiseCluster, PutDraft};
use confman_core::stamp::{Signed, Statement};
use confman_core::state::Change;
use confman_core::value::ConfigValue;
use ed25519_dalek::{Signature, Verifier as _};

use crate::builders::signing_key;
use crate::world::{Entry, changes_something};

use asked::Asked;
use keys::{Keys, Place, place};
use pending::Pending;
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
    /// What waits for another admin, by request.
    pending: BTreeMap<String, Pending>,
}

impl Judge {
    /// Takes in one entry; fails the test if it published what should not have been.
    pub(crate) fn judge(&mut self, entry: &Entry) {
        let (Ok(outcome), true) = (&entry.applied.result, changes_something(&entry.applied)) else {
            return;
        };
        let published: Vec<&Version> = entry.applied.changes.iter().filter_map(version_of).collect();
        let mut may_publish = false;
        if let Outcome::GovernancePending { request_id, .. } = outcome {
            // What waits for others is not in force.
            let pending = Pending::of(&entry.proposal.command);
            self.pending.insert(request_id.to_string(), pending);
            return;
        }
        match &entry.proposal.command {
            Command::ApproveRequest(review) if self.pending.contains_key(review.request_id.as_str()) => {
                self.agreed(review);
            }
            Command::InitialiseCluster(command) => self.initialised(command),
            Command::DeclareNamespace(command) => {
                self.claims.insert(command.claim.name.clone(), command.path.clone());
                self.rights.govern(&command.path, command.settings.governance.clone());
            }
            Command::PutNamespace(command) => self.rights.govern(&command.path, command.settings.governance.clone()),
            Command::ReleaseNamespace(command) => _ = self.claims.remove(&command.claim.name),
            Command::SubmitRequest(command) => self.submitted(command),
            Command::PutDraft(command) => self.drafted(command),
            Command::DeleteDraft(command) => {
                self.may((&command.actor, Role::Editor), &command.namespace);
                self.keys.draft_gone(&place(&command.namespace, &command.key));
            }
            Command::OpenRequest(command) => {
                self.opened(outcome, (&command.namespace, &command.spec), &command.actor);
            }
            Command::RollBackEntry(command) => self.rolled_back(command, outcome),
            Command::ApproveRequest(review) => {
                self.approved(review, outcome, &published);
                may_publish = true;
            }
            Command::PublishApproved(review) => {
                self.published_by_hand(review, outcome, &published);
                may_publish = true;
            }
            Command::PutEntry(command) => {
                let place = (&command.namespace, &command.key);
                self.unreviewed(&command.actor, place, Some(&command.value), &published);
                may_publish = true;
            }
            Command::DeleteEntry(command) => {
                let place = (&command.namespace, &command.key);
                self.unreviewed(&command.actor, place, None, &published);
                may_publish = true;
            }
            Command::DescribeEntry(command) => {
                self.may((&command.actor, Role::Admin), &command.namespace);
                let place = place(&command.namespace, &command.key);
                assert!(
                    self.keys.only_tightens(&place, &command.meta),
                    "one admin alone loosened"
                );
                self.keys.described(place, command.meta.clone());
            }
            Command::RejectRequest(review) => self.ended(review.request_id.as_str()),
            Command::WithdrawRequest(command) => self.ended(command.request_id.as_str()),
            Command::RegisterStampKey(_) | Command::AddStampKey(_) => {}
            Command::SetIdentity(_) => unreachable!("one admin alone says who is who"),
            Command::DeleteNamespace(_)
            | Command::PutSchema(_)
            | Command::IssueApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::RecordDelivery(_)
            | Command::NoteRotation(_)
            | Command::RecoverCluster(_)
            | Command::CompareReplicas(_) => unreachable!("histories do not try {:?}", entry.proposal.command),
        }
        assert!(
            published.is_empty() || may_publish,
            "only approvals, publishers and direct writes publish"
        );
        for version in published {
            self.check_not_kept(version);
            self.keys.published(version);
        }
    }

    /// Nobody has a key that a namespace above keeps for itself.
    fn check_not_kept(&self, version: &Version) {
        let above = self.rights.inherited(version.namespace.as_str());
        let kept = |above: &&str| {
            let place: Place = ((*above).to_owned(), version.key.to_string());
            self.keys.is_kept(&place)
        };
        let keeper = above.into_iter().find(kept);
        assert!(version.value.is_none() || keeper.is_none(), "{keeper:?} keeps it");
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

    fn drafted(&mut self, command: &PutDraft) {
        self.may((&command.actor, Role::Editor), &command.namespace);
        self.keys.drafted(
            place(&command.namespace, &command.key),
            command.value.clone(),
            command.actor.principal.clone(),
        );
    }

    /// A version that nobody was asked about.
    fn unreviewed(
        &self,
        by: &Actor,
        (namespace, key): (&NamespacePath, &ConfigKey),
        wanted: Option<&ConfigValue>,
        published: &[&Version],
    ) {
        let [version] = published else {
            unreachable!("{} versions of one", published.len());
        };
        assert_eq!((&version.namespace, &version.key), (namespace, key));
        assert_eq!(version.value.as_ref(), wanted);
        assert!(
            wanted.is_some() || self.keys.is_live(&place(namespace, key)),
            "it was gone"
        );
        let workflow = self.rights.workflow(namespace.as_str());
        assert!(!workflow.require_approval, "approval was required in {namespace}");
        self.may((by, Role::Publisher), namespace);
    }

    /// Fails unless `who` has at least this role.
    fn may(&self, (who, least): (&Actor, Role), namespace: &NamespacePath) {
        let rank = self.rights.rank(namespace.as_str(), who);
        assert!(rank >= Some(least), "{:?} is no {least} in {namespace}", who.principal);
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
