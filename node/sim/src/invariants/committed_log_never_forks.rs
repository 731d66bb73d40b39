//! I3: at one index of the log is one entry for ever, and terms never fall along it.

use std::collections::BTreeMap;

use super::Invariant;
use crate::record::Event;
use crate::types::{Entry, position_of};

/// The entries that were applied.
#[derive(Default)]
pub(super) struct CommittedLogNeverForks {
    log: BTreeMap<u64, Entry>,
}

impl Invariant for CommittedLogNeverForks {
    fn name(&self) -> &'static str {
        "committed-log-never-forks"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Applied { member, applied } = event else {
            return Ok(());
        };
        let entry = &applied.entry;
        let at = position_of(&entry.log_id);
        let known = self.log.entry(at.index).or_insert_with(|| entry.clone());
        if known != entry {
            return Err(format!(
                "{member:x} applies {}, where another applied {}",
                entry.log_id, known.log_id
            ));
        }
        let before = at.index.checked_sub(1).and_then(|before| self.log.get(&before));
        match before {
            Some(before) if position_of(&before.log_id).term > at.term => {
                Err(format!("{} follows {}", entry.log_id, before.log_id))
            }
            Some(_) | None => Ok(()),
        }
    }
}
