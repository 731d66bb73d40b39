//! A cluster in memory with an admission service that signs for anyone: what every test of the rules starts from.

use confman_core::access::Role;
use confman_core::apply::apply;
use confman_core::audit::{AuditAction, AuditHead};
use confman_core::digest::{Digest, governance_digest, spec_digest};
use confman_core::entry::Version;
use confman_core::idempotency::Idempotency;
use confman_core::ids::{LogPosition, NamespacePath, Timestamp};
use confman_core::memory::MemoryState;
use confman_core::namespace::{Governance, Workflow};
use confman_core::outcome::{Applied, Outcome, Rejection};
use confman_core::proposal::{Command, DeclareNamespace, Proposal, SubmitRequest, WithdrawCause, WithdrawRequest};
use confman_core::publish_request::{Decision, PublishRequest, RequestSpec};
use confman_core::stamp::{GovernanceStatement, RequesterStatement, ReviewStatement};
use confman_core::state::{Change, StateView as _};

use crate::builders::{
    KEY, KEY_DAYS, KUBERNETES_NAMESPACE, claim, cluster_id, governance, initialise, key, nonce, path, request_id,
    reviewing, seconds, settings, sign, spec, stamp_key, user, workflow, writing,
};

/// Everything that was proposed, and what came of it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) at: LogPosition,
    pub(crate) proposal: Proposal,
    pub(crate) applied: Applied,
}

/// A cluster: its state, its clock, its log.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: MemoryState,
    pub(crate) now: Timestamp,
    pub(crate) term: u64,
    pub(crate) log: Vec<Entry>,
}

impl World {
    /// Before bootstrap.
    pub(crate) fn empty() -> Self {
        Self {
            state: MemoryState::default(),
            now: seconds(0),
            term: 1,
            log: Vec::new(),
        }
    }

    /// Bootstrapped with admin `root`, one approver, and the stamp key [`KEY`].
    pub(crate) fn new() -> Self {
        Self::with_floor(workflow(1))
    }

    pub(crate) fn with_floor(floor: Workflow) -> Self {
        let mut world = Self::empty();
        let key = stamp_key(KEY, seconds(KEY_DAYS * 24 * 3600));
        world
            .apply(initialise("c1", &["root", "ruth"], floor, Some(key)))
            .expect("a bootstrap");
        world
    }

    /// With `/payments`, declared by `root` from the object `payments`: editor ada and eve, publisher bob, carol and
    /// dan, admin ann.
    pub(crate) fn with_payments(floor: Workflow) -> Self {
        let mut world = Self::with_floor(floor);
        let roles: &[(Role, &[&str])] = &[
            (Role::Editor, &["ada", "eve"]),
            (Role::Publisher, &["bob", "carol", "dan"]),
            (Role::Admin, &["ann"]),
        ];
        world
            .declare("root", "/payments", "payments", governance(roles))
            .expect("a declaration");
        world
    }

    pub(crate) fn position(&self) -> LogPosition {
        LogPosition {
            term: self.term,
            index: self.log.len() as u64 + 1,
        }
    }

    /// Proposes `command` now, as a call of its own.
    pub(crate) fn propose(&mut self, command: Command) -> Applied {
        self.propose_named(command, None)
    }

    /// Proposes `command` now, under the name of a call. A refusal must change nothing, and every change of a governed
    /// thing must leave an event.
    pub(crate) fn propose_named(&mut self, command: Command, idempotency: Option<Idempotency>) -> Applied {
        let proposal = Proposal {
            proposed_at: self.now,
            trace_id: None,
            idempotency,
            command,
        };
        let at = self.position();
        let applied = apply(&self.state, at, &proposal).expect("memory is always readable");
        if applied.result.is_err() {
            assert_eq!(applied.changes, [], "a refusal changes nothing");
        }
        let events = applied
            .changes
            .iter()
            .any(|change| matches!(change, Change::AppendAudit(_)));
        assert_eq!(events, changes_something(&applied), "{:?}", applied.changes);
        self.state.commit(applied.changes.clone());
        self.log.push(Entry {
            at,
            proposal,
            applied: applied.clone(),
        });
        applied
    }

