//! Puts in force what was approved of a change of governance.

use crate::audit::{AuditAction, AuditChange};
use crate::cluster::StampKey;
use crate::digest::Digest;
use crate::entry::{ConfigEntry, EntryMeta};
use crate::identity::Identity;
use crate::ids::ConfigKey;
use crate::namespace::ConfigNamespace;
use crate::outcome::Rejection;
use crate::principal::Principal;
use crate::publish_request::SettingsChange;
use crate::state::{Change, StateView};

use super::add_stamp_key::is_known;
use super::context::{Context, Step};
use super::governance::{self, check_floor};
use super::governing::put;
use super::journal::Journal;

/// What an approved change of governance comes to in the audit.
pub(super) struct Enacted {
    pub(super) action: AuditAction,
    pub(super) change: AuditChange,
}

/// Puts approved settings in force, as updated by the one who asked for them.
pub(super) fn settings<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    (namespace, requested_by): (&ConfigNamespace, &Principal),
    change: &SettingsChange,
) -> Step<Enacted, V> {
    let ancestors = context.lineage(&namespace.path)?;
    check_floor(change.settings.governance.workflow, ancestors.get(1..).unwrap_or(&[]))?;
    governance::check_schema(context, &change.settings.governance)?;
    put(
        journal,
        ConfigNamespace {
            claim: change.claim.clone().or_else(|| namespace.claim.clone()),
            settings: change.settings.clone(),
            governance_stamp: change.governance_stamp.or(namespace.governance_stamp),
            updated_at: context.time,
            updated_by: requested_by.clone(),
            revision: context.at.index,
            ..namespace.clone()
        },
    );
    Ok(Enacted {
        action: AuditAction::NamespaceUpdated,
        change: governance::change(Some(&namespace.settings.governance), &change.settings.governance),
    })
}

/// Describes a key as approved.
pub(super) fn entry<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    (namespace, key): (&ConfigNamespace, &ConfigKey),
    meta: &EntryMeta,
) -> Step<Enacted, V> {
    let entry = context.entry(&namespace.path, key)?;
    let entry = entry.ok_or_else(|| Rejection::KeyNotFound {
        namespace: namespace.path.clone(),
        key: key.clone(),
    })?;
    let described = describe(journal, entry, meta);
    Ok(Enacted {
        action: AuditAction::EntryDescribed,
        change: described,
    })
}

/// Writes what is said about a key. A version that is no longer pinned goes if the retention has passed it already.
pub(super) fn describe(journal: &mut Journal, entry: ConfigEntry, meta: &EntryMeta) -> AuditChange {
    let change = AuditChange {
        previous_version: None,
        new_version: None,
        previous_digest: Some(Digest::of_canonical(&entry.meta)),
        new_digest: Some(Digest::of_canonical(meta)),
    };
    for number in entry.meta.pins.difference(&meta.pins) {
        if *number < entry.oldest_version {
            journal.put(Change::DeleteVersion {
                namespace: entry.namespace.clone(),
                key: entry.key.clone(),
                number: *number,
            });
        }
    }
    journal.put(Change::PutEntry(ConfigEntry {
        meta: meta.clone(),
        ..entry
    }));
    change
}

/// Puts the approved identity in force.
pub(super) fn identity<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    identity: &Identity,
) -> Step<Enacted, V> {
    let mut cluster = context.cluster()?.clone();
    let change = AuditChange {
        previous_version: None,
        new_version: None,
        previous_digest: Some(Digest::of_canonical(&cluster.identity)),
        new_digest: Some(Digest::of_canonical(identity)),
    };
    cluster.identity = identity.clone();
    journal.put(Change::PutCluster(cluster));
    Ok(Enacted {
        action: AuditAction::IdentityUpdated,
        change,
    })
}

/// Adds the approved stamp key, if it may still be added.
pub(super) fn stamp_key<V: StateView>(
    context: &Context<'_, V>,
    journal: &mut Journal,
    key: &StampKey,
) -> Step<Enacted, V> {
    is_known(context, key)?;
    journal.put(Change::PutStampKey(key.clone()));
    Ok(Enacted {
        action: AuditAction::StampKeyRegistered,
        change: AuditChange {
            previous_version: None,
            new_version: None,
            previous_digest: None,
            new_digest: Some(Digest::of_canonical(key)),
        },
    })
}
