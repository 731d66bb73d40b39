//! The rules' view of the state over anything that can find a row: a snapshot of the database, or a batch in the making.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use confman_core::api_key::ApiKeyRecord;
use confman_core::audit::AuditHead;
use confman_core::cluster::{ClusterRecord, StampKey};
use confman_core::digest::Digest;
use confman_core::entry::{ConfigEntry, Draft, Version};
use confman_core::idempotency::IdempotencyRecord;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::{ConfigNamespace, SchemaReference};
use confman_core::publish_request::PublishRequest;
use confman_core::state::{Occupant, StateView, StoredSchema};
use confman_core::webhook::{Delivery, TargetHealth};

use crate::codec::{AppliedSpec, ClaimedPath, LiveRow, NonceUse, Record, Revision};
use crate::keys::{self, Family};
use crate::state_machine::ReadError;

/// Every namespace by its path, in memory: each request needs some.
pub type NamespaceMap = BTreeMap<NamespacePath, Arc<ConfigNamespace>>;

/// Finds rows by key, and namespaces in memory.
pub trait Rows {
    /// The record under `key`.
    fn record<R: Record>(&self, family: Family, key: &[u8]) -> Result<Option<R>, ReadError>;
    /// The namespace at `path`.
    fn namespace(&self, path: &NamespacePath) -> Option<Arc<ConfigNamespace>>;
    /// Namespaces strictly below `path`, in path order.
    fn namespaces_below(&self, path: &NamespacePath) -> Vec<Arc<ConfigNamespace>>;
    /// The cluster record.
    fn cluster(&self) -> Option<Arc<ClusterRecord>>;
    /// The first `limit` keys of rows that begin with `prefix`.
    fn keys(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, ReadError>;
}

/// The namespaces of `map` strictly below `path`.
pub(crate) fn below<'m>(
    map: &'m NamespaceMap,
    path: &'m NamespacePath,
) -> impl Iterator<Item = (&'m NamespacePath, &'m Arc<ConfigNamespace>)> {
    // Between "/a" and "/a/b" sort neighbours like "/a-b", which begin with "/a" too.
    map.range::<NamespacePath, _>((Bound::Excluded(path), Bound::Unbounded))
        .take_while(|(candidate, _)| candidate.as_str().starts_with(path.as_str()))
        .filter(|(candidate, _)| candidate.is_below(path))
}

/// The replicated state at one moment.
pub struct View<R>(pub(crate) R);

impl<R: Rows> View<R> {
    /// The live version of a key: one look-up, two for a large value. None if the key is deleted or was never there.
    pub fn live(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<Version>, ReadError> {
        let row: Option<LiveRow> = self.0.record(Family::State, &keys::live(namespace, key))?;
        row.map(|row| self.version_of(namespace, key, row)).transpose()
    }

    pub(crate) fn version_of(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        row: LiveRow,
    ) -> Result<Version, ReadError> {
        match row {
            LiveRow::Inline(version) => Ok(*version),
            LiveRow::Stored(number) => self
                .version(namespace, key, number)?
                .ok_or(ReadError::Missing { prefix: keys::VERSIONS }),
        }
    }
}

impl<R: Rows> View<R> {
    /// The API key whose text has the digest `hash`, also when it has ended.
    pub fn api_key_by_hash(&self, hash: Digest) -> Result<Option<ApiKeyRecord>, ReadError> {
        match self.first_name(&keys::api_keys_by_hash(hash))? {
            Some(name) => self.api_key(&name),
            None => Ok(None),
        }
    }

    /// What follows `prefix` in the first key that begins with it.
    fn first_name(&self, prefix: &[u8]) -> Result<Option<String>, ReadError> {
        let first = self.0.keys(Family::State, prefix, 1)?;
        let rest = first.first().and_then(|key| key.get(prefix.len()..));
        Ok(rest.map(|rest| String::from_utf8_lossy(rest).into_owned()))
    }
}

impl<R: Rows> StateView for View<R> {
    type Error = ReadError;

    fn cluster(&self) -> Result<Option<Arc<ClusterRecord>>, ReadError> {
        Ok(self.0.cluster())
    }

    fn stamp_key(&self, key_id: &str) -> Result<Option<StampKey>, ReadError> {
        self.0.record(Family::State, &keys::stamp_key(key_id))
    }

    fn nonce(&self, nonce: &str) -> Result<Option<RequestId>, ReadError> {
        let used: Option<NonceUse> = self.0.record(Family::State, &keys::nonce(nonce))?;
        Ok(used.map(|used| used.request_id))
    }

    fn applied_spec(
        &self,
        kubernetes_namespace: &str,
        name: &str,
        spec_digest: Digest,
    ) -> Result<Option<RequestId>, ReadError> {
        let key = keys::applied_spec(kubernetes_namespace, name, spec_digest);
        let applied: Option<AppliedSpec> = self.0.record(Family::State, &key)?;
        Ok(applied.map(|applied| applied.request_id))
    }

