//! What is known of each key: its versions, its draft.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::principal::Principal;
use confman_core::value::ConfigValue;

/// A namespace and a key of it.
pub(super) type Place = (String, String);

pub(super) fn place(namespace: &NamespacePath, key: &ConfigKey) -> Place {
    (namespace.to_string(), key.to_string())
}

/// A value in the making, and the logins that wrote to it.
pub(super) struct Draft {
    pub(super) value: ConfigValue,
    pub(super) hands: BTreeSet<Principal>,
}

/// Every key.
#[derive(Default)]
pub(super) struct Keys {
    /// Values in the order of their versions; a deletion is one without.
    versions: BTreeMap<Place, Vec<Option<ConfigValue>>>,
    drafts: BTreeMap<Place, Draft>,
}

impl Keys {
    /// Number of the last version, a deletion counted, 0 before the first: what a change is made against.
    pub(super) fn last_version(&self, place: &Place) -> u64 {
        self.versions.get(place).map_or(0, |versions| versions.len() as u64)
    }

    /// What version `number` holds.
    pub(super) fn value(&self, place: &Place, number: u64) -> Option<ConfigValue> {
        let at = usize::try_from(number).expect("few versions") - 1;
        self.versions[place][at].clone()
    }

    /// The draft, if it is of this value.
    pub(super) fn draft_of(&self, place: &Place, value: impl Fn(&ConfigValue) -> bool) -> Option<&Draft> {
        self.drafts.get(place).filter(|draft| value(&draft.value))
    }

    pub(super) fn drafted(&mut self, place: Place, value: ConfigValue, by: Principal) {
        let before = self.drafts.remove(&place);
        let mut hands = before.map_or_else(BTreeSet::new, |draft| draft.hands);
        hands.insert(by);
        self.drafts.insert(place, Draft { value, hands });
    }

    /// What has become a version is no draft any more.
    pub(super) fn published(&mut self, version: &Version) {
        let place = place(&version.namespace, &version.key);
        assert_eq!(version.number, self.last_version(&place) + 1, "no number twice");
        let is_it = |value: &ConfigValue| Some(value) == version.value.as_ref();
        if self.draft_of(&place, is_it).is_some() {
            self.drafts.remove(&place);
        }
        self.versions.entry(place).or_default().push(version.value.clone());
    }
}
