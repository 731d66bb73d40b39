//! What is known of each key: its versions, its draft.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::entry::{EntryMeta, Version};
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
    /// What is said about a key beside its value.
    said: BTreeMap<Place, EntryMeta>,
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

    pub(super) fn is_live(&self, place: &Place) -> bool {
        let last = self.versions.get(place).and_then(|versions| versions.last());
        last.is_some_and(Option::is_some)
    }

    /// True if the key is live and no namespace below may have it.
    pub(super) fn is_kept(&self, place: &Place) -> bool {
        self.is_live(place) && self.said.get(place).is_some_and(|said| said.is_final)
    }

    /// True if nobody has to agree to saying `meta`.
    pub(super) fn only_tightens(&self, place: &Place, meta: &EntryMeta) -> bool {
        let nothing = EntryMeta::default();
        let said = self.said.get(place).unwrap_or(&nothing);
        (meta.is_final || !said.is_final) && said.pins.iter().all(|pin| meta.pins.contains(pin))
    }

    pub(super) fn described(&mut self, place: Place, meta: EntryMeta) {
        let last = self.last_version(&place);
        assert!(last > 0, "what is described is there, or was");
        assert!(meta.pins.iter().all(|pin| (1..=last).contains(pin)), "a pin of nothing");
        self.said.insert(place, meta);
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

    pub(super) fn draft_gone(&mut self, place: &Place) {
        assert!(self.drafts.remove(place).is_some(), "there was a draft");
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
