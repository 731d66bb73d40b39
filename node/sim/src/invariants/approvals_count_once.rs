//! I8: nobody's approval of a request is recorded or counted twice.

use std::collections::BTreeSet;

use confman_core::audit::AuditAction;

use super::{Ending, Invariant};
use crate::record::Event;
use crate::state::StoredState;

/// Looks at the end only.
#[derive(Default)]
pub(super) struct ApprovalsCountOnce;

impl Invariant for ApprovalsCountOnce {
    fn name(&self) -> &'static str {
        "approvals-count-once"
    }

    fn see(&mut self, _event: &Event) -> Result<(), String> {
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let states = ending.members.iter().map(|(_, state)| state);
        states.chain([&ending.replay]).try_for_each(check)
    }
}

fn check(state: &StoredState) -> Result<(), String> {
    let mut given = BTreeSet::new();
    for event in state.memory.audit() {
        let Some(workflow) = &event.workflow else { continue };
        let approval = (&workflow.request_id, &event.actor.principal);
        if event.action == AuditAction::RequestApproved && !given.insert(approval) {
            return Err(format!("{} records an approval of {} again", event.id, approval.1));
        }
    }
    for version in state.memory.versions() {
        let people: BTreeSet<_> = version.approvers.iter().collect();
        if people.len() != version.approvers.len() {
            return Err(format!(
                "version {} of {} counts somebody twice",
                version.number, version.key
            ));
        }
    }
    Ok(())
}
