//! Collects the changes of one command and chains its audit events to the ones before.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{AuditAction, AuditActor, AuditChange, AuditEvent, AuditHead, AuditResource, AuditWorkflow};
use crate::digest::Digest;
use crate::ids::{ConfigKey, LogPosition, NamespacePath, Timestamp};
use crate::namespace::{each, inherited};
use crate::outcome::Outcome;
use crate::principal::Principal;
use crate::publish_request::PublishRequest;
use crate::state::{Change, StateView};
use crate::webhook::{TargetHealth, TargetName, WebhookEvent, deliveries_for};

use super::Accepted;
use super::caller::Caller;
use super::context::{Context, Lineage, Step};
use super::record_delivery::health_of;

/// The changes of one log entry, audit events included.
pub(super) struct Journal {
    at: LogPosition,
    time: Timestamp,
    trace_id: Option<String>,
    head: AuditHead,
    seq: u32,
    changes: Vec<Change>,
    /// Records of the targets that are told, written at the end: one entry may tell a target several things.
    told: BTreeMap<(NamespacePath, TargetName), TargetHealth>,
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
                login: None,
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

    /// By `caller`; `groups` of theirs gave the right.
    pub(super) fn by(mut self, caller: &Caller, groups: BTreeSet<Principal>) -> Self {
        self.actor = AuditActor {
            principal: caller.actor.principal.clone(),
            login: (caller.login != caller.actor.principal).then(|| caller.login.clone()),
            groups,
            stamp_key_id: caller.stamp_key_id.clone(),
            ip: caller.actor.ip.clone(),
        };
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

    /// On what `request` is about, and under it, as it is after the transition.
    pub(super) fn of_request(mut self, request: &PublishRequest) -> Self {
        self.workflow = Some(AuditWorkflow {
            request_id: request.id.clone(),
            state: request.state,
            digest: request.digest,
            operation: Some(request.operation()),
            base_version: Some(request.base_version),
            to_version: request.spec().and_then(|spec| spec.to_version),
            required_approvals: Some(request.required_approvals),
            contributors: request.contributors.clone(),
        });
        self.resource.key = request.key().cloned();
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
            told: BTreeMap::new(),
        }
    }

    /// Adds a row.
    pub(super) fn put(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds rows.
    pub(super) fn put_all(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.changes.extend(changes);
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

    /// Tells the webhooks of `lineage` about the transition recorded last. A target for which too much waits already is
    /// not told.
    pub(super) fn tell<V: StateView>(
        &mut self,
        context: &Context<'_, V>,
        lineage: &Lineage,
        event: WebhookEvent,
    ) -> Step<(), V> {
        let event_id = AuditEvent::id_of(self.at.index, self.seq.saturating_sub(1));
        let targets =
            inherited(each(lineage)).map(|namespace| (&namespace.path, namespace.settings.webhooks.as_slice()));
        for delivery in deliveries_for(targets, event, &event_id, self.time) {
            let place = (delivery.namespace.clone(), delivery.target.clone());
            let health = match self.told.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(health_of(context, &delivery)?),
            };
            if health.take_place() {
                self.changes.push(Change::PutDelivery(Box::new(delivery)));
            }
        }
        Ok(())
    }

    /// The command is accepted.
    pub(super) fn accept(self, outcome: Outcome) -> Accepted {
        let mut changes = self.changes;
        let told = self.told.into_values().map(Box::new);
        changes.extend(told.map(Change::PutTargetHealth));
        Accepted { outcome, changes }
    }
}