    pub(crate) fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        self.propose(command).result
    }

    /// Events of the last entry.
    pub(crate) fn last_events(&self) -> Vec<AuditAction> {
        let changes = self.log.last().map(|entry| entry.applied.changes.iter());
        let event = |change: &Change| match change {
            Change::AppendAudit(event) => Some(event.action),
            Change::PutCluster(_)
            | Change::PutStampKey(_)
            | Change::PutNonce { .. }
            | Change::PutAppliedSpec { .. }
            | Change::PutNamespace(_)
            | Change::PutClaim { .. }
            | Change::DeleteClaim { .. }
            | Change::PutEntry(_)
            | Change::PutVersion(_)
            | Change::DeleteNamespace(_)
            | Change::DeleteVersion { .. }
            | Change::PutContentRevision { .. }
            | Change::PutDraft(_)
            | Change::DeleteDraft { .. }
            | Change::PutSchema(_)
            | Change::PutApiKey(_)
            | Change::PutDelivery(_)
            | Change::DeleteDelivery { .. }
            | Change::PutTargetHealth(_)
            | Change::PutIdempotency(_)
            | Change::DeleteIdempotency { .. }
            | Change::PutRequest(_) => None,
        };
        changes.into_iter().flatten().filter_map(event).collect()
    }

    pub(crate) fn head(&self) -> AuditHead {
        self.state.audit_head().expect("memory is always readable")
    }

    pub(crate) fn request(&self, id: &str) -> Option<PublishRequest> {
        self.state.request(&request_id(id)).expect("memory is always readable")
    }

    pub(crate) fn live(&self, namespace: &str, name: &str) -> Option<Version> {
        let (namespace, name) = (path(namespace), key(name));
        let entry = self
            .state
            .entry(&namespace, &name)
            .expect("memory is always readable")?;
        let version = self.state.version(&namespace, &name, entry.live?);
        version.expect("memory is always readable")
    }

    /// The path that the object `name` has declared.
    pub(crate) fn claimed(&self, name: &str) -> Option<NamespacePath> {
        let claimed = self.state.claimed_path(KUBERNETES_NAMESPACE, name);
        claimed.expect("memory is always readable")
    }

    /// A governance statement that `name` makes now, following the stamp in force.
    pub(crate) fn governance_statement(
        &self,
        name: &str,
        at: &str,
        object: &str,
        governance: &Governance,
    ) -> GovernanceStatement {
        let present = self.state.namespace(&path(at)).expect("memory is always readable");
        GovernanceStatement {
            cluster_id: cluster_id("c1"),
            kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
            name: object.to_owned(),
            path: path(at),
            governance_digest: governance_digest(governance),
            previous: present.and_then(|present| present.governance_stamp),
            user: user(name),
            time: self.now,
        }
    }

    pub(crate) fn declaration(&self, name: &str, at: &str, object: &str, governance: Governance) -> DeclareNamespace {
        let statement = self.governance_statement(name, at, object, &governance);
        DeclareNamespace {
            claim: claim(object),
            path: path(at),
            governance: sign(statement, KEY),
            settings: settings(governance),
        }
    }

    pub(crate) fn declare(
        &mut self,
        name: &str,
        at: &str,
        object: &str,
        governance: Governance,
    ) -> Result<Outcome, Rejection> {
        let command = self.declaration(name, at, object, governance);
        self.apply(Command::DeclareNamespace(command))
    }

    /// What the requester's stamp says about `spec` in the object `id`.
    pub(crate) fn requester_statement(&self, name: &str, id: &str, spec: &RequestSpec) -> RequesterStatement {
        RequesterStatement {
            cluster_id: cluster_id("c1"),
            kubernetes_namespace: KUBERNETES_NAMESPACE.to_owned(),
            name: id.to_owned(),
            spec_digest: spec_digest(spec),
            user: user(name),
            nonce: nonce(id),
            time: self.now,
        }
    }

    pub(crate) fn submission(&self, name: &str, id: &str, spec: RequestSpec) -> SubmitRequest {
        SubmitRequest {
            request_id: request_id(id),
            requester: sign(self.requester_statement(name, id, &spec), KEY),
            spec,
            verdict: None,
        }
    }

    pub(crate) fn submit_spec(&mut self, name: &str, id: &str, spec: RequestSpec) -> Result<Outcome, Rejection> {
        let command = self.submission(name, id, spec);
        self.apply(Command::SubmitRequest(command))
    }

    /// `name` asks under `id` for `text` at `rate` of `/payments`.
    pub(crate) fn submit(&mut self, name: &str, id: &str, text: &str) -> Result<Outcome, Rejection> {
        self.submit_spec(name, id, spec("payments", "rate", text))
    }

    /// What a review of `id` says that copies everything from the object.
    pub(crate) fn review_statement(&self, name: &str, id: &str, decision: Decision) -> ReviewStatement {
        let request = self.request(id);
        ReviewStatement {
            cluster_id: cluster_id("c1"),
            object_uid: id.to_owned(),
            requester: request
                .as_ref()
                .and_then(|request| request.object.as_ref())
                .map_or_else(String::new, |object| object.requested_by_username.clone()),
            digest: request.map_or(Digest::ZERO, |request| request.digest),
            user: user(name),
            decision,
            comment: None,
            time: self.now,
        }
    }

    pub(crate) fn review(&mut self, name: &str, id: &str, decision: Decision) -> Result<Outcome, Rejection> {
        let statement = self.review_statement(name, id, decision);
        self.apply(reviewing(id, sign(statement, KEY)))
    }

    pub(crate) fn approve(&mut self, name: &str, id: &str) -> Result<Outcome, Rejection> {
        self.review(name, id, Decision::Approve)
    }

    pub(crate) fn reject(&mut self, name: &str, id: &str) -> Result<Outcome, Rejection> {
        self.review(name, id, Decision::Reject)
    }

    pub(crate) fn withdraw(&mut self, name: &str, id: &str) -> Result<Outcome, Rejection> {
        self.review(name, id, Decision::Withdraw)
    }

    pub(crate) fn object_deleted(&mut self, id: &str) -> Result<Outcome, Rejection> {
        self.apply(Command::WithdrawRequest(WithdrawRequest {
            request_id: request_id(id),
            cause: WithdrawCause::ObjectDeleted,
        }))
    }

    /// `name` writes `text` at `rate` of `/payments` without asking anyone.
    pub(crate) fn put(&mut self, name: &str, text: &str) -> Result<Outcome, Rejection> {
        self.apply(writing(name, "/payments", "rate", text))
    }
}

/// True if something that people govern has changed.
pub(crate) fn changes_something(applied: &Applied) -> bool {
    applied.changes.iter().any(|change| !is_bookkeeping(change))
}

/// True of what is no part of what people govern: calls that are remembered, and deliveries.
fn is_bookkeeping(change: &Change) -> bool {
    matches!(
        change,
        Change::PutIdempotency(_)
            | Change::DeleteIdempotency { .. }
            | Change::PutDelivery(_)
            | Change::DeleteDelivery { .. }
            | Change::PutTargetHealth(_)
    )
}
