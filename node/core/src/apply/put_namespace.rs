//! Creates or updates a config namespace in the name of an authenticated caller.

use crate::access::Action;
use crate::outcome::Rejection;
use crate::proposal::PutNamespace;
use crate::state::StateView;

use super::Accepted;
use super::context::{Context, Step, check_may};
use super::governance::check_settings;
use super::governing::{self, Wanted};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &PutNamespace) -> Step<Accepted, V> {
    let caller = context.authenticated(&command.actor, &command.path)?;
    check_settings(&command.settings)?;
    let lineage = context.lineage(&command.path)?;
    let present = lineage.first().filter(|nearest| nearest.path == command.path);
    let revision = present.map_or(0, |namespace| namespace.revision);
    check_revision(&command.path.to_string(), revision, command.expected_revision)?;
    let wanted = Wanted {
        path: &command.path,
        settings: &command.settings,
        claim: None,
        caller: &caller,
    };
    let Some(present) = present else {
        return governing::create(context, &wanted, &lineage);
    };
    if let Some(claim) = &present.claim {
        Err(Rejection::ManagedByKubernetes {
            path: command.path.clone(),
            owner: claim.to_string(),
        })?;
    }
    let waits = governing::last_request(context, present)?.is_some_and(|request| !request.state.is_final());
    if present.settings == command.settings && !waits {
        check_may(&caller.actor, Action::Govern, &lineage, &command.path)?;
        return Ok(Accepted::unchanged(governing::declared(present)));
    }
    governing::update(context, &wanted, &lineage)
}

/// Refuses a change whose caller saw another revision than `actual`.
pub(super) fn check_revision(what: &str, actual: u64, expected: Option<u64>) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => Err(Rejection::RevisionMismatch {
            what: what.to_owned(),
            actual,
            expected,
        }),
        Some(_) | None => Ok(()),
    }
}
