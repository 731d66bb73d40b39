//! Ends an API key at once. Its name is never given again.

use crate::access::Action;
use crate::api_key::ApiKeyRecord;
use crate::audit::AuditAction;
use crate::outcome::{Outcome, Rejection};
use crate::proposal::RevokeApiKey;
use crate::state::{Change, StateView};

use super::Accepted;
use super::context::{Context, Step, Stop, check_may, granting_groups};
use super::issue_api_key::place;
use super::journal::{Journal, Transition};

pub(super) fn apply<V: StateView>(context: &Context<'_, V>, command: &RevokeApiKey) -> Step<Accepted, V> {
    let key = context.view.api_key(&command.name).map_err(Stop::Fault)?;
    let key = key.ok_or_else(|| Rejection::ApiKeyNotFound {
        name: command.name.clone(),
    })?;
    let at = place(&key);
    let caller = context.authenticated(&command.actor, &at)?;
    let lineage = context.lineage(&at)?;
    check_may(&caller.actor, Action::Govern, &lineage, &at)?;
    let outcome = Outcome::ApiKeyRevoked { name: key.name.clone() };
    if key.revoked_at.is_some() {
        return Ok(Accepted::unchanged(outcome));
    }
    let groups = granting_groups(&caller.actor, Action::Govern, &lineage);
    let mut journal = Journal::new(context);
    let transition = Transition::new(AuditAction::ApiKeyRevoked, caller.principal(), &at);
    journal.record(transition.by(&caller, groups).comment(Some(&key.name)));
    journal.put(Change::PutApiKey(Box::new(ApiKeyRecord {
        revoked_at: Some(context.time),
        ..key
    })));
    Ok(journal.accept(outcome))
}
