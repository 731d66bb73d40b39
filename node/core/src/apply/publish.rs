//! Makes a value live: the next version of its key, and the key's new head.

use crate::entry::{ConfigEntry, Version};
use crate::ids::{ConfigKey, NamespacePath, RequestId};
use crate::principal::Principal;
use crate::state::{Change, StateView};
use crate::value::ConfigValue;

use super::context::{Context, Step};
use super::journal::Journal;

/// What goes live.
pub(super) struct NewVersion<'a> {
    pub(super) namespace: &'a NamespacePath,
    pub(super) key: &'a ConfigKey,
    pub(super) value: ConfigValue,
    pub(super) published_by: &'a Principal,
    pub(super) request_id: Option<&'a RequestId>,
    pub(super) approvers: Vec<Principal>,
}

/// Writes the version and makes it live. Numbers go up by one and are never given twice.
pub(super) fn publish<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    new: NewVersion<'_>,
) -> Step<Version, V> {
    let last = context
        .entry(new.namespace, new.key)?
        .map_or(0, |entry| entry.last_version);
    let version = Version {
        namespace: new.namespace.clone(),
        key: new.key.clone(),
        number: last + 1,
        digest: Some(new.value.digest()),
        value: Some(new.value),
        published_at: context.time,
        published_by: new.published_by.clone(),
        request_id: new.request_id.cloned(),
        approvers: new.approvers,
        position: context.at,
    };
    journal.put(Change::PutVersion(Box::new(version.clone())));
    journal.put(Change::PutEntry(ConfigEntry {
        namespace: version.namespace.clone(),
        key: version.key.clone(),
        live: Some(version.number),
        last_version: version.number,
    }));
    Ok(version)
}
