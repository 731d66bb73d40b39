//! Collects the changes of one command and chains its audit events to the ones before.

use std::collections::BTreeSet;

use crate::audit::{AuditAction, AuditActor, AuditChange, AuditEvent, AuditHead, AuditResource, AuditWorkflow};
use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, Timestamp};
use crate::outcome::Outcome;
use crate::principal::{Actor, Principal};
use crate::publish_request::PublishRequest;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::Context;

/// The changes of one log entry, audit events included.
pub(super) struct Journal {
    at: LogPosition,
    time: Timestamp,
    trace_id: Option<String>,
    head: AuditHead,
    seq: u32,
    changes: Vec<Change>,
}

/// One transition, as the command describes it.
pub(super) struct Transition {
    action: AuditAction,
    actor: AuditActor,
    resource: AuditResource,
    change: Option<AuditChange>,
    workflow: Option<AuditWorkflow>,
    comment: Option<String>,
}

impl Transition {
    /// `action` by `principal` on a whole namespace.
    pub(super) fn new(action: AuditAction, principal: &Principal, namespace: &NamespacePath) -> Self {
        Self {
            action,
            actor: AuditActor {
                principal: principal.clone(),
                groups: BTreeSet::new(),
                stamp_key_id: None,
                ip: None,
            },
            resource: AuditResource {
                namespace: namespace.clone(),
                key: None,
            },
            change: None,
            workflow: None,
            comment: None,
        }
    }

    /// With the address that the actor called from.
    pub(super) fn by(mut self, actor: &Actor) -> Self {
        self.actor.ip.clone_from(&actor.ip);
        self
    }

    /// By a stamp that the key `key_id` signed; `groups` of it gave the right.
    pub(super) fn stamped(mut self, key_id: &str, groups: BTreeSet<Principal>) -> Self {
        self.actor.stamp_key_id = Some(key_id.to_owned());
        self.actor.groups = groups;
        self
    }

    /// On one key.
    pub(super) fn key(mut self, key: &ConfigKey) -> Self {
        self.resource.key = Some(key.clone());
        self
    }

    /// With what changed.
    pub(super) fn change(mut self, change: AuditChange) -> Self {
        self.change = Some(change);
        self
    }

    /// Under `request`, as it is after the transition.
    pub(super) fn request(mut self, request: &PublishRequest) -> Self {
        self.workflow = Some(AuditWorkflow {
            request_id: request.id.clone(),
            state: request.state,
            digest: request.digest,
        });
        self
    }

    /// With what the person wrote.
    pub(super) fn comment(mut self, comment: Option<&str>) -> Self {
        self.comment = comment.map(str::to_owned);
        self
    }
}

impl Journal {
    pub(super) fn new<V: StateView>(context: &Context<'_, V>) -> Self {
        Self {
            at: context.at,
            time: context.time,
            trace_id: context.trace_id.clone(),
            head: context.audit_head.clone(),
            seq: 0,
            changes: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn put(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds the event of one transition.
    pub(super) fn record(&mut self, transition: Transition) {
        let Transition {
            action,
            actor,
            resource,
            change,
            workflow,
            comment,
        } = transition;
        let mut event = AuditEvent {
            id: AuditEvent::id_of(self.at.index, self.seq),
            position: self.at,
            seq: self.seq,
            time: self.time,
            action,
            actor,
            resource,
            change,
            workflow,
            comment,
            trace_id: self.trace_id.clone(),
            previous_hash: self.head.hash,
            hash: Digest::ZERO,
        };
        event.hash = event.computed_hash();
        self.head.hash = event.hash;
        self.seq += 1;
        self.changes.push(Change::AppendAudit(Box::new(event)));
    }

    /// The command is accepted.
    pub(super) fn accept(self, outcome: Outcome) -> Accepted {
        Accepted {
            outcome,
            changes: self.changes,
        }
    }
}
