//! Carries out what was approved: a version of the key, or new governance of the namespace.

use crate::audit::{AuditAction, AuditChange};
use crate::outcome::Rejection;
use crate::principal::Principal;
use crate::publish_request::{
    GovernanceChange, Operation, PublishRequest, RequestSpec, RequestState, StepKind, Subject,
};
use crate::schema::KeyRules;
use crate::state::StateView;
use crate::verdict::Verdict;
use crate::webhook::WebhookEvent;

use super::context::{Context, Lineage, Step, invalid, live_digest};
use super::enact::{self, Enacted};
use super::journal::{Journal, Transition};
use super::judge::{Judged, check, check_protected};
use super::opening::applied_spec;
use super::publish::{NewVersion, check_not_final, publish};
use super::review::step;

/// A request that is approved and whose base has not moved.
pub(super) struct GoingLive<'a> {
    pub(super) request: &'a mut PublishRequest,
    pub(super) lineage: &'a Lineage,
    /// In whose name.
    pub(super) publisher: &'a Principal,
    pub(super) approvers: Vec<Principal>,
    pub(super) verdict: Option<&'a Verdict>,
}

/// Carries the request out.
pub(super) fn go_live<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    going: GoingLive<'_>,
) -> Step<(), V> {
    match going.request.subject.clone() {
        Subject::Key(spec) => publish_key(context, journal, going, &spec),
        Subject::Governance(change) => enact(context, journal, going, &change),
    }
}

fn publish_key<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    going: GoingLive<'_>,
    spec: &RequestSpec,
) -> Step<(), V> {
    let GoingLive {
        request,
        lineage,
        publisher,
        approvers,
        verdict,
    } = going;
    let key = &spec.key;
    let live = context.live(&request.namespace, key)?;
    let judged = Judged {
        namespace: &request.namespace,
        lineage,
        live: live.as_ref().map_or(0, |version| version.number),
    };
    let rules = check(context, &judged, verdict)?;
    let value = request.new_value().cloned();
    if let Some(value) = &value {
        check_not_final(context, lineage, key)?;
        check_protected(&rules, key, value)?;
    }
    let is_sensitive = is_sensitive(&rules, request);
    let request_id = request.id.clone();
    let new = NewVersion {
        namespace: &request.namespace,
        key,
        value,
        published_by: publisher,
        request_id: Some(&request_id),
        approvers,
        is_sensitive,
    };
    let version = publish(context, journal, lineage, new)?;
    request.state = RequestState::Published;
    request.published_version = Some(version.number);
    request.is_sensitive = is_sensitive;
    request.steps.push(step(context, StepKind::Published, publisher, None));
    journal.put_all(applied_spec(request));
    let change = AuditChange {
        previous_version: live.as_ref().map(|version| version.number),
        new_version: Some(version.number),
        previous_digest: live_digest(live.as_ref()),
        new_digest: version.digest,
    };
    let transition = Transition::new(AuditAction::ConfigPublished, publisher, &request.namespace);
    journal.record(transition.of_request(request).change(change));
    journal.tell(context, lineage, told(spec.operation))
}

fn is_sensitive(rules: &KeyRules, request: &PublishRequest) -> bool {
    rules.hidden() || request.is_sensitive
}

fn told(operation: Operation) -> WebhookEvent {
    match operation {
        Operation::Put | Operation::Delete | Operation::Govern => WebhookEvent::Published,
        Operation::Rollback => WebhookEvent::RolledBack,
    }
}

fn enact<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    going: GoingLive<'_>,
    change: &GovernanceChange,
) -> Step<(), V> {
    let GoingLive {
        request,
        lineage,
        publisher,
        approvers: _,
        verdict: _,
    } = going;
    let namespace = lineage.first().ok_or_else(|| not_there(request))?;
    let enacted = match change {
        GovernanceChange::Settings(change) => {
            enact::settings(context, journal, (namespace, &request.requested_by), change)?
        }
        GovernanceChange::Entry { key, meta } => enact::entry(context, journal, (namespace, key), meta)?,
        GovernanceChange::Identity(identity) => enact::identity(context, journal, identity)?,
        GovernanceChange::StampKey(key) => enact::stamp_key(context, journal, key)?,
    };
    request.state = RequestState::Published;
    request.steps.push(step(context, StepKind::Published, publisher, None));
    let Enacted { action, change } = enacted;
    let transition = Transition::new(action, publisher, &request.namespace);
    journal.record(transition.of_request(request).change(change));
    Ok(())
}

fn not_there(request: &PublishRequest) -> Rejection {
    invalid("namespace", format!("{} is gone", request.namespace))
}