    fn namespace(&self, path: &NamespacePath) -> Result<Option<Arc<ConfigNamespace>>, ReadError> {
        Ok(self.0.namespace(path))
    }

    fn claimed_path(&self, kubernetes_namespace: &str, name: &str) -> Result<Option<NamespacePath>, ReadError> {
        let claimed: Option<ClaimedPath> = self.0.record(Family::State, &keys::claim(kubernetes_namespace, name))?;
        Ok(claimed.map(|claimed| claimed.path))
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Result<Vec<Arc<ConfigNamespace>>, ReadError> {
        Ok(self.0.namespaces_below(path))
    }

    fn open_requests(&self) -> Result<Vec<RequestId>, ReadError> {
        let rows = self.0.keys(Family::State, &[keys::OPEN_REQUESTS], usize::MAX)?;
        let missing = ReadError::Missing {
            prefix: keys::OPEN_REQUESTS,
        };
        let ids = rows.iter().map(|row| keys::id_of_open_request(row));
        ids.collect::<Option<Vec<_>>>().ok_or(missing)
    }

    fn occupant(&self, path: &NamespacePath) -> Result<Option<Occupant>, ReadError> {
        let live = keys::live_prefix(path, "");
        if let Some(key) = self.first_name(&live)? {
            return Ok(ConfigKey::parse(&key).ok().map(Occupant::Key));
        }
        if let Some(key) = self.first_name(&keys::drafts(path))? {
            return Ok(ConfigKey::parse(&key).ok().map(Occupant::Draft));
        }
        let open = self.first_name(&keys::open_requests(path))?;
        Ok(open.and_then(|id| RequestId::parse(&id).ok()).map(Occupant::Request))
    }

    fn has_entries(&self, path: &NamespacePath) -> Result<bool, ReadError> {
        Ok(self.first_name(&keys::entries(path))?.is_some())
    }

    fn content_revision(&self, path: &NamespacePath) -> Result<u64, ReadError> {
        let revision: Option<Revision> = self.0.record(Family::State, &keys::content_revision(path))?;
        Ok(revision.map_or(0, |revision| revision.0))
    }

    fn draft(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<Draft>, ReadError> {
        self.0.record(Family::State, &keys::draft(namespace, key))
    }

    fn schema(&self, reference: &SchemaReference) -> Result<Option<StoredSchema>, ReadError> {
        self.0.record(Family::State, &keys::schema(reference))
    }

    fn last_schema_revision(&self, path: &NamespacePath) -> Result<u64, ReadError> {
        let revision: Option<Revision> = self.0.record(Family::State, &keys::last_schema(path))?;
        Ok(revision.map_or(0, |revision| revision.0))
    }

    fn api_key(&self, name: &str) -> Result<Option<ApiKeyRecord>, ReadError> {
        self.0.record(Family::State, &keys::api_key(name))
    }

    fn delivery(&self, id: &str) -> Result<Option<Delivery>, ReadError> {
        self.0.record(Family::State, &keys::delivery(id))
    }

    fn target_health(&self, namespace: &NamespacePath, target: &str) -> Result<Option<TargetHealth>, ReadError> {
        self.0.record(Family::State, &keys::target_health(namespace, target))
    }

    fn idempotency(&self, key: Digest) -> Result<Option<IdempotencyRecord>, ReadError> {
        self.0.record(Family::State, &keys::idempotency(key))
    }

    fn ended_idempotency(&self, time: Timestamp, limit: usize) -> Result<Vec<(Timestamp, Digest)>, ReadError> {
        let rows = self.0.keys(Family::State, &[keys::IDEMPOTENCY_BY_END], limit)?;
        let ended = rows.iter().filter_map(|row| keys::ended_idempotency(row));
        Ok(ended.take_while(|(ends_at, _)| *ends_at < time).collect())
    }

    fn entry(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<ConfigEntry>, ReadError> {
        self.0.record(Family::State, &keys::entry(namespace, key))
    }

    fn version(&self, namespace: &NamespacePath, key: &ConfigKey, number: u64) -> Result<Option<Version>, ReadError> {
        self.0.record(Family::History, &keys::version(namespace, key, number))
    }

    fn request(&self, id: &RequestId) -> Result<Option<PublishRequest>, ReadError> {
        self.0.record(Family::State, &keys::request(id))
    }

    fn audit_head(&self) -> Result<AuditHead, ReadError> {
        Ok(self.0.record(Family::State, keys::AUDIT_HEAD)?.unwrap_or(AuditHead {
            count: 0,
            hash: Digest::ZERO,
            time: Timestamp::default(),
        }))
    }
}
