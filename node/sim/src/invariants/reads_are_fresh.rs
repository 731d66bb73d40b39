//! I2: a linearizable read sees all that was acknowledged or read before it began; and every read, a stale one too, sees
//! what the log comes to at its index.

use std::collections::BTreeMap;

use confman_core::outcome::Outcome;
use confman_core::proposal::Command;

use super::{Ending, Invariant};
use crate::reader::{Freshness, Place, Read};
use crate::record::Event;
use crate::state::StoredState;

/// What a read must see.
#[derive(Clone, Copy, Default)]
struct Floor {
    index: u64,
    version: u64,
}

/// What is known to be there, and what was read.
#[derive(Default)]
pub(super) struct ReadsAreFresh {
    index: u64,
    versions: BTreeMap<Place, u64>,
    begun: BTreeMap<u64, Floor>,
    reads: Vec<(Place, Read)>,
}

impl ReadsAreFresh {
    fn known(&mut self, index: u64, place: Option<(&Place, u64)>) {
        self.index = self.index.max(index);
        if let Some((place, version)) = place {
            let known = self.versions.entry(place.clone()).or_default();
            *known = version.max(*known);
        }
    }
}

impl Invariant for ReadsAreFresh {
    fn name(&self) -> &'static str {
        "reads-are-fresh"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Acknowledged { proposal, answer } => {
                let written = if let Command::PutEntry(put) = &proposal.command
                    && let Some(Ok(Outcome::EntryWritten { version, .. })) = &answer.verdict
                {
                    Some(((put.namespace.clone(), put.key.clone()), *version))
                } else {
                    None
                };
                let place = written.as_ref().map(|(place, version)| (place, *version));
                self.known(answer.position.index, place);
            }
            Event::ReadBegan { number, place } => {
                let version = self.versions.get(place).copied().unwrap_or(0);
                let index = self.index;
                self.begun.insert(*number, Floor { index, version });
            }
            Event::ReadEnded {
                number,
                place,
                freshness,
                read,
            } => {
                self.reads.push((place.clone(), read.clone()));
                let floor = self.begun.remove(number).unwrap_or_default();
                if *freshness == Freshness::Stale {
                    return Ok(());
                }
                self.known(read.index, Some((place, read.version)));
                if read.index < floor.index || read.version < floor.version {
                    let (index, version) = (floor.index, floor.version);
                    return Err(format!(
                        "a read of {} saw version {} at index {}, but version {version} at index {index} was known before",
                        place.1, read.version, read.index
                    ));
                }
            }
            Event::Fault(_)
            | Event::Leads { .. }
            | Event::Promised { .. }
            | Event::Applied { .. }
            | Event::Installed { .. }
            | Event::Stopped { .. }
            | Event::Stuck(_) => {}
        }
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        self.reads.sort_by_key(|(_, read)| read.index);
        let mut reads = self.reads.iter().peekable();
        let mut state = StoredState::default();
        for entry in &ending.log {
            let is_before = |(_, read): &&(Place, Read)| read.index < entry.log_id.index;
            while let Some((place, read)) = reads.next_if(is_before) {
                let there = Read::of(&state, place);
                if (there.version, there.digest) != (read.version, read.digest) {
                    return Err(format!(
                        "a read of {} saw {read:?}, where the log has {there:?}",
                        place.1
                    ));
                }
            }
            state.apply(entry);
        }
        Ok(())
    }
}
