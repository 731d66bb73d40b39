//! I4: whoever has applied the same index has seen the same entries, verdicts and changes, and has the same state.

use std::collections::BTreeMap;

use super::{Ending, Invariant};
use crate::record::Event;

/// The history at each index.
#[derive(Default)]
pub(super) struct ReplicasAreEqual {
    histories: BTreeMap<u64, u64>,
}

impl Invariant for ReplicasAreEqual {
    fn name(&self) -> &'static str {
        "replicas-are-equal"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Applied { member, applied } = event else {
            return Ok(());
        };
        let index = applied.entry.log_id.index;
        if *self.histories.entry(index).or_insert(applied.history) == applied.history {
            return Ok(());
        }
        Err(format!("{member:x} has come to something else at index {index}"))
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        let mut states = BTreeMap::new();
        for (member, state) in &ending.members {
            let (other, known) = states.entry(state.index()).or_insert((member, state));
            if known.memory != state.memory {
                return Err(format!("{member:x} and {other:x} differ at index {}", state.index()));
            }
        }
        Ok(())
    }
}
