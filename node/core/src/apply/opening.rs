//! Opens a publish request for one key, wherever it was asked for: what it would publish is fixed from here on.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::audit::AuditAction;
use crate::digest::{Content, Digest, content_digest, spec_digest};
use crate::entry::Version;
use crate::ids::{NamespacePath, RequestId};
use crate::namespace::{each, effective_workflow};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::publish_request::{Operation, PublishRequest, RequestObject, RequestSpec, RequestState, StepKind, Subject};
use crate::reviewers::required_approvals;
use crate::schema::KeyRules;
use crate::state::{Change, StateView};
use crate::value::ConfigValue;
use crate::verdict::Verdict;
use crate::webhook::WebhookEvent;

use super::Accepted;
use super::caller::Caller;
use super::context::{Context, Lineage, Step, Stop, check_length, granting_groups, invalid, live_digest};
use super::journal::{Journal, Transition};
use super::judge::{Judged, check, check_protected};
use super::publish::check_not_final;
use super::review::step;
use super::roll_back_entry::earlier;

/// A request about to be opened. The caller may submit here; that is checked.
pub(super) struct Opening<'a> {
    pub(super) id: RequestId,
    pub(super) object: Option<RequestObject>,
    pub(super) namespace: &'a NamespacePath,
    pub(super) lineage: &'a Lineage,
    pub(super) spec: &'a RequestSpec,
    pub(super) caller: &'a Caller,
    pub(super) resubmits: Option<RequestId>,
    pub(super) verdict: Option<&'a Verdict>,
}

/// What would go live, and who had a hand in it.
struct Proposed {
    /// None for a deletion.
    value: Option<ConfigValue>,
    contributors: BTreeSet<Principal>,
}

/// How a request begins. Manifests in Git come again and again: what is done already is not asked for twice, whatever
/// version it expects.
enum Beginning {
    /// People decide.
    Pending,
    /// The value is live, or the key is gone.
    AlreadyPublished,
    /// This spec of this object made this version before; putting it back would undo what came after.
    AlreadyApplied(u64),
}

/// Opens the request.
pub(super) fn open<V: StateView>(context: &Context<'_, V>, opening: Opening<'_>) -> Step<Accepted, V> {
    let live = context.live(opening.namespace, &opening.spec.key)?;
    let base_version = context.last_version(opening.namespace, &opening.spec.key)?;
    let proposed = proposed(context, &opening, live.as_ref())?;
    let beginning = beginning(context, &opening, &proposed, live.as_ref())?;
    let rules = match beginning {
        Beginning::Pending => judge(context, &opening, &proposed, live.as_ref())?,
        Beginning::AlreadyPublished | Beginning::AlreadyApplied(_) => KeyRules::default(),
    };
    let request = build(context, opening, proposed, (beginning, base_version, &rules))?;
    Ok(request)
}

/// Refuses a spec whose fields do not go with its operation, or that breaks a limit.
pub(super) fn check_spec(spec: &RequestSpec, most_bytes: usize) -> Result<(), Rejection> {
    let RequestSpec {
        namespace_ref: _,
        key: _,
        operation,
        value,
        expected_version: _,
        reason,
        on_behalf_of,
        to_version,
        draft,
    } = spec;
    check_operation(*operation, value.is_some(), draft.is_some(), *to_version)?;
    if let Some(actual) = value.as_ref().map(|value| value.canonical_bytes().len())
        && actual > most_bytes
    {
        let detail = format!("it has {actual} bytes, the limit is {most_bytes}");
        return Err(invalid("value", detail));
    }
    check_length("reason", reason.as_deref(), RequestSpec::MAX_REASON_BYTES)?;
    if on_behalf_of.len() > RequestSpec::MAX_ON_BEHALF_OF {
        let limit = RequestSpec::MAX_ON_BEHALF_OF;
        let detail = format!("{} people given, the limit is {limit}", on_behalf_of.len());
        return Err(invalid("onBehalfOf", detail));
    }
    on_behalf_of
        .iter()
        .try_for_each(|name| check_length("onBehalfOf", Some(name), Principal::MAX_NAME_BYTES))
}

fn check_operation(
    operation: Operation,
    has_value: bool,
    has_draft: bool,
    to_version: Option<u64>,
) -> Result<(), Rejection> {
    let needs = |field: &str, detail: &str| Err(invalid(field, format!("operation {operation:?} {detail}")));
    match operation {
        Operation::Put if has_value == has_draft => needs("value", "needs a value or a draft, and not both"),
        Operation::Put | Operation::Delete if to_version.is_some() => {
            needs("toVersion", "has no version to go back to")
        }
        Operation::Delete | Operation::Rollback if has_value || has_draft => needs("value", "has no value"),
        Operation::Rollback if to_version.is_none() => needs("toVersion", "needs the version to go back to"),
        Operation::Govern => needs("operation", "is asked for by changing the namespace"),
        Operation::Put | Operation::Delete | Operation::Rollback => Ok(()),
    }
}

