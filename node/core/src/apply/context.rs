//! What every command works with: the state, its place in the log, the time, and the stamps it may trust.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::Action;
use crate::audit::AuditHead;
use crate::cluster::{ClusterRecord, StampKey};
use crate::digest::Digest;
use crate::entry::{ConfigEntry, Version};
use crate::ids::{ClusterId, ConfigKey, LogPosition, NamespacePath, RequestId, Timestamp};
use crate::namespace::{ConfigNamespace, each, may};
use crate::outcome::Rejection;
use crate::planted::{Mistake, is_planted};
use crate::principal::{Actor, Principal};
use crate::proposal::Proposal;
use crate::publish_request::PublishRequest;
use crate::stamp::{Signed, StampedUser, Statement};
use crate::state::StateView;

/// Longest name of a Kubernetes object in bytes (RFC 1123 subdomain).
const MAX_KUBERNETES_NAME_BYTES: usize = 253;

/// Why a command ends early.
pub(super) enum Stop<E> {
    /// The rules say no.
    Rejected(Rejection),
    /// The state could not be read; the node must stop.
    Fault(E),
}

impl<E> From<Rejection> for Stop<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// One entry being applied.
pub(super) struct Context<'a, V: StateView> {
    /// The state before this entry.
    pub(super) view: &'a V,
    /// Term and index of this entry.
    pub(super) at: LogPosition,
    /// The proposal's time, or the last event's if that is later: time never runs back.
    pub(super) time: Timestamp,
    /// Trace of the call that caused it.
    pub(super) trace_id: Option<String>,
    /// Where the audit chain ends.
    pub(super) audit_head: AuditHead,
    /// The cluster record; none before bootstrap.
    cluster: Option<Arc<ClusterRecord>>,
}

/// A namespace and its existing ancestors, nearest first, ending with `/`.
pub(super) type Lineage = [Arc<ConfigNamespace>];

/// The usual answer of a step of a command.
pub(super) type Step<T, V> = Result<T, Stop<<V as StateView>::Error>>;

impl<'a, V: StateView> Context<'a, V> {
    pub(super) fn new(view: &'a V, at: LogPosition, proposal: &Proposal) -> Result<Self, V::Error> {
        let audit_head = view.audit_head()?;
        Ok(Self {
            view,
            at,
            time: proposal.proposed_at.max(audit_head.time),
            trace_id: proposal.trace_id.clone(),
            audit_head,
            cluster: view.cluster()?,
        })
    }

    /// The cluster record, if there is one.
    pub(super) fn known_cluster(&self) -> Option<&ClusterRecord> {
        self.cluster.as_deref()
    }

    /// The cluster record.
    pub(super) fn cluster(&self) -> Result<&ClusterRecord, Rejection> {
        self.known_cluster().ok_or(Rejection::ClusterNotInitialised)
    }

    /// One namespace, if it exists.
    pub(super) fn namespace(&self, path: &NamespacePath) -> Step<Option<Arc<ConfigNamespace>>, V> {
        self.view.namespace(path).map_err(Stop::Fault)
    }

    /// The namespace at `path`, if it exists, and every existing ancestor, nearest first. The last one is `/`.
    pub(super) fn lineage(&self, path: &NamespacePath) -> Step<Vec<Arc<ConfigNamespace>>, V> {
        let mut lineage = Vec::new();
        for place in path.self_and_ancestors() {
            lineage.extend(self.namespace(&place)?);
        }
        Ok(lineage)
    }

    /// The lineage of `path`, which must exist.
    pub(super) fn existing_lineage(&self, path: &NamespacePath) -> Step<Vec<Arc<ConfigNamespace>>, V> {
        let lineage = self.lineage(path)?;
        if lineage.first().is_some_and(|nearest| nearest.path == *path) {
            return Ok(lineage);
        }
        Err(Rejection::NamespaceNotFound {
            namespace: path.to_string(),
        })?
    }

    /// One key, if it ever had a version.
    pub(super) fn entry(&self, namespace: &NamespacePath, key: &ConfigKey) -> Step<Option<ConfigEntry>, V> {
        self.view.entry(namespace, key).map_err(Stop::Fault)
    }

    /// The live version of a key.
    pub(super) fn live(&self, namespace: &NamespacePath, key: &ConfigKey) -> Step<Option<Version>, V> {
        match self.entry(namespace, key)?.and_then(|entry| entry.live) {
            Some(number) => self.view.version(namespace, key, number).map_err(Stop::Fault),
            None => Ok(None),
        }
    }

    /// Number of the last version of a key, a deletion counted; 0 before the first. Unlike the live one it never comes back.
    pub(super) fn last_version(&self, namespace: &NamespacePath, key: &ConfigKey) -> Step<u64, V> {
        let entry = self.entry(namespace, key)?;
        if is_planted(Mistake::BaseComesBack) {
            return Ok(entry.and_then(|entry| entry.live).unwrap_or(0));
        }
        Ok(entry.map_or(0, |entry| entry.last_version))
    }

    /// One publish request.
    pub(super) fn request(&self, id: &RequestId) -> Step<PublishRequest, V> {
        let request = self.view.request(id).map_err(Stop::Fault)?;
        Ok(request.ok_or_else(|| Rejection::RequestNotFound { request_id: id.clone() })?)
    }

