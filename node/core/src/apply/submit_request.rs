//! Opens a publish request for one key: the stamped person must be editor, and the content is fixed from here on.

use std::collections::BTreeSet;

use crate::access::Action;
use crate::audit::AuditAction;
use crate::digest::{Content, Digest, content_digest, spec_digest};
use crate::entry::Version;
use crate::ids::NamespacePath;
use crate::namespace::{ConfigNamespace, effective_workflow};
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::SubmitRequest;
use crate::publish_request::{PublishRequest, RequestSpec, RequestState, StepKind};
use crate::state::{Change, StateView};
use crate::value::ConfigValue;

use super::Accepted;
use super::context::{
    Context, Step, Stop, bound, check_kubernetes_name, check_length, check_may, check_names_no_namespace, check_user,
    granting_groups, invalid, invalid_stamp, live_digest,
};
use super::journal::{Journal, Transition};
use super::review::step;

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &SubmitRequest) -> Step<Accepted, V> {
    context.cluster()?;
    if let Some(known) = context.view.request(&command.request_id).map_err(Stop::Fault)? {
        return Ok(repeat(command, known)?);
    }
    check_stamp(context, command)?;
    check_spec(&command.spec)?;
    let path = claimed_path(context, command)?;
    let lineage = context.lineage(&path)?;
    let actor = command.requester.statement.user.actor();
    check_may(&actor, Action::Submit, &lineage, &path)?;
    check_names_no_namespace(context, &path, &command.spec.key)?;
    let live = context.live(&path, &command.spec.key)?;
    let beginning = beginning(context, command, &path, live.as_ref())?;
    let request = open(context, command, (&path, &lineage), (beginning, live.as_ref()))?;
    let groups = granting_groups(&actor, Action::Submit, &lineage);
    Ok(write(context, command, request, groups))
}

/// The same submission again changes nothing; the same id with other content is refused.
fn repeat(command: &SubmitRequest, known: PublishRequest) -> Result<Accepted, Rejection> {
    let statement = &command.requester.statement;
    let same = known.spec_digest == spec_digest(&command.spec)
        && known.requested_by_username == statement.user.username
        && known.kubernetes_namespace == statement.kubernetes_namespace
        && known.name == statement.name;
    if same {
        return Ok(Accepted::unchanged(Outcome::Request(Box::new(known))));
    }
    Err(Rejection::RequestIdReused {
        request_id: command.request_id.clone(),
    })
}

fn check_stamp<V: StateView>(context: &Context<'_, V>, command: &SubmitRequest) -> Step<(), V> {
    context.verify(&command.requester, |statement| &statement.cluster_id)?;
    let statement = &command.requester.statement;
    check_user(&statement.user)?;
    check_kubernetes_name("metadata.namespace", &statement.kubernetes_namespace)?;
    check_kubernetes_name("metadata.name", &statement.name)?;
    let digest = spec_digest(&command.spec);
    bound("a spec with digest", &statement.spec_digest, &digest)?;
    let random = statement.nonce.len() == 32 && statement.nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !random {
        Err(invalid_stamp("its nonce is not 32 hex digits".to_owned()))?;
    }
    match context.view.nonce(&statement.nonce).map_err(Stop::Fault)? {
        Some(_) => Err(Rejection::StampReplayed)?,
        None => Ok(()),
    }
}

fn check_spec(spec: &RequestSpec) -> Result<(), Rejection> {
    let RequestSpec {
        namespace_ref: _,
        key: _,
        operation: _,
        value,
        expected_version: _,
        reason,
        on_behalf_of,
    } = spec;
    let Some(value) = value else {
        return Err(invalid(
            "value",
            "operation Put needs one of value, json, text and binary",
        ));
    };
    let (actual, limit) = (value.canonical_bytes().len(), RequestSpec::MAX_VALUE_BYTES);
    if actual > limit {
        return Err(invalid("value", format!("it has {actual} bytes, the limit is {limit}")));
    }
    check_length("reason", reason.as_deref(), RequestSpec::MAX_REASON_BYTES)?;
    if on_behalf_of.len() > RequestSpec::MAX_ON_BEHALF_OF {
        let limit = RequestSpec::MAX_ON_BEHALF_OF;
        return Err(invalid(
            "onBehalfOf",
            format!("{} people given, the limit is {limit}", on_behalf_of.len()),
        ));
    }
    on_behalf_of
        .iter()
        .try_for_each(|name| check_length("onBehalfOf", Some(name), Principal::MAX_NAME_BYTES))
}

