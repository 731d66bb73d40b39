//! Issues an API key. Its text was made by the node that was asked and is shown once; only its hash is here.

use crate::access::Action;
use crate::api_key::ApiKeyRecord;
use crate::audit::AuditAction;
use crate::ids::NamespacePath;
use crate::outcome::{Outcome, Rejection};
use crate::proposal::IssueApiKey;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, Stop, check_may, granting_groups, invalid};
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &IssueApiKey) -> Step<Accepted, V> {
    let at = place(&command.key);
    let caller = context.authenticated(&command.actor, &at)?;
    let lineage = context.lineage(&at)?;
    check_may(&caller.actor, Action::Govern, &lineage, &at)?;
    let key = ApiKeyRecord {
        created_by: caller.principal().clone(),
        created_at: context.time,
        revoked_at: None,
        ..command.key.clone()
    };
    key.validate()
        .map_err(|error| invalid(error.field, error.to_string()))?;
    if context.view.api_key(&key.name).map_err(Stop::Fault)?.is_some() {
        Err(Rejection::ApiKeyNameTaken { name: key.name.clone() })?;
    }
    let outcome = Outcome::ApiKeyIssued { name: key.name.clone() };
    let groups = granting_groups(&caller.actor, Action::Govern, &lineage);
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::ApiKeyIssued, caller.principal(), &at);
    journal.record(transition.by(&caller, groups).comment(Some(&key.name)));
    journal.put(Change::PutApiKey(Box::new(key)));
    Ok(journal.accept(outcome))
}

/// Whose admins issue and revoke the key.
pub(super) fn place(key: &ApiKeyRecord) -> NamespacePath {
    key.scope.namespace.clone().unwrap_or_else(NamespacePath::root)
}
