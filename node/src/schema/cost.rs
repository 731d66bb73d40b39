//! How much work a schema makes: how many keywords look at one place of a value, at worst.
//!
//! References make that number exponential: thirty definitions that each apply the next one twice look a billion times
//! at one value. So it is computed before the schema is compiled. The number of places times this number bounds a
//! validation.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::value::ConfigValue;

use super::error::{Defect, SchemaError};
use super::survey::{Applies, Subschema, Survey};
use super::vocabulary;

/// Most keywords that may look at one place of a value.
pub(super) const MAX_LOOKS: u64 = 10_000;
/// Most names to keep track of while counting.
const MAX_ENTRIES: usize = 50_000;
/// Entries of an array keyword (`enum`, `required`) that count as one more look.
const ENTRIES_PER_LOOK: u64 = 16;

/// Looks at one place: by validation, and once more by an `unevaluated…` keyword above that asks again what held.
#[derive(Clone, Copy, Default)]
struct Looks {
    judging: u64,
    asking_again: u64,
}

impl Looks {
    fn plus(self, other: Self) -> Self {
        Self {
            judging: self.judging.saturating_add(other.judging),
            asking_again: self.asking_again.saturating_add(other.asking_again),
        }
    }
}

/// One part of an object or array below a place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Property(String),
    Item(usize),
}

/// Looks at the parts below a place: those that some keyword names, and any other.
#[derive(Clone, Default)]
struct Below {
    named: BTreeMap<Part, Looks>,
    other: Looks,
}

impl Below {
    fn at(&self, part: &Part) -> Looks {
        self.named.get(part).copied().unwrap_or(self.other)
    }

    fn worst(&self) -> u64 {
        let named = self.named.values().map(|looks| looks.judging);
        named.chain([self.other.judging]).max().unwrap_or(0)
    }
}

/// What a schema costs.
pub(super) struct Cost {
    /// Looks at the namespace itself.
    namespace: u64,
    /// Looks at any place of the value of a key, by key.
    keys: BTreeMap<String, u64>,
    /// Looks at any place of the value of another key.
    other_keys: u64,
}

impl Cost {
    /// Of a surveyed schema whose subschemas are in the order of [`super::graph::leaves_first`].
    pub(super) fn of(survey: &Survey<'_>, leaves_first: &[usize]) -> Result<Self, SchemaError> {
        let subschemas = &survey.subschemas;
        let own = in_place(subschemas, leaves_first);
        let mut looks = own.clone();
        let mut below = Vec::new();
        // One level more than the deepest value: the namespace around it.
        for _ in 0..=ConfigValue::MAX_DEPTH + 1 {
            below = parts_below(subschemas, leaves_first, &looks)?;
            let deeper: Vec<u64> = own
                .iter()
                .zip(&below)
                .map(|(own, below)| (*own).max(below.worst()))
                .collect();
            if let Some(worst) = (0..deeper.len()).find(|index| deeper[*index] > MAX_LOOKS) {
                return Err(too_much(&subschemas[worst]));
            }
            if deeper == looks {
                break;
            }
            looks = deeper;
        }
        let root = below.first().cloned().unwrap_or_default();
        let named = root.named.into_iter().filter_map(|(part, looks)| match part {
            Part::Property(name) => Some((name, looks.judging.max(1))),
            Part::Item(_) => None,
        });
        Ok(Self {
            namespace: own.first().copied().unwrap_or(1),
            keys: named.collect(),
            other_keys: root.other.judging.max(1),
        })
    }

    /// Looks at each place of the value of `key`.
    pub(super) fn of_key(&self, key: &str) -> u64 {
        self.keys.get(key).copied().unwrap_or(self.other_keys)
    }

    /// Looks at the namespace itself.
    pub(super) fn of_namespace(&self) -> u64 {
        self.namespace
    }
}

fn too_much(subschema: &Subschema<'_>) -> SchemaError {
    let what = "keywords that look at one place of a value (references multiply them)";
    let limit = usize::try_from(MAX_LOOKS).unwrap_or(usize::MAX);
    SchemaError::new(subschema.pointer.as_str(), Defect::TooMany { what, limit })
}

fn has_unevaluated(subschema: &Subschema<'_>) -> bool {
    subschema
        .edges
        .iter()
        .any(|(applies, _)| *applies == Applies::Unevaluated)
}