/// The path that the referenced `ConfigNamespace` object, in the request's own Kubernetes namespace, has declared.
fn claimed_path<V: StateView>(context: &Context<'_, V>, command: &SubmitRequest) -> Step<NamespacePath, V> {
    let kubernetes_namespace = &command.requester.statement.kubernetes_namespace;
    let name = &command.spec.namespace_ref;
    let path = context
        .view
        .claimed_path(kubernetes_namespace, name)
        .map_err(Stop::Fault)?;
    Ok(path.ok_or_else(|| Rejection::NamespaceNotFound {
        namespace: format!("{kubernetes_namespace}/{name}"),
    })?)
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

/// How a request begins. Manifests in Git come again and again: what is done already is not asked for twice, whatever
/// version it expects.
enum Beginning {
    /// People decide.
    Pending,
    /// The value is live.
    AlreadyPublished,
    /// This spec of this object made this version before; putting it back would undo what came after.
    AlreadyApplied(u64),
}

fn beginning<V: StateView>(
    context: &Context<'_, V>,
    command: &SubmitRequest,
    path: &NamespacePath,
    live: Option<&Version>,
) -> Step<Beginning, V> {
    if live.is_some() && live_digest(live) == value_digest(&command.spec) {
        return Ok(Beginning::AlreadyPublished);
    }
    let statement = &command.requester.statement;
    let (kubernetes_namespace, name) = (&statement.kubernetes_namespace, &statement.name);
    let applied = context
        .view
        .applied_spec(kubernetes_namespace, name, statement.spec_digest)
        .map_err(Stop::Fault)?;
    if let Some(id) = applied {
        let earlier = context.request(&id)?;
        // The object's `ConfigNamespace` may have been made again for another path.
        if let Some(version) = earlier.published_version.filter(|_| earlier.namespace == *path) {
            return Ok(Beginning::AlreadyApplied(version));
        }
    }
    check_expected_version(&command.spec, live)?;
    Ok(Beginning::Pending)
}

fn value_digest(spec: &RequestSpec) -> Option<Digest> {
    spec.value.as_ref().map(ConfigValue::digest)
}

/// The request as it begins.
fn open<V: StateView>(
    context: &Context<'_, V>,
    command: &SubmitRequest,
    (path, lineage): (&NamespacePath, &[ConfigNamespace]),
    (beginning, live): (Beginning, Option<&Version>),
) -> Step<PublishRequest, V> {
    let statement = &command.requester.statement;
    let requested_by = statement.user.actor().principal;
    let base_version = live.map_or(0, |version| version.number);
    let digest = content_digest(&Content {
        cluster_id: &context.cluster()?.cluster_id,
        namespace: path,
        key: &command.spec.key,
        operation: command.spec.operation,
        value_digest: value_digest(&command.spec),
        base_version,
    });
    let reason = command.spec.reason.as_deref();
    let mut steps = vec![step(context, StepKind::Submitted, &requested_by, reason)];
    let (state, ended, published_version) = match beginning {
        Beginning::Pending => (RequestState::PendingReview, None, None),
        Beginning::AlreadyPublished => (
            RequestState::Published,
            Some((StepKind::Published, "already published".to_owned())),
            Some(base_version),
        ),
        Beginning::AlreadyApplied(version) => (
            RequestState::Superseded,
            Some((StepKind::Superseded, format!("already applied as version {version}"))),
            Some(version),
        ),
    };
    steps.extend(ended.map(|(kind, note)| step(context, kind, &requested_by, Some(&note))));
    Ok(PublishRequest {
        id: command.request_id.clone(),
        kubernetes_namespace: statement.kubernetes_namespace.clone(),
        name: statement.name.clone(),
        namespace: path.clone(),
        spec: command.spec.clone(),
        spec_digest: statement.spec_digest,
        digest,
        base_version,
        requested_by_username: statement.user.username.clone(),
        required_approvals: required_approvals(lineage, &requested_by),
        requested_by,
        state,
        steps,
        published_version,
    })
}

/// What the policy in force asks for; one more when no named human asked, so that a robot never stands in for one.
pub(super) fn required_approvals(lineage: &[ConfigNamespace], requested_by: &Principal) -> u8 {
    effective_workflow(lineage).min_approvers + u8::from(!requested_by.is_human())
}

/// The row by which a later object of the same name and spec is recognised.
pub(super) fn applied_spec(request: &PublishRequest) -> Change {
    Change::PutAppliedSpec {
        kubernetes_namespace: request.kubernetes_namespace.clone(),
        name: request.name.clone(),
        spec_digest: request.spec_digest,
        request_id: request.id.clone(),
    }
}

fn write<V: StateView>(
    context: &Context<'_, V>,
    command: &SubmitRequest,
    request: PublishRequest,
    groups: BTreeSet<Principal>,
) -> Accepted {
    let mut journal = Journal::new(context);
    journal.put(Change::PutNonce {
        nonce: command.requester.statement.nonce.clone(),
        request_id: request.id.clone(),
    });
    let transition = Transition::new(AuditAction::RequestSubmitted, &request.requested_by, &request.namespace);
    journal.record(
        transition
            .stamped(&command.requester.key_id, groups)
            .key(&request.spec.key)
            .request(&request)
            .comment(request.spec.reason.as_deref()),
    );
    if request.state == RequestState::Published {
        journal.put(applied_spec(&request));
    }
    journal.put(Change::PutRequest(Box::new(request.clone())));
    journal.accept(Outcome::Request(Box::new(request)))
}
