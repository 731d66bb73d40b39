//! I1: whatever a client was told is in the log for good, with the verdict that it was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use confman_core::apply::apply;
use confman_core::proposal::Proposal;
use openraft::EntryPayload;

use super::{Ending, Invariant};
use crate::record::Event;
use crate::state::StoredState;
use crate::types::{Answer, Verdict, position_of};

/// What was acknowledged, by log index.
#[derive(Default)]
pub(super) struct AcknowledgedWritesSurvive {
    acknowledged: BTreeMap<u64, (Arc<Proposal>, Answer)>,
}

impl Invariant for AcknowledgedWritesSurvive {
    fn name(&self) -> &'static str {
        "acknowledged-writes-survive"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Acknowledged { proposal, answer } = event else {
            return Ok(());
        };
        let write = (Arc::clone(proposal), Answer::clone(answer));
        let index = answer.position.index;
        match self.acknowledged.insert(index, write) {
            Some((before, _)) if before.command != proposal.command => {
                Err(format!("two writes were acknowledged at index {index}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let mut verdicts: BTreeMap<u64, (Arc<Proposal>, Answer)> = BTreeMap::new();
        let mut state = StoredState::default();
        for entry in &ending.log {
            if let EntryPayload::Normal(proposed) = &entry.payload {
                let position = position_of(&entry.log_id);
                let Ok(applied) = apply(&state.memory, position, &proposed.0);
                let verdict: Option<Verdict> = Some(applied.result);
                state.memory.commit(applied.changes);
                verdicts.insert(position.index, (Arc::clone(&proposed.0), Answer { position, verdict }));
            }
        }
        for (index, (proposal, answer)) in &self.acknowledged {
            let Some((found, verdict)) = verdicts.get(index) else {
                return Err(format!("the write acknowledged at index {index} is gone"));
            };
            if found.command != proposal.command || found.idempotency != proposal.idempotency {
                return Err(format!("at index {index} is another write than the acknowledged one"));
            }
            if verdict != answer {
                return Err(format!(
                    "the write at index {index} has another verdict: {verdict:?}, not {answer:?}"
                ));
            }
        }
        Ok(())
    }
}
