//! What random histories must have done: a proof that tried nothing proves nothing.

use std::collections::BTreeMap;

use confman_core::entry::Version;
use confman_core::ids::NamespacePath;
use confman_core::memory::MemoryState;
use confman_core::namespace::effective_workflow;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::proposal::{Command, DeleteDraft, Review, ReviewRequest};
use confman_core::publish_request::{GovernanceChange, Operation, PublishRequest, RequestState, Subject};
use confman_core::state::StateView as _;

use crate::invariants::sampled;
use crate::judge::version_of;
use crate::world::{Entry, World, changes_something};

/// What must be done, and how often at least in so many histories.
const LEAST: [(&str, usize); 23] = [
    ("a deletion is asked for by an object", 100),
    ("a deletion is asked for over HTTP", 100),
    ("a deletion that several had to approve is published", 5),
    ("a deletion is published by the last approval", 40),
    ("a deletion is published by hand", 5),
    ("a deletion is of the past", 10),
    ("a deleted key comes again", 10),
    ("a key is written directly", 40),
    ("a key is deleted directly", 40),
    ("a deletion is refused without approval", 100),
    ("a draft is written", 100),
    ("a draft is thrown away", 100),
    ("a draft is thrown away that an open request came from", 20),
    ("what is approved waits", 100),
    ("a publisher publishes over HTTP", 40),
    ("a publisher publishes by a stamp", 40),
    ("a publisher finds that the base has moved", 5),
    ("a publisher finds too few approvals", 5),
    ("a request stays manual", 2),
    ("a key is described at once", 100),
    ("another admin agrees to what is said of a key", 40),
    ("another admin agrees to looser settings", 40),
    ("a key is refused that a namespace above keeps", 20),
];
const HISTORIES: usize = 1024;

/// The state that a history has come to, and what was done on the way.
#[derive(Default)]
struct Deeds {
    state: MemoryState,
    done: BTreeMap<&'static str, usize>,
}

impl Deeds {
    fn watch(&mut self, world: &World) {
        self.state = MemoryState::default();
        for entry in &world.log {
            self.see(entry);
            self.state.commit(entry.applied.changes.clone());
        }
    }

    fn did(&mut self, deed: &'static str, is_done: bool) {
        *self.done.entry(deed).or_default() += usize::from(is_done);
    }

    fn see(&mut self, entry: &Entry) {
        let outcome = match &entry.applied.result {
            Ok(outcome) if changes_something(&entry.applied) => outcome,
            Ok(_) => return,
            Err(rejection) => return self.refused(&entry.proposal.command, rejection),
        };
        if let Some(version) = entry.applied.changes.iter().find_map(version_of) {
            self.published(version);
        }
        let command = &entry.proposal.command;
        self.did("a key is written directly", matches!(command, Command::PutEntry(_)));
        self.did("a key is deleted directly", matches!(command, Command::DeleteEntry(_)));
        self.did("a draft is written", matches!(command, Command::PutDraft(_)));
        let is_described = matches!(outcome, Outcome::EntryDescribed);
        self.did("a key is described at once", is_described);
        if let Command::DeleteDraft(command) = command {
            self.thrown_away(command);
        }
        if let Outcome::Request(request) = outcome {
            self.worked_on(command, request);
        }
    }

    fn thrown_away(&mut self, command: &DeleteDraft) {
        self.did("a draft is thrown away", true);
        let comes_from_it = |request: &PublishRequest| {
            let is_of_it = request.namespace == command.namespace && request.key() == Some(&command.key);
            let by_draft = request.spec().is_some_and(|spec| spec.draft.is_some());
            is_of_it && by_draft && request.state == RequestState::PendingReview
        };
        let is_needed = self.state.requests().any(comes_from_it);
        self.did("a draft is thrown away that an open request came from", is_needed);
    }

    fn worked_on(&mut self, command: &Command, request: &PublishRequest) {
        let asks_to_delete = request.state == RequestState::PendingReview && is_deletion(request);
        let (by_object, by_call) = (
            matches!(command, Command::SubmitRequest(_)),
            matches!(command, Command::OpenRequest(_)),
        );
        self.did("a deletion is asked for by an object", by_object && asks_to_delete);
        self.did("a deletion is asked for over HTTP", by_call && asks_to_delete);
        if let Command::ApproveRequest(_) = command {
            self.approved(request);
        }
        if let Command::PublishApproved(review) = command {
            self.published_by_hand(review, request);
        }
    }

