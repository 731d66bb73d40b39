//! I12: replaying the log gives the state of every member.

use super::{Ending, Invariant};
use crate::record::Event;
use crate::state::StoredState;

/// Looks at the end only.
#[derive(Default)]
pub(super) struct ReplayIsTheState;

impl Invariant for ReplayIsTheState {
    fn name(&self) -> &'static str {
        "replay-is-the-state"
    }

    fn see(&mut self, _event: &Event) -> Result<(), String> {
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        for (place, entry) in (0..).zip(&ending.log) {
            if entry.log_id.index != place {
                return Err(format!("nobody applied index {place}"));
            }
        }
        let mut members: Vec<_> = ending.members.iter().collect();
        members.sort_by_key(|(_, state)| state.index());
        let mut members = members.into_iter().peekable();
        let mut replay = StoredState::default();
        for entry in &ending.log {
            replay.apply(entry);
            while let Some((member, state)) = members.next_if(|(_, state)| state.index() == replay.index()) {
                if state.memory != replay.memory {
                    return Err(format!("{member:x} is not what the log comes to at {}", replay.index()));
                }
            }
        }
        Ok(())
    }
}
