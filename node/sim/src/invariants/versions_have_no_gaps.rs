//! I5: the versions of a key are numbered without gaps, and no number is used for two.

use std::collections::BTreeMap;

use confman_core::entry::Version;
use confman_core::state::Change;

use super::{Ending, Invariant};
use crate::reader::Place;
use crate::record::Event;

/// The versions of each key.
#[derive(Default)]
pub(super) struct VersionsHaveNoGaps {
    versions: BTreeMap<(Place, u64), Version>,
}

impl Invariant for VersionsHaveNoGaps {
    fn name(&self) -> &'static str {
        "versions-have-no-gaps"
    }

    fn see(&mut self, event: &Event) -> Result<(), String> {
        let Event::Applied { member, applied } = event else {
            return Ok(());
        };
        for change in &applied.changes {
            let Change::PutVersion(version) = change else { continue };
            let place = (version.namespace.clone(), version.key.clone());
            let (key, number) = (&version.key, version.number);
            if number > 1 && !self.versions.contains_key(&(place.clone(), number - 1)) {
                return Err(format!(
                    "{member:x} writes version {number} of {key}, and there is none before"
                ));
            }
            let known = self
                .versions
                .entry((place, number))
                .or_insert_with(|| Version::clone(version));
            if known != version.as_ref() {
                return Err(format!(
                    "{member:x} writes version {number} of {key} again, and otherwise"
                ));
            }
        }
        Ok(())
    }

    fn at_end(&mut self, ending: &Ending) -> Result<(), String> {
        for (member, state) in &ending.members {
            let mut last: BTreeMap<Place, u64> = BTreeMap::new();
            for version in state.memory.versions() {
                let place = (version.namespace.clone(), version.key.clone());
                let before = last.insert(place, version.number).unwrap_or(0);
                if version.number != before + 1 {
                    let (key, number) = (&version.key, version.number);
                    return Err(format!("{member:x} has version {number} of {key} after {before}"));
                }
            }
        }
        Ok(())
    }
}