fn proposed<V: StateView>(
    context: &Context<'_, V>,
    opening: &Opening<'_>,
    live: Option<&Version>,
) -> Step<Proposed, V> {
    let spec = opening.spec;
    let identity = &context.cluster()?.identity;
    let mut contributors = on_behalf_of(opening)?;
    contributors.insert(opening.caller.login.clone());
    // Under the names of now, too: who is behind a login may be known otherwise later.
    let persons: Vec<_> = contributors.iter().map(|login| identity.canonical(login)).collect();
    contributors.extend(persons);
    let value = match spec.operation {
        Operation::Put => {
            let draft = context.view.draft(opening.namespace, &spec.key).map_err(Stop::Fault)?;
            let wanted = spec.draft.or_else(|| spec.value.as_ref().map(ConfigValue::digest));
            // Whoever wrote the draft wrote the value, however it is handed in.
            let draft = draft.filter(|draft| Some(draft.value.digest()) == wanted);
            contributors.extend(draft.iter().flat_map(|draft| draft.contributors.iter().cloned()));
            let value = spec.value.clone().or_else(|| draft.map(|draft| draft.value));
            Some(value.ok_or_else(|| Rejection::DraftNotFound {
                namespace: opening.namespace.clone(),
                key: spec.key.clone(),
            })?)
        }
        Operation::Rollback => {
            let number = spec.to_version.unwrap_or(0);
            earlier(context, (opening.namespace, &spec.key), live, number)?.value
        }
        Operation::Delete | Operation::Govern => None,
    };
    Ok(Proposed { value, contributors })
}

/// The people whose change it is: Kubernetes knows them by user names, everybody else as subjects.
fn on_behalf_of(opening: &Opening<'_>) -> Result<BTreeSet<Principal>, Rejection> {
    let names = opening.spec.on_behalf_of.iter();
    if opening.object.is_some() {
        return Ok(names.map(|name| Principal::from_kubernetes_username(name)).collect());
    }
    names
        .map(|name| Principal::parse(name).map_err(|error| invalid("onBehalfOf", error.to_string())))
        .collect()
}

/// A version that is still there.
pub(super) fn retained<V: StateView>(
    context: &Context<'_, V>,
    namespace: &NamespacePath,
    key: &crate::ids::ConfigKey,
    number: u64,
) -> Step<Version, V> {
    let version = context.view.version(namespace, key, number).map_err(Stop::Fault)?;
    Ok(version.ok_or_else(|| Rejection::VersionNotFound {
        key: key.clone(),
        version: number,
    })?)
}

fn beginning<V: StateView>(
    context: &Context<'_, V>,
    opening: &Opening<'_>,
    proposed: &Proposed,
    live: Option<&Version>,
) -> Step<Beginning, V> {
    let spec = opening.spec;
    let wanted = proposed.value.as_ref().map(ConfigValue::digest);
    let is_done = match spec.operation {
        Operation::Put => live.is_some() && live_digest(live) == wanted,
        Operation::Delete => live.is_none() && opening.object.is_some(),
        Operation::Rollback | Operation::Govern => false,
    };
    if is_done {
        return Ok(Beginning::AlreadyPublished);
    }
    if let Some(version) = applied_before(context, opening)? {
        return Ok(Beginning::AlreadyApplied(version));
    }
    if spec.operation == Operation::Delete && live.is_none() {
        Err(Rejection::KeyNotFound {
            namespace: opening.namespace.clone(),
            key: spec.key.clone(),
        })?;
    }
    check_expected_version(spec, live)?;
    Ok(Beginning::Pending)
}

/// The version that this very spec of this very object made before.
fn applied_before<V: StateView>(context: &Context<'_, V>, opening: &Opening<'_>) -> Step<Option<u64>, V> {
    let Some(object) = &opening.object else {
        return Ok(None);
    };
    let digest = spec_digest(opening.spec);
    let applied = context
        .view
        .applied_spec(&object.kubernetes_namespace, &object.name, digest)
        .map_err(Stop::Fault)?;
    let Some(id) = applied else {
        return Ok(None);
    };
    let earlier = context.request(&id)?;
    // The object's `ConfigNamespace` may have been made again for another path.
    Ok(earlier
        .published_version
        .filter(|_| earlier.namespace == *opening.namespace))
}

fn check_expected_version(spec: &RequestSpec, live: Option<&Version>) -> Result<(), Rejection> {
    let live = live.map_or(0, |version| version.number);
    match spec.expected_version {
        Some(expected) if expected != live => Err(Rejection::VersionMismatch {
            key: spec.key.clone(),
            live,
            expected,
        }),
        Some(_) | None => Ok(()),
    }
}

