//! How many may watch at once: of all, and of one principal.

use std::collections::BTreeMap;
use std::sync::Arc;

use confman_api::limits;
use confman_core::principal::Principal;
use parking_lot::Mutex;

/// Why nobody more may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The node has as many as it may.
    Node,
    /// The principal has.
    Principal,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_principal: BTreeMap<Principal, usize>,
}

/// The places of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

/// A place, free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    principal: Principal,
}

impl Places {
    /// A place for `principal`.
    pub(super) fn take(&self, principal: &Principal) -> Result<Place, Refused> {
        let mut taken = self.0.lock();
        let own = taken.by_principal.get(principal).copied().unwrap_or(0);
        if own >= limits::WATCHES_OF_ONE.value {
            return Err(Refused::Principal);
        }
        if taken.all >= limits::WATCHES.value {
            return Err(Refused::Node);
        }
        taken.all += 1;
        taken.by_principal.insert(principal.clone(), own + 1);
        Ok(Place {
            places: self.clone(),
            principal: principal.clone(),
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.0.lock().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.all = taken.all.saturating_sub(1);
        let Some(own) = taken.by_principal.get_mut(&self.principal) else {
            return;
        };
        *own -= 1;
        if *own == 0 {
            taken.by_principal.remove(&self.principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_cannot_take_the_places_of_others() {
        let places = Places::default();
        let name = |number: usize| Principal::api_key(&format!("key-{number}"));
        let mut held: Vec<_> = (0..limits::WATCHES_OF_ONE.value)
            .map(|_| places.take(&name(0)).expect("a place is free"))
            .collect();
        assert_eq!(places.take(&name(0)).err(), Some(Refused::Principal));
        held.push(places.take(&name(1)).expect("others are not in the way"));
        let mut number = 2;
        while let Ok(place) = places.take(&name(number)) {
            held.push(place);
            number += 1;
        }
        assert_eq!(places.taken(), limits::WATCHES.value);
        assert_eq!(places.take(&name(number)).err(), Some(Refused::Node));
        held.clear();
        assert_eq!(places.taken(), 0);
        assert!(places.take(&name(0)).is_ok(), "places that were left are free");
    }
}
