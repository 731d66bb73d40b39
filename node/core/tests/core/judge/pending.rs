//! What loosens, and so waits for another admin.

use std::collections::BTreeMap;

use confman_core::access::Role;
use confman_core::entry::EntryMeta;
use confman_core::ids::NamespacePath;
use confman_core::namespace::Governance;
use confman_core::principal::Principal;
use confman_core::proposal::{Command, Review, ReviewRequest};

use super::Judge;
use super::keys::{Place, place};

/// What one admin alone does not decide.
enum Wanted {
    Settings {
        path: NamespacePath,
        /// Name of the object that asked.
        object: Option<String>,
        governance: Governance,
    },
    Said(Place, EntryMeta),
    Persons(BTreeMap<Principal, Principal>),
}

/// The same, and the login that asked for it.
pub(super) struct Pending {
    by: Principal,
    wanted: Wanted,
}

impl Pending {
    /// What `command` asked for.
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::SetIdentity(command) => Self {
                by: command.actor.principal.clone(),
                wanted: Wanted::Persons(command.identity.aliases.clone()),
            },
            Command::DescribeEntry(command) => Self {
                by: command.actor.principal.clone(),
                wanted: Wanted::Said(place(&command.namespace, &command.key), command.meta.clone()),
            },
            Command::DeclareNamespace(command) => Self {
                by: command.governance.statement.user.actor().principal,
                wanted: Wanted::Settings {
                    path: command.path.clone(),
                    object: Some(command.claim.name.clone()),
                    governance: command.settings.governance.clone(),
                },
            },
            Command::PutNamespace(command) => Self {
                by: command.actor.principal.clone(),
                wanted: Wanted::Settings {
                    path: command.path.clone(),
                    object: None,
                    governance: command.settings.governance.clone(),
                },
            },
            Command::InitialiseCluster(_)
            | Command::RegisterStampKey(_)
            | Command::AddStampKey(_)
            | Command::ReleaseNamespace(_)
            | Command::SubmitRequest(_)
            | Command::ApproveRequest(_)
            | Command::RejectRequest(_)
            | Command::WithdrawRequest(_)
            | Command::PutEntry(_)
            | Command::DeleteEntry(_)
            | Command::PutDraft(_)
            | Command::DeleteDraft(_)
            | Command::OpenRequest(_)
            | Command::PublishApproved(_)
            | Command::RollBackEntry(_)
            | Command::DeleteNamespace(_)
            | Command::PutSchema(_)
            | Command::IssueApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::RecordDelivery(_)
            | Command::NoteRotation(_)
            | Command::RecoverCluster(_)
            | Command::CompareReplicas(_) => unreachable!("{command:?} waits for no admin"),
        }
    }
}

impl Judge {
    /// Another admin of `/` has agreed.
    pub(super) fn agreed(&mut self, review: &ReviewRequest) {
        let pending = self.pending.remove(review.request_id.as_str());
        let Pending { by, wanted } = pending.expect("it is there");
        let Review::Authenticated(review) = &review.review else {
            unreachable!("nobody stamps that");
        };
        let approver = &review.actor;
        assert_ne!(approver.principal, by, "another one agreed");
        self.may((approver, Role::Admin), &NamespacePath::root());
        match wanted {
            Wanted::Settings {
                path,
                object,
                governance,
            } => {
                self.rights.govern(&path, governance);
                self.claims.extend(object.map(|object| (object, path)));
            }
            Wanted::Said(place, meta) => self.keys.described(place, meta),
            Wanted::Persons(persons) => self.rights.identify(persons),
        }
    }
}
