//! Opens a publish request in the name of an authenticated caller, who must be editor.

use crate::access::Action;
use crate::proposal::OpenRequest;
use crate::publish_request::{RequestSpec, RequestState};
use crate::state::StateView;
use crate::value::ConfigValue;

use super::Accepted;
use super::caller::{check_channel, is_managed_from};
use super::context::{Context, Step, check_may, check_names_no_namespace, invalid};
use super::opening::{Opening, check_spec, id_of_entry, open};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &OpenRequest) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.namespace)?;
    check_spec(&command.spec, ConfigValue::MAX_BYTES + ConfigValue::MAX_ENVELOPE_BYTES)?;
    let spec = RequestSpec {
        namespace_ref: command.namespace.to_string(),
        ..command.spec.clone()
    };
    let lineage = context.existing_lineage(&command.namespace)?;
    check_may(&caller.actor, Action::Submit, &lineage, &command.namespace)?;
    check_channel(&lineage, &caller, is_managed_from(&lineage, &caller))?;
    check_names_no_namespace(context, &command.namespace, &spec.key)?;
    check_resubmitted(context, command)?;
    open(
        context,
        Opening {
            id: id_of_entry(context)?,
            object: None,
            namespace: &command.namespace,
            lineage: &lineage,
            spec: &spec,
            caller: &caller,
            resubmits: command.resubmits.clone(),
            verdict: command.verdict.as_ref(),
        },
    )
}

/// What is tried again was about the same key, and is over without having been published.
fn check_resubmitted<V: StateView>(context: &Context<'_, V>, command: &OpenRequest) -> Step<(), V> {
    let Some(id) = &command.resubmits else {
        return Ok(());
    };
    let earlier = context.request(id)?;
    let same_key = earlier.namespace == command.namespace && earlier.key() == Some(&command.spec.key);
    if !same_key {
        Err(invalid(
            "resubmits",
            format!("publish request {id} is about another key"),
        ))?;
    }
    match earlier.state {
        RequestState::Rejected | RequestState::Withdrawn | RequestState::Superseded => Ok(()),
        state @ (RequestState::PendingReview | RequestState::Approved | RequestState::Published) => {
            Err(invalid("resubmits", format!("publish request {id} is {state}")))?
        }
    }
}