    /// Verifies that a key of this cluster signed `stamp`, that the key has not ended, and that the stamp speaks of this
    /// cluster. What else the statement binds is for the command to compare.
    pub(super) fn verify<S: Statement>(&self, stamp: &Signed<S>, cluster_of: impl Fn(&S) -> &ClusterId) -> Step<(), V> {
        let cluster = self.cluster()?;
        let key = self.view.stamp_key(&stamp.key_id).map_err(Stop::Fault)?;
        let key = key.ok_or_else(|| Rejection::UnknownStampKey {
            key_id: stamp.key_id.clone(),
        })?;
        self.check_not_ended(&key)?;
        stamp.verify(&key).map_err(|error| invalid_stamp(error.to_string()))?;
        bound("cluster", cluster_of(&stamp.statement), &cluster.cluster_id)?;
        Ok(())
    }

    fn check_not_ended(&self, key: &StampKey) -> Result<(), Rejection> {
        if self.time > key.not_after {
            return Err(Rejection::StampKeyExpired {
                key_id: key.key_id.clone(),
            });
        }
        Ok(())
    }
}

/// Refuses what the roles of `actor` in the first namespace of `lineage` do not allow; `at` is for the message.
pub(super) fn check_may(actor: &Actor, action: Action, lineage: &Lineage, at: &NamespacePath) -> Result<(), Rejection> {
    if may(each(lineage), actor, action) {
        return Ok(());
    }
    Err(Rejection::Forbidden {
        principal: actor.principal.clone(),
        action,
        namespace: at.clone(),
    })
}

/// The groups of `actor` that give the right to `action`: records keep these and no others.
pub(super) fn granting_groups(actor: &Actor, action: Action, lineage: &Lineage) -> BTreeSet<Principal> {
    let grants = |group: &&Principal| may(each(lineage), &Actor::new((*group).clone()), action);
    actor.groups.iter().filter(grants).cloned().collect()
}

/// Refuses a stamped user whose names would not be read back as written, or that has too many groups.
pub(super) fn check_user(user: &StampedUser) -> Result<(), Rejection> {
    let (given, limit) = (user.groups.len(), StampedUser::MAX_GROUPS);
    if given > limit {
        return Err(invalid_stamp(format!(
            "its user has {given} groups, the limit is {limit}"
        )));
    }
    let actor = user.actor();
    let is_lost = |subject: &&Principal| Principal::parse(&subject.to_string()).as_ref() != Ok(*subject);
    if actor.subjects().find(is_lost).is_some() {
        let limit = Principal::MAX_NAME_BYTES;
        let detail = format!("names of its user and groups must have 1 to {limit} bytes and no control characters");
        return Err(invalid_stamp(detail));
    }
    Ok(())
}

/// Refuses what can be no name in Kubernetes, and could not be told apart from another on disk.
pub(super) fn check_kubernetes_name(field: &str, name: &str) -> Result<(), Rejection> {
    let in_shape = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if (1..=MAX_KUBERNETES_NAME_BYTES).contains(&name.len()) && name.bytes().all(in_shape) {
        return Ok(());
    }
    let detail = format!("it must have 1 to {MAX_KUBERNETES_NAME_BYTES} printable ASCII characters other than \"/\"");
    Err(invalid(field, detail))
}

/// Refuses a stamp that was made for something else.
pub(super) fn bound<T: PartialEq + ToString + ?Sized>(what: &str, stamped: &T, actual: &T) -> Result<(), Rejection> {
    if stamped == actual {
        return Ok(());
    }
    let detail = format!(
        "it was made for {what} {}, this is {}",
        stamped.to_string(),
        actual.to_string()
    );
    Err(invalid_stamp(detail))
}

/// A stamp that does not hold.
pub(super) fn invalid_stamp(detail: String) -> Rejection {
    Rejection::InvalidStamp { detail }
}

/// A field that breaks a limit.
pub(super) fn invalid(field: &str, detail: impl Into<String>) -> Rejection {
    Rejection::InvalidField {
        field: field.to_owned(),
        detail: detail.into(),
    }
}

/// Refuses a text that is too long.
pub(super) fn check_length(field: &str, text: Option<&str>, limit: usize) -> Result<(), Rejection> {
    match text.map(str::len) {
        Some(actual) if actual > limit => Err(invalid(field, format!("it has {actual} bytes, the limit is {limit}"))),
        Some(_) | None => Ok(()),
    }
}

/// The full path of a key names a key or a config namespace, never both.
pub(super) fn check_names_no_namespace<V: StateView>(
    context: &Context<'_, V>,
    namespace: &NamespacePath,
    key: &ConfigKey,
) -> Step<(), V> {
    let full = namespace.join(key);
    // A key with upper case or a leading underscore is no path, so it clashes with none.
    let Ok(path) = NamespacePath::parse(&full) else {
        return Ok(());
    };
    match context.namespace(&path)? {
        Some(_) => Err(Rejection::NameTaken {
            path: full,
            existing: "config namespace".to_owned(),
        })?,
        None => Ok(()),
    }
}

/// Digest of the live value, where there is one.
pub(super) fn live_digest(live: Option<&Version>) -> Option<Digest> {
    live.and_then(|version| version.digest)
}
