//! Frees the claim of a `ConfigNamespace` object that is gone; settings and values stay.

use crate::audit::AuditAction;
use crate::outcome::{Outcome, Rejection};
use crate::principal::Principal;
use crate::proposal::ReleaseNamespace;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step};
use super::governance;
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &ReleaseNamespace) -> Step<Accepted, V> {
    context.cluster()?;
    let path = &command.path;
    let outcome = Outcome::NamespaceReleased { path: path.clone() };
    let namespace = context.namespace(path)?.ok_or_else(|| Rejection::NamespaceNotFound {
        namespace: path.to_string(),
    })?;
    match &namespace.claim {
        None => return Ok(Accepted::unchanged(outcome)),
        Some(claim) if *claim != command.claim => Err(Rejection::PathClaimed {
            path: path.clone(),
            owner: claim.to_string(),
        })?,
        Some(_) => {}
    }
    let governance = &namespace.settings.governance;
    let change = governance::change(Some(governance), governance);
    let mut journal = Journal::new(context);
    journal.put(Change::DeleteClaim {
        kubernetes_namespace: command.claim.kubernetes_namespace.clone(),
        name: command.claim.name.clone(),
    });
    // `updated_at` stays: it is the time of the settings, and a stamp that follows them must be later.
    journal.put(Change::PutNamespace(Box::new(crate::namespace::ConfigNamespace {
        claim: None,
        revision: context.at.index,
        ..crate::namespace::ConfigNamespace::clone(&namespace)
    })));
    let transition = Transition::new(AuditAction::NamespaceReleased, &Principal::courier(), path);
    journal.record(transition.change(change));
    Ok(journal.accept(outcome))
}
