//! Creates and changes config namespaces, wherever that was asked for: what tightens holds at once, what loosens becomes
//! a request that others decide.

use std::collections::BTreeSet;

use crate::access::{Action, Role};
use crate::audit::AuditAction;
use crate::digest::Digest;
use crate::ids::{ConfigKey, NamespacePath};
use crate::namespace::{Claim, ConfigNamespace, NamespaceSettings, each, effective_retention};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Actor;
use crate::publish_request::{GovernanceChange, PublishRequest, RequestState, SettingsChange, StepKind, Subject};
use crate::state::{Change, StateView};
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::caller::Caller;
use super::context::{Context, Lineage, Step, Stop, check_may, granting_groups, invalid};
use super::governance::{self, check_floor, loosening, loosens};
use super::governance_base::content_digest;
use super::journal::{Journal, Transition};
use super::opening::id_of_entry;
use super::review::step;

/// What a namespace is asked to be.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a NamespacePath,
    pub(super) settings: &'a NamespaceSettings,
    /// The object that asks, and the digest of its stamp; none over HTTP.
    pub(super) claim: Option<(&'a Claim, Digest)>,
    pub(super) caller: &'a Caller,
}

impl Wanted<'_> {
    fn claim(&self) -> Option<Claim> {
        self.claim.map(|(claim, _)| claim.clone())
    }

    fn stamp(&self) -> Option<Digest> {
        self.claim.map(|(_, stamp)| stamp)
    }
}

/// Creates a namespace below the nearest of `ancestors`.
pub(super) fn create<V: StateView>(
    context: &Context<'_, V>,
    wanted: &Wanted<'_>,
    ancestors: &Lineage,
) -> Step<Accepted, V> {
    // `/` exists from bootstrap on, so only a state without a cluster has none.
    let parent = ancestors.first().ok_or(Rejection::ClusterNotInitialised)?;
    let actor = &wanted.caller.actor;
    check_may(actor, Action::Govern, ancestors, &parent.path)?;
    check_names_no_key(context, wanted.path)?;
    let governance = &wanted.settings.governance;
    check_floor(governance.workflow, ancestors)?;
    if let Some(detail) = governance::looser_than_inherited(governance, ancestors) {
        Err(loosening(format!(
            "{detail}; create it as its ancestors are, then ask for this"
        )))?;
    }
    governance::check_schema(context, governance)?;
    let below = context.view.namespaces_below(wanted.path).map_err(Stop::Fault)?;
    check_children(context, wanted, (actor, parent), &below)?;
    check_past(context, wanted, ancestors, &below)?;
    let groups = granting_groups(actor, Action::Govern, ancestors);
    let transition = Transition::new(AuditAction::NamespaceCreated, wanted.caller.principal(), wanted.path)
        .by(wanted.caller, groups)
        .change(governance::change(None, governance));
    let namespace = ConfigNamespace {
        path: wanted.path.clone(),
        claim: wanted.claim(),
        settings: wanted.settings.clone(),
        governance_stamp: wanted.stamp(),
        created_at: context.time,
        created_by: wanted.caller.principal().clone(),
        updated_at: context.time,
        updated_by: wanted.caller.principal().clone(),
        revision: context.at.index,
        governance_request: None,
    };
    let mut journal = Journal::new(context);
    put(&mut journal, namespace.clone());
    journal.record(transition);
    Ok(journal.accept(declared(&namespace)))
}

fn check_names_no_key<V: StateView>(context: &Context<'_, V>, path: &NamespacePath) -> Step<(), V> {
    let Some((above, name)) = path.split_last() else {
        return Ok(());
    };
    let Ok(key) = ConfigKey::parse(name) else {
        return Ok(());
    };
    match context.entry(&above, &key)? {
        Some(entry) if entry.live.is_some() => Err(Rejection::NameTaken {
            path: path.to_string(),
            existing: "key".to_owned(),
        })?,
        Some(_) | None => Ok(()),
    }
}

