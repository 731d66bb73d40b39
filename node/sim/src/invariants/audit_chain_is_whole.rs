//! I9: every accepted change has its audit event, and the events are one chain without gaps.

use confman_core::audit::Chain;
use confman_core::state::{Change, StateView as _};
use openraft::EntryPayload;

use super::{Ending, Invariant};
use crate::record::Event;
use crate::state::StoredState;

/// Looks at the end, and that an audited command that changes something says so.
#[derive(Default)]
pub(super) struct AuditChainIsWhole;

impl Invariant for AuditChainIsWhole {
    fn name(&self) -> &'static str {
        "audit-chain-is-whole"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Applied { applied, .. } = event else {
            return Ok(());
        };
        let EntryPayload::Normal(proposed) = &applied.entry.payload else {
            return Ok(());
        };
        let changes_something = applied.changes.iter().any(is_governed);
        let is_told = applied
            .changes
            .iter()
            .any(|change| matches!(change, Change::AppendAudit(_)));
        if changes_something && proposed.0.command.is_audited() && !is_told {
            return Err(format!("the change at {} has no audit event", applied.entry.log_id));
        }
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let states = ending.members.iter().map(|(_, state)| state);
        states.chain([&ending.replay]).try_for_each(check)
    }
}

/// True if `change` is more than what is remembered of calls.
fn is_governed(change: &Change) -> bool {
    let is_of_calls = matches!(change, Change::PutIdempotency(_) | Change::DeleteIdempotency { .. });
    !is_of_calls && !matches!(change, Change::AppendAudit(_))
}

fn check(state: &StoredState) -> Result<(), String> {
    let mut chain = Chain::default();
    for event in state.memory.audit() {
        chain.push(event).map_err(|error| error.to_string())?;
    }
    let Ok(head) = state.memory.audit_head();
    chain.finish(&head).map_err(|error| error.to_string())
}