/// Looks of the subschema's own keywords, without those of the subschemas in them.
fn own_looks(subschema: &Subschema<'_>) -> u64 {
    let keywords = subschema.members.into_iter().flatten();
    let looks = keywords.map(|(keyword, value)| {
        let entries = value.as_array().filter(|_| vocabulary::applicator(keyword).is_none());
        1 + entries.map_or(0, |entries| entries.len() as u64 / ENTRIES_PER_LOOK)
    });
    1 + looks.sum::<u64>()
}

/// Looks at the place that each subschema judges.
fn in_place(subschemas: &[Subschema<'_>], leaves_first: &[usize]) -> Vec<u64> {
    let mut looks = vec![Looks::default(); subschemas.len()];
    for &index in leaves_first {
        let subschema = &subschemas[index];
        let applied = subschema.edges.iter().filter(|(applies, _)| applies.in_place());
        let applied = applied.map(|(_, target)| looks[*target]);
        let own = Looks {
            judging: own_looks(subschema),
            asking_again: 0,
        };
        looks[index] = combined(own, applied, has_unevaluated(subschema));
    }
    looks.into_iter().map(|looks| looks.judging).collect()
}

fn combined(own: Looks, applied: impl Iterator<Item = Looks>, unevaluated: bool) -> Looks {
    let applied = applied.fold(Looks::default(), Looks::plus);
    let asking_again = applied.judging.saturating_add(applied.asking_again);
    let again = if unevaluated {
        asking_again.saturating_add(own.judging)
    } else {
        0
    };
    Looks {
        judging: own.judging.saturating_add(applied.judging).saturating_add(again),
        asking_again: own.asking_again.saturating_add(asking_again),
    }
}

/// Looks at the parts of what each subschema judges, when `looks` are those of each subschema at its own place or below.
fn parts_below(subschemas: &[Subschema<'_>], leaves_first: &[usize], looks: &[u64]) -> Result<Vec<Below>, SchemaError> {
    let mut all = vec![Below::default(); subschemas.len()];
    let mut entries = 0;
    for &index in leaves_first {
        let subschema = &subschemas[index];
        let own = own_parts(subschema, looks);
        let applied = subschema.edges.iter().filter(|(applies, _)| applies.in_place());
        let applied: Vec<&Below> = applied.map(|(_, target)| &all[*target]).collect();
        let parts: BTreeSet<&Part> = applied
            .iter()
            .flat_map(|below| below.named.keys())
            .chain(own.named.keys())
            .collect();
        entries += parts.len();
        if entries > MAX_ENTRIES {
            return Err(too_much(subschema));
        }
        let unevaluated = has_unevaluated(subschema);
        let at = |part: &Part| combined(own.at(part), applied.iter().map(|below| below.at(part)), unevaluated);
        let named = parts.into_iter().map(|part| (part.clone(), at(part))).collect();
        let other = combined(own.other, applied.iter().map(|below| below.other), unevaluated);
        all[index] = Below { named, other };
    }
    Ok(all)
}

fn own_parts(subschema: &Subschema<'_>, looks: &[u64]) -> Below {
    let mut named: BTreeMap<Part, u64> = BTreeMap::new();
    let (mut every_property, mut additional, mut every_item, mut items) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (applies, target) in &subschema.edges {
        let looks = looks[*target];
        match applies {
            Applies::Always | Applies::Sometimes => {}
            Applies::Property(name) => {
                named.insert(Part::Property(name.clone()), looks);
            }
            Applies::Item(position) => {
                named.insert(Part::Item(*position), looks);
            }
            Applies::Matching(_) | Applies::Names => every_property = every_property.saturating_add(looks),
            Applies::Additional => additional = additional.max(looks),
            Applies::Unevaluated => {
                every_property = every_property.saturating_add(looks);
                every_item = every_item.saturating_add(looks);
            }
            Applies::Items => items = items.saturating_add(looks),
        }
    }
    let looks = |judging| Looks {
        judging,
        asking_again: 0,
    };
    let named = named.into_iter().map(|(part, own)| {
        let every = match part {
            Part::Property(_) => every_property,
            Part::Item(_) => every_item.saturating_add(items),
        };
        (part, looks(own.saturating_add(every)))
    });
    let properties = every_property.saturating_add(additional);
    Below {
        named: named.collect(),
        other: looks(properties.max(every_item.saturating_add(items))),
    }
}
