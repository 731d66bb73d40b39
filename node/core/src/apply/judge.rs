//! What the schemas said about a change: apply never evaluates one, it checks that the leader looked at what holds now.

use std::collections::BTreeMap;

use crate::ids::{ConfigKey, NamespacePath};
use crate::namespace::{each, schema_lineage};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::schema::KeyRules;
use crate::state::StateView;
use crate::value::{ConfigValue, ValueType};
use crate::verdict::Verdict;

use super::context::{Context, Lineage, Step, Stop};

/// One key whose change was judged.
pub(super) struct Judged<'a> {
    pub(super) namespace: &'a NamespacePath,
    pub(super) lineage: &'a Lineage,
    /// Number of the live version, 0 for none.
    pub(super) live: u64,
}

/// What holds for the key by a verdict that is up to date; violations are not looked at.
pub(super) fn rules<V: StateView>(
    context: &Context<'_, V>,
    judged: &Judged<'_>,
    verdict: Option<&Verdict>,
) -> Step<KeyRules, V> {
    if is_planted(Mistake::VerdictIgnored) {
        return Ok(KeyRules::default());
    }
    let holding: BTreeMap<_, _> = schema_lineage(each(judged.lineage))
        .map(|namespace| (namespace.path.clone(), namespace.revision))
        .collect();
    let Some(verdict) = verdict else {
        return if holding.is_empty() {
            Ok(KeyRules::default())
        } else {
            Err(Rejection::VerdictOutdated)?
        };
    };
    if verdict.namespaces != holding || verdict.live_version != judged.live {
        Err(Rejection::VerdictOutdated)?;
    }
    if let Some(seen) = verdict.content_revision
        && seen != context.view.content_revision(judged.namespace).map_err(Stop::Fault)?
    {
        Err(Rejection::VerdictOutdated)?;
    }
    Ok(verdict.rules.clone())
}

/// As [`rules`], and refuses what breaks the schemas.
pub(super) fn check<V: StateView>(
    context: &Context<'_, V>,
    judged: &Judged<'_>,
    verdict: Option<&Verdict>,
) -> Step<KeyRules, V> {
    let rules = rules(context, judged, verdict)?;
    let violations = verdict.map_or(&[][..], |verdict| verdict.violations.as_slice());
    if violations.is_empty() || is_planted(Mistake::VerdictIgnored) {
        return Ok(rules);
    }
    Err(Rejection::ValidationFailed {
        violations: violations.to_vec(),
    })?
}

/// Refuses the value of a secret that is not protected as its rules ask for.
pub(super) fn check_protected(rules: &KeyRules, key: &ConfigKey, value: &ConfigValue) -> Result<(), Rejection> {
    let is_reference = value.value_type() == ValueType::SecretRef;
    let is_protected = if rules.encrypted {
        is_reference || value.is_sealed()
    } else {
        !rules.sensitive || is_reference || value.protection().is_some()
    };
    if is_protected {
        return Ok(());
    }
    Err(Rejection::NotSealed { key: key.clone() })
}

/// Revision of the nearest namespace of `lineage` whose schema holds.
pub(super) fn schema_revision(lineage: &Lineage) -> Option<u64> {
    schema_lineage(each(lineage)).next().map(|namespace| namespace.revision)
}
