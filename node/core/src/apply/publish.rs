//! Makes a value live, or deletes it: the next version of its key, and the key's new head. Old versions may go.

use crate::entry::{ConfigEntry, EntryMeta, Version};
use crate::ids::{ConfigKey, NamespacePath, RequestId};
use crate::namespace::{HistoryRetention, each, effective_retention, inherited};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::principal::Principal;
use crate::state::{Change, StateView};
use crate::value::ConfigValue;

use super::context::{Context, Lineage, Step, Stop};
use super::journal::Journal;
use super::judge::schema_revision;

/// Most versions that one publish drops, so that a new retention does not stop the log.
const MAX_DROPPED: u64 = 16;
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// What goes live.
pub(super) struct NewVersion<'a> {
    pub(super) namespace: &'a NamespacePath,
    pub(super) key: &'a ConfigKey,
    /// None for a tombstone.
    pub(super) value: Option<ConfigValue>,
    pub(super) published_by: &'a Principal,
    pub(super) request_id: Option<&'a RequestId>,
    pub(super) approvers: Vec<Principal>,
    pub(super) is_sensitive: bool,
}

/// Writes the version and makes it live. Numbers go up by one and are never given twice.
pub(super) fn publish<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    lineage: &Lineage,
    new: NewVersion<'_>,
) -> Step<Version, V> {
    let before = context.entry(new.namespace, new.key)?;
    let (last, oldest, meta, noted) = before.map_or((0, 1, EntryMeta::default(), 0), |entry| {
        (
            entry.last_version,
            entry.oldest_version,
            entry.meta,
            entry.rotation_noted,
        )
    });
    let version = Version {
        namespace: new.namespace.clone(),
        key: new.key.clone(),
        number: last + 1,
        digest: new.value.as_ref().map(ConfigValue::digest),
        value: new.value,
        published_at: context.time,
        published_by: new.published_by.clone(),
        request_id: new.request_id.cloned(),
        approvers: new.approvers,
        position: context.at,
        is_sensitive: new.is_sensitive,
        schema_revision: schema_revision(lineage),
    };
    let mut entry = ConfigEntry {
        namespace: version.namespace.clone(),
        key: version.key.clone(),
        live: version.value.is_some().then_some(version.number),
        last_version: version.number,
        oldest_version: oldest,
        meta,
        rotation_noted: noted,
    };
    journal.put(Change::PutVersion(Box::new(version.clone())));
    if let Some(retention) = effective_retention(each(lineage)) {
        drop_old_versions(context, journal, &mut entry, retention)?;
    }
    journal.put(Change::PutEntry(entry));
    journal.put(Change::PutContentRevision {
        path: version.namespace.clone(),
        revision: context.at.index,
    });
    drop_draft(context, journal, &version)?;
    Ok(version)
}

/// Drops versions over both limits, oldest first. The new version is live, so the one before it is the last that stays.
fn drop_old_versions<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    entry: &mut ConfigEntry,
    retention: HistoryRetention,
) -> Step<(), V> {
    let kept = u64::from(retention.versions.max(HistoryRetention::LEAST_VERSIONS));
    let newest_to_go = entry.last_version.saturating_sub(kept);
    let end = newest_to_go.min(entry.oldest_version.saturating_add(MAX_DROPPED - 1));
    let youngest = context.time.as_millis() - i64::from(retention.days) * MS_PER_DAY;
    while entry.oldest_version <= end {
        let number = entry.oldest_version;
        let found = context.view.version(&entry.namespace, &entry.key, number);
        let is_young = found
            .map_err(Stop::Fault)?
            .is_some_and(|version| version.published_at.as_millis() > youngest);
        if is_young {
            break;
        }
        if !entry.meta.pins.contains(&number) {
            journal.put(Change::DeleteVersion {
                namespace: entry.namespace.clone(),
                key: entry.key.clone(),
                number,
            });
        }
        entry.oldest_version = number + 1;
    }
    Ok(())
}

/// A draft that has become the version is no draft any more.
fn drop_draft<V: StateView>(context: &Context<'_, V>, journal: &mut Journal, version: &Version) -> Step<(), V> {
    let draft = context
        .view
        .draft(&version.namespace, &version.key)
        .map_err(Stop::Fault)?;
    if draft.is_some_and(|draft| Some(draft.value.digest()) == version.digest) {
        journal.put(Change::DeleteDraft {
            namespace: version.namespace.clone(),
            key: version.key.clone(),
        });
    }
    Ok(())
}

/// Refuses a key that a namespace above, from which this one inherits, keeps for itself.
pub(super) fn check_not_final<V: StateView>(
    context: &Context<'_, V>,
    lineage: &Lineage,
    key: &ConfigKey,
) -> Step<(), V> {
    for ancestor in inherited(each(lineage)).skip(1) {
        let entry = context.entry(&ancestor.path, key)?;
        let is_kept = entry.is_some_and(|entry| entry.meta.is_final && entry.live.is_some());
        if is_kept && !is_planted(Mistake::FinalIgnored) {
            Err(Rejection::FinalKey {
                key: key.clone(),
                ancestor: ancestor.path.clone(),
            })?;
        }
    }
    Ok(())
}