    fn refused(&mut self, command: &Command, rejection: &Rejection) {
        let unreviewed = matches!(command, Command::DeleteEntry(_));
        let is_required = matches!(rejection, Rejection::ApprovalRequired { .. });
        self.did("a deletion is refused without approval", unreviewed && is_required);
        let by_hand = matches!(command, Command::PublishApproved(_));
        let are_too_few = matches!(rejection, Rejection::NotEnoughApprovals { .. });
        self.did("a publisher finds too few approvals", by_hand && are_too_few);
        let is_kept = matches!(rejection, Rejection::FinalKey { .. });
        self.did("a key is refused that a namespace above keeps", is_kept);
    }

    fn published(&mut self, version: &Version) {
        let value_of = |number| {
            let version = self.state.version(&version.namespace, &version.key, number);
            version
                .expect("memory is always readable")
                .and_then(|version| version.value)
        };
        let was_gone = version.number > 1 && value_of(version.number - 1).is_none();
        self.did("a deleted key comes again", was_gone && version.value.is_some());
    }

    fn approved(&mut self, request: &PublishRequest) {
        let is_published = request.state == RequestState::Published;
        match &request.subject {
            Subject::Key(_) => {
                self.decided(request);
                let is_deleted = is_published && is_deletion(request);
                self.did("a deletion is published by the last approval", is_deleted);
                let waits = request.state == RequestState::Approved;
                self.did("what is approved waits", waits);
                let is_automatic = !self.is_manual(&request.namespace);
                self.did("a request stays manual", waits && is_automatic);
            }
            Subject::Governance(change) => match change.as_ref() {
                GovernanceChange::Settings(_) => self.did("another admin agrees to looser settings", is_published),
                GovernanceChange::Entry { .. } => {
                    self.did("another admin agrees to what is said of a key", is_published);
                }
                GovernanceChange::Identity(_) | GovernanceChange::StampKey(_) => {}
            },
        }
    }

    fn published_by_hand(&mut self, review: &ReviewRequest, request: &PublishRequest) {
        self.decided(request);
        let is_published = request.state == RequestState::Published;
        let by = match &review.review {
            Review::Authenticated(_) => "a publisher publishes over HTTP",
            Review::Stamped(_) => "a publisher publishes by a stamp",
        };
        self.did(by, is_published);
        self.did("a publisher finds that the base has moved", !is_published);
        self.did("a deletion is published by hand", is_published && is_deletion(request));
    }

    /// Published or of the past, by whomever.
    fn decided(&mut self, request: &PublishRequest) {
        let is_published = request.state == RequestState::Published;
        let is_of_the_past = request.state == RequestState::Superseded;
        let by_several = is_published && request.required_approvals > 1;
        self.did(
            "a deletion that several had to approve is published",
            by_several && is_deletion(request),
        );
        self.did("a deletion is of the past", is_of_the_past && is_deletion(request));
    }

    fn is_manual(&self, namespace: &NamespacePath) -> bool {
        let places = std::iter::once(namespace.clone()).chain(namespace.ancestors());
        let lineage: Vec<_> = places
            .filter_map(|place| self.state.namespace(&place).expect("memory is always readable"))
            .collect();
        effective_workflow(lineage.iter().map(AsRef::as_ref)).waits_for_publisher()
    }
}

fn is_deletion(request: &PublishRequest) -> bool {
    request.operation() == Operation::Delete
}

#[test]
fn histories_do_all_that_people_can_try_with_a_key() {
    let mut deeds = Deeds::default();
    sampled(HISTORIES).for_each(|world| deeds.watch(&world));
    let counted = |deed: &str| deeds.done.get(deed).copied().unwrap_or(0);
    let missing: Vec<_> = LEAST
        .into_iter()
        .filter(|(deed, least)| counted(deed) < *least)
        .collect();
    assert_eq!(missing, [], "of {:#?}", deeds.done);
    assert_eq!(deeds.done.len(), LEAST.len(), "every deed has its least");
}
