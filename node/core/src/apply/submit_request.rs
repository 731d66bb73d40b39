//! Opens a publish request from a `PublishRequest` object: the stamped person must be editor.

use crate::access::Action;
use crate::digest::spec_digest;
use crate::ids::NamespacePath;
use crate::outcome::{Outcome, Rejection};
use crate::proposal::SubmitRequest;
use crate::publish_request::{PublishRequest, RequestObject, RequestSpec};
use crate::state::{Change, StateView};

use super::Accepted;
use super::caller::check_channel;
use super::context::{
    Context, Step, Stop, bound, check_kubernetes_name, check_may, check_names_no_namespace, check_user, invalid_stamp,
};
use super::opening::{Opening, check_spec, open};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &SubmitRequest) -> Step<Accepted, V> {
    context.cluster()?;
    if let Some(known) = context.view.request(&command.request_id).map_err(Stop::Fault)? {
        return Ok(repeat(command, known)?);
    }
    check_stamp(context, command)?;
    check_spec(&command.spec, RequestSpec::MAX_VALUE_BYTES)?;
    let path = claimed_path(context, command)?;
    let lineage = context.lineage(&path)?;
    let statement = &command.requester.statement;
    let caller = context.stamped(&statement.user, &command.requester.key_id)?;
    check_may(&caller.actor, Action::Submit, &lineage, &path)?;
    check_channel(&lineage, &caller, true)?;
    check_names_no_namespace(context, &path, &command.spec.key)?;
    let mut accepted = open(
        context,
        Opening {
            id: command.request_id.clone(),
            object: Some(RequestObject {
                kubernetes_namespace: statement.kubernetes_namespace.clone(),
                name: statement.name.clone(),
                requested_by_username: statement.user.username.clone(),
            }),
            namespace: &path,
            lineage: &lineage,
            spec: &command.spec,
            caller: &caller,
            resubmits: None,
            verdict: command.verdict.as_ref(),
        },
    )?;
    accepted.changes.push(Change::PutNonce {
        nonce: statement.nonce.clone(),
        request_id: command.request_id.clone(),
    });
    Ok(accepted)
}

/// The same submission again changes nothing; the same id with other content is refused.
fn repeat(command: &SubmitRequest, known: PublishRequest) -> Result<Accepted, Rejection> {
    let statement = &command.requester.statement;
    let same_object = known.object.as_ref().is_some_and(|object| {
        object.requested_by_username == statement.user.username
            && object.kubernetes_namespace == statement.kubernetes_namespace
            && object.name == statement.name
    });
    if same_object && known.spec_digest == spec_digest(&command.spec) {
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