/// Where keys of an earlier namespace are, or other namespaces below, nothing may hold that would have to be asked for
/// there: shorter retention, or roles of people who could not read what is kept.
fn check_past<V: StateView>(
    context: &Context<'_, V>,
    wanted: &Wanted<'_>,
    ancestors: &Lineage,
    below: &Lineage,
) -> Step<(), V> {
    let governance = &wanted.settings.governance;
    let has_past = context.view.has_entries(wanted.path).map_err(Stop::Fault)?;
    if !has_past && below.is_empty() {
        return Ok(());
    }
    let was = effective_retention(each(ancestors));
    let becomes = governance.history_retention.or(was);
    if let Some(detail) = governance::looser_retention(was, becomes) {
        Err(loosening(format!("{detail}; create it without, then ask for this")))?;
    }
    if has_past && governance.roles.values().any(|subjects| !subjects.is_empty()) {
        Err(loosening(format!(
            "{} existed before and its history is kept, which the roles would open; create it without roles, then ask \
             for them",
            wanted.path
        )))?;
    }
    Ok(())
}

/// A namespace put between others governs the ones below it: their admins must agree, and nothing may get looser there.
fn check_children<V: StateView>(
    context: &Context<'_, V>,
    wanted: &Wanted<'_>,
    (actor, parent): (&Actor, &ConfigNamespace),
    below: &Lineage,
) -> Step<(), V> {
    let Some(first) = below.first() else {
        return Ok(());
    };
    for child in below {
        check_may(actor, Action::Govern, &context.lineage(&child.path)?, &child.path)?;
    }
    let governance = &wanted.settings.governance;
    if !governance.inherit {
        Err(loosening(format!(
            "inherit would be cut between {} and {}",
            parent.path, first.path
        )))?;
    }
    if governance.roles.values().any(|subjects| !subjects.is_empty()) {
        Err(loosening(format!("the roles would also hold in {}", first.path)))?;
    }
    Ok(())
}

/// Changes `present`, the first of `lineage`: at once, or by a request where it gets looser.
pub(super) fn update<V: StateView>(
    context: &Context<'_, V>,
    wanted: &Wanted<'_>,
    lineage: &Lineage,
) -> Step<Accepted, V> {
    let (Some(present), Some(ancestors)) = (lineage.first(), lineage.get(1..)) else {
        return Err(Rejection::ClusterNotInitialised)?;
    };
    let actor = &wanted.caller.actor;
    check_may(actor, Action::Govern, lineage, wanted.path)?;
    let governance = &wanted.settings.governance;
    check_floor(governance.workflow, ancestors)?;
    check_root_keeps_an_admin(wanted.path, wanted.settings)?;
    governance::check_schema(context, governance)?;
    let mut journal = Journal::new(context);
    replace_pending(context, &mut journal, present, wanted.caller)?;
    let groups = granting_groups(actor, Action::Govern, lineage);
    if let Some(loosens) = loosens(present, governance, ancestors) {
        let change = GovernanceChange::Settings(SettingsChange {
            settings: wanted.settings.clone(),
            claim: wanted.claim(),
            governance_stamp: wanted.stamp(),
            loosens,
        });
        return ask(context, journal, (wanted.caller, lineage), change);
    }
    let transition = Transition::new(AuditAction::NamespaceUpdated, wanted.caller.principal(), wanted.path)
        .by(wanted.caller, groups)
        .change(governance::change(Some(&present.settings.governance), governance));
    let namespace = ConfigNamespace {
        claim: wanted.claim(),
        settings: wanted.settings.clone(),
        governance_stamp: wanted.stamp(),
        updated_at: context.time,
        updated_by: wanted.caller.principal().clone(),
        revision: context.at.index,
        ..ConfigNamespace::clone(present)
    };
    put(&mut journal, namespace.clone());
    journal.record(transition);
    Ok(journal.accept(declared(&namespace)))
}

/// `/` must have someone who can decide about it.
pub(super) fn check_root_keeps_an_admin(path: &NamespacePath, settings: &NamespaceSettings) -> Result<(), Rejection> {
    let admins = settings.governance.roles.get(&Role::Admin);
    if path.is_root() && admins.is_none_or(BTreeSet::is_empty) {
        return Err(invalid("roles", "/ needs at least one admin"));
    }
    Ok(())
}