fn judge<V: StateView>(
    context: &Context<'_, V>,
    opening: &Opening<'_>,
    proposed: &Proposed,
    live: Option<&Version>,
) -> Step<KeyRules, V> {
    let key = &opening.spec.key;
    let judged = Judged {
        namespace: opening.namespace,
        lineage: opening.lineage,
        live: live.map_or(0, |version| version.number),
    };
    let rules = check(context, &judged, opening.verdict)?;
    if let Some(value) = &proposed.value {
        check_not_final(context, opening.lineage, key)?;
        let is_plain = check_protected(&rules, key, value);
        if is_plain.is_err() && opening.object.is_some() {
            Err(Rejection::PlainSecretInObject { key: key.clone() })?;
        }
        is_plain?;
    }
    Ok(rules)
}

fn build<V: StateView>(
    context: &Context<'_, V>,
    opening: Opening<'_>,
    proposed: Proposed,
    (beginning, base_version, rules): (Beginning, u64, &KeyRules),
) -> Step<Accepted, V> {
    let Opening {
        id,
        object,
        namespace,
        lineage,
        spec,
        caller,
        resubmits,
        verdict: _,
    } = opening;
    let digest = content_digest(&Content {
        cluster_id: &context.cluster()?.cluster_id,
        namespace,
        key: &spec.key,
        operation: spec.operation,
        value_digest: proposed.value.as_ref().map(ConfigValue::digest),
        base_version,
        to_version: spec.to_version,
    });
    let (state, ended, published_version) = begun(&beginning, base_version);
    let requester = caller.principal();
    let mut steps = vec![step(context, StepKind::Submitted, requester, spec.reason.as_deref())];
    steps.extend(ended.map(|(kind, note)| step(context, kind, requester, Some(&note))));
    let request = PublishRequest {
        id,
        object,
        namespace: namespace.clone(),
        value: proposed.value.filter(|_| spec.value.is_none()),
        subject: Subject::Key(spec.clone()),
        spec_digest: spec_digest(spec),
        digest,
        base_version,
        requested_by: requester.clone(),
        contributors: proposed.contributors,
        required_approvals: required_approvals(lineage, &context.cluster()?.identity, requester),
        state,
        steps,
        published_version,
        resubmits,
        is_sensitive: rules.hidden(),
        waits_for_publisher: effective_workflow(each(lineage)).waits_for_publisher(),
    };
    write(context, (caller, lineage), request)
}

fn begun(beginning: &Beginning, base_version: u64) -> (RequestState, Option<(StepKind, String)>, Option<u64>) {
    match beginning {
        Beginning::Pending => (RequestState::PendingReview, None, None),
        Beginning::AlreadyPublished => (
            RequestState::Published,
            Some((StepKind::Published, "already published".to_owned())),
            Some(base_version),
        ),
        Beginning::AlreadyApplied(version) => (
            RequestState::Superseded,
            Some((StepKind::Superseded, format!("already applied as version {version}"))),
            Some(*version),
        ),
    }
}

/// The row by which a later object of the same name and spec is recognised.
pub(super) fn applied_spec(request: &PublishRequest) -> Option<Change> {
    let object = request.object.as_ref()?;
    Some(Change::PutAppliedSpec {
        kubernetes_namespace: object.kubernetes_namespace.clone(),
        name: object.name.clone(),
        spec_digest: request.spec_digest,
        request_id: request.id.clone(),
    })
}

fn write<V: StateView>(
    context: &Context<'_, V>,
    (caller, lineage): (&Caller, &Lineage),
    request: PublishRequest,
) -> Step<Accepted, V> {
    let mut journal = Journal::new(context);
    let groups = granting_groups(&caller.actor, Action::Submit, lineage);
    let transition = Transition::new(AuditAction::RequestSubmitted, caller.principal(), &request.namespace);
    journal.record(
        transition
            .by(caller, groups)
            .of_request(&request)
            .comment(request.reason()),
    );
    match request.state {
        RequestState::PendingReview => journal.tell(context, lineage, WebhookEvent::Submitted)?,
        RequestState::Published => journal.put_all(applied_spec(&request)),
        RequestState::Approved | RequestState::Rejected | RequestState::Withdrawn | RequestState::Superseded => {}
    }
    journal.put(Change::PutRequest(Box::new(request.clone())));
    Ok(journal.accept(Outcome::Request(Box::new(request))))
}

/// The id of a request that no object names: unique, since no two begin in one log entry.
pub(super) fn id_of_entry<V: StateView>(context: &Context<'_, V>) -> Result<RequestId, Rejection> {
    RequestId::parse(&format!("pr-{}", context.at.index)).map_err(|error| invalid("id", error.to_string()))
}

/// A digest that was given must be the one there is.
pub(super) fn same_digest(expected: Digest, given: Digest) -> Result<(), Rejection> {
    if expected == given {
        return Ok(());
    }
    Err(Rejection::DigestMismatch { expected, given })
}
