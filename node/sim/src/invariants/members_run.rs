//! A member whose volume is sound never stops by itself, and always starts again.

use super::Invariant;
use crate::record::Event;

/// Complains about each that did.
#[derive(Default)]
pub(super) struct MembersRun;

impl Invariant for MembersRun {
    fn name(&self) -> &'static str {
        "members-run"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        if let Event::Stopped { member, reason } = event {
            return Err(format!("{member:x} has stopped: {reason}"));
        }
        Ok(())
    }
}
