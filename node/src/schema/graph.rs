//! How the subschemas of a document hang together: no endless circles, and every rule of a key where it surely holds.

use std::collections::BTreeSet;

use confman_core::schema::KeyRules;

use super::confman;
use super::error::{Defect, SchemaError};
use super::survey::{Applies, Survey};

/// Longest chain of subschemas that judge the same value; bounds the stack.
pub(super) const MAX_CHAIN: usize = 24;

/// The subschemas, those that others apply to the same value first.
pub(super) fn leaves_first(survey: &Survey<'_>) -> Result<Vec<usize>, SchemaError> {
    let count = survey.subschemas.len();
    let mut waits_for = vec![0_usize; count];
    let mut appliers = vec![Vec::new(); count];
    for (index, subschema) in survey.subschemas.iter().enumerate() {
        for (_, target) in subschema.edges.iter().filter(|(applies, _)| applies.in_place()) {
            waits_for[index] += 1;
            appliers[*target].push(index);
        }
    }
    let mut order: Vec<usize> = (0..count).filter(|index| waits_for[*index] == 0).collect();
    let mut chain = vec![1_usize; count];
    let mut position = 0;
    while let Some(&done) = order.get(position) {
        position += 1;
        for &applier in &appliers[done] {
            chain[applier] = chain[applier].max(chain[done] + 1);
            if chain[applier] > MAX_CHAIN {
                let (what, limit) = ("subschemas in a chain that judges the same value", MAX_CHAIN);
                let pointer = survey.subschemas[applier].pointer.as_str();
                return Err(SchemaError::new(pointer, Defect::TooMany { what, limit }));
            }
            waits_for[applier] -= 1;
            if waits_for[applier] == 0 {
                order.push(applier);
            }
        }
    }
    match (0..count).find(|index| waits_for[*index] > 0) {
        Some(stuck) => Err(endless(survey, &waits_for, stuck)),
        None => Ok(order),
    }
}

/// Follows the circle that keeps `stuck` waiting until it closes.
fn endless(survey: &Survey<'_>, waits_for: &[usize], stuck: usize) -> SchemaError {
    let mut seen = BTreeSet::new();
    let mut current = stuck;
    while seen.insert(current) {
        let edges = survey.subschemas[current].edges.iter();
        let next = edges.filter(|(applies, target)| applies.in_place() && waits_for[*target] > 0);
        current = next.map(|(_, target)| *target).next().unwrap_or(current);
    }
    SchemaError::new(survey.subschemas[current].pointer.as_str(), Defect::Endless)
}

/// Which keywords of ours are refused, and why.
type Refusal = (fn(&str) -> bool, &'static str);

/// What a subschema judges when it is reached from the top.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// The namespace.
    Namespace,
    /// The namespace, if some condition holds.
    NamespaceSometimes,
    /// A key, always.
    Key,
    /// A key, if some condition holds.
    KeySometimes,
    /// Something inside the value of a key, or a name.
    Inside,
}

impl Role {
    fn of_target(self, applies: &Applies) -> Self {
        let at_key = |sure, unsure| match self {
            Self::Namespace => sure,
            Self::NamespaceSometimes => unsure,
            Self::Key | Self::KeySometimes | Self::Inside => Self::Inside,
        };
        match applies {
            Applies::Always => self,
            Applies::Sometimes => match self {
                Self::Namespace | Self::NamespaceSometimes => Self::NamespaceSometimes,
                Self::Key | Self::KeySometimes => Self::KeySometimes,
                Self::Inside => Self::Inside,
            },
            Applies::Property(_) | Applies::Matching(_) | Applies::Additional => at_key(Self::Key, Self::KeySometimes),
            Applies::Unevaluated => at_key(Self::KeySometimes, Self::KeySometimes),
            Applies::Names | Applies::Item(_) | Applies::Items => Self::Inside,
        }
    }

    /// Which keywords of ours must not stand here, and why.
    fn refuses(self) -> Option<Refusal> {
        let but_choices: fn(&str) -> bool = |name| name != confman::ALLOWED_VALUES;
        match self {
            Self::Key => None,
            Self::Namespace | Self::NamespaceSometimes => Some((
                |_| true,
                "stands at the namespace: it must stand at a key, below properties",
            )),
            Self::KeySometimes => Some((
                but_choices,
                "stands under a condition (anyOf, oneOf, not, if, dependentSchemas, unevaluatedProperties): it must hold always",
            )),
            Self::Inside => Some((
                but_choices,
                "stands inside the value of a key: it must stand at the key itself, because a key is governed as a whole",
            )),
        }
    }
}

/// Refuses every keyword of ours that would not do what it says where it stands.
pub(super) fn check_places(survey: &Survey<'_>) -> Result<(), SchemaError> {
    let mut seen = BTreeSet::from([(0, Role::Namespace)]);
    let mut open = vec![(0, Role::Namespace)];
    while let Some((index, role)) = open.pop() {
        let subschema = &survey.subschemas[index];
        if let (Some(members), Some((wanted, why))) = (subschema.members, role.refuses())
            && let Some(keyword) = confman::find(members, wanted)
        {
            let keyword = keyword.to_owned();
            let pointer = format!("{}/{keyword}", subschema.pointer);
            return Err(SchemaError::new(pointer, Defect::Misplaced { keyword, why }));
        }
        for (applies, target) in &subschema.edges {
            let next = (*target, role.of_target(applies));
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    Ok(())
}

/// The rules of each subschema and of all that it always applies.
pub(super) fn rules(survey: &Survey<'_>, leaves_first: &[usize]) -> Vec<KeyRules> {
    let mut rules: Vec<KeyRules> = survey
        .subschemas
        .iter()
        .map(|subschema| subschema.rules.clone())
        .collect();
    for &index in leaves_first {
        for (_, target) in survey.subschemas[index]
            .edges
            .iter()
            .filter(|(applies, _)| *applies == Applies::Always)
        {
            rules[index] = std::mem::take(&mut rules[index]).and(rules[*target].clone());
        }
    }
    rules
}

/// The root and all that it always applies: everything that surely judges the namespace.
pub(super) fn surely_of_namespace(survey: &Survey<'_>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::from([0]);
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        for (_, target) in survey.subschemas[index]
            .edges
            .iter()
            .filter(|(applies, _)| *applies == Applies::Always)
        {
            if seen.insert(*target) {
                open.push(*target);
            }
        }
    }
    seen
}