/// The answer that names `namespace`.
pub(super) fn declared(namespace: &ConfigNamespace) -> Outcome {
    Outcome::NamespaceDeclared {
        path: namespace.path.clone(),
        revision: namespace.revision,
    }
}

/// Writes the namespace, and the claim of its object.
pub(super) fn put(journal: &mut Journal, namespace: ConfigNamespace) {
    if let Some(claim) = &namespace.claim {
        journal.put(Change::PutClaim {
            kubernetes_namespace: claim.kubernetes_namespace.clone(),
            name: claim.name.clone(),
            path: namespace.path.clone(),
        });
    }
    journal.put(Change::PutNamespace(Box::new(namespace)));
}

/// Opens the request that decides about `change` of the first namespace of `lineage`.
pub(super) fn ask<V: StateView>(
    context: &Context<'_, V>,
    mut journal: Journal,
    (caller, lineage): (&Caller, &Lineage),
    change: GovernanceChange,
) -> Step<Accepted, V> {
    let present = lineage.first().ok_or(Rejection::ClusterNotInitialised)?;
    let is_settings = matches!(change, GovernanceChange::Settings(_));
    let spec_digest = Digest::of_canonical(&change);
    let digest = content_digest(context, &present.path, &change, present.revision)?;
    let mut request = PublishRequest {
        id: id_of_entry(context)?,
        object: None,
        namespace: present.path.clone(),
        subject: Subject::Governance(Box::new(change)),
        value: None,
        spec_digest,
        digest,
        base_version: present.revision,
        requested_by: caller.principal().clone(),
        contributors: [caller.principal().clone(), caller.login.clone()].into(),
        required_approvals: 1 + u8::from(!context.cluster()?.identity.is_human(&caller.login)),
        state: RequestState::PendingReview,
        steps: Vec::new(),
        published_version: None,
        resubmits: None,
        is_sensitive: false,
        waits_for_publisher: false,
    };
    let reason = request.reason().map(str::to_owned);
    let submitted = step(context, StepKind::Submitted, caller.principal(), reason.as_deref());
    request.steps.push(submitted);
    let groups = granting_groups(&caller.actor, Action::Govern, lineage);
    let transition = Transition::new(AuditAction::RequestSubmitted, caller.principal(), &present.path);
    journal.record(
        transition
            .by(caller, groups)
            .of_request(&request)
            .comment(reason.as_deref()),
    );
    journal.tell(context, lineage, WebhookEvent::Submitted)?;
    if is_settings {
        // The revision stays: the settings in force are what they were.
        journal.put(Change::PutNamespace(Box::new(ConfigNamespace {
            governance_request: Some(request.id.clone()),
            ..ConfigNamespace::clone(present)
        })));
    }
    let outcome = Outcome::GovernancePending {
        path: present.path.clone(),
        request_id: request.id.clone(),
    };
    journal.put(Change::PutRequest(Box::new(request)));
    Ok(journal.accept(outcome))
}

/// Newer settings take the place of those that still wait.
fn replace_pending<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    present: &ConfigNamespace,
    caller: &Caller,
) -> Step<(), V> {
    let Some(mut request) = last_request(context, present)?.filter(|request| !request.state.is_final()) else {
        return Ok(());
    };
    let note = "newer settings were asked for";
    request.state = RequestState::Withdrawn;
    request
        .steps
        .push(step(context, StepKind::Withdrawn, caller.principal(), Some(note)));
    let transition = Transition::new(AuditAction::RequestWithdrawn, caller.principal(), &present.path);
    journal.record(
        transition
            .by(caller, BTreeSet::new())
            .of_request(&request)
            .comment(Some(note)),
    );
    journal.put(Change::PutRequest(Box::new(request)));
    Ok(())
}

/// The last request for looser settings of `namespace`.
pub(super) fn last_request<V: StateView>(
    context: &Context<'_, V>,
    namespace: &ConfigNamespace,
) -> Step<Option<PublishRequest>, V> {
    match &namespace.governance_request {
        Some(id) => Ok(Some(context.request(id)?)),
        None => Ok(None),
    }
}
