//! The replicated state in memory: for tests, and the yardstick for the one on disk.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use crate::api_key::ApiKeyRecord;
use crate::audit::{AuditEvent, AuditHead};
use crate::cluster::{ClusterRecord, StampKey};
use crate::digest::Digest;
use crate::entry::{ConfigEntry, Draft, Version};
use crate::idempotency::IdempotencyRecord;
use crate::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use crate::namespace::{ConfigNamespace, SchemaReference};
use crate::publish_request::PublishRequest;
use crate::state::{Change, Occupant, StateView, StoredSchema};
use crate::webhook::{Delivery, TargetHealth};

/// The whole state in ordered maps; reading it never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    cluster: Option<Arc<ClusterRecord>>,
    stamp_keys: BTreeMap<String, StampKey>,
    nonces: BTreeMap<String, RequestId>,
    applied_specs: BTreeMap<(String, String, Digest), RequestId>,
    namespaces: BTreeMap<NamespacePath, Arc<ConfigNamespace>>,
    claims: BTreeMap<(String, String), NamespacePath>,
    entries: BTreeMap<(NamespacePath, ConfigKey), ConfigEntry>,
    versions: BTreeMap<(NamespacePath, ConfigKey, u64), Version>,
    requests: BTreeMap<RequestId, PublishRequest>,
    content_revisions: BTreeMap<NamespacePath, u64>,
    drafts: BTreeMap<(NamespacePath, ConfigKey), Draft>,
    schemas: BTreeMap<SchemaReference, StoredSchema>,
    api_keys: BTreeMap<String, ApiKeyRecord>,
    deliveries: BTreeMap<String, Delivery>,
    target_health: BTreeMap<(NamespacePath, String), TargetHealth>,
    idempotency: BTreeMap<Digest, IdempotencyRecord>,
    audit: Vec<AuditEvent>,
}

impl MemoryState {
    /// Writes the changes of one applied proposal, in order.
    pub fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.write(change);
        }
    }

    fn write(&mut self, change: Change) {
        match change {
            Change::PutCluster(record) => self.cluster = Some(Arc::new(record)),
            Change::PutStampKey(key) => {
                self.stamp_keys.insert(key.key_id.clone(), key);
            }
            Change::PutNonce { nonce, request_id } => {
                self.nonces.insert(nonce, request_id);
            }
            Change::PutAppliedSpec {
                kubernetes_namespace,
                name,
                spec_digest,
                request_id,
            } => {
                self.applied_specs
                    .insert((kubernetes_namespace, name, spec_digest), request_id);
            }
            Change::PutNamespace(namespace) => {
                self.namespaces.insert(namespace.path.clone(), Arc::new(*namespace));
            }
            Change::PutClaim {
                kubernetes_namespace,
                name,
                path,
            } => {
                self.claims.insert((kubernetes_namespace, name), path);
            }
            Change::DeleteClaim {
                kubernetes_namespace,
                name,
            } => {
                self.claims.remove(&(kubernetes_namespace, name));
            }
            Change::PutEntry(entry) => {
                self.entries.insert((entry.namespace.clone(), entry.key.clone()), entry);
            }
            Change::PutVersion(version) => {
                let place = (version.namespace.clone(), version.key.clone(), version.number);
                self.versions.insert(place, *version);
            }
            Change::PutRequest(request) => {
                self.requests.insert(request.id.clone(), *request);
            }
            Change::DeleteNamespace(path) => {
                self.namespaces.remove(&path);
            }
            Change::DeleteVersion { namespace, key, number } => {
                self.versions.remove(&(namespace, key, number));
            }
            Change::PutContentRevision { path, revision } => {
                self.content_revisions.insert(path, revision);
            }
            Change::PutDraft(draft) => {
                self.drafts.insert((draft.namespace.clone(), draft.key.clone()), *draft);
            }
            Change::DeleteDraft { namespace, key } => {
                self.drafts.remove(&(namespace, key));
            }
            Change::PutSchema(schema) => {
                self.schemas.insert(schema.reference.clone(), *schema);
            }
            Change::PutApiKey(key) => {
                self.api_keys.insert(key.name.clone(), *key);
            }
            Change::PutDelivery(delivery) => {
                self.deliveries.insert(delivery.id.clone(), *delivery);
            }
            Change::DeleteDelivery { id } => {
                self.deliveries.remove(&id);
            }
            Change::PutTargetHealth(health) => {
                let place = (health.namespace.clone(), health.target.to_string());
                self.target_health.insert(place, *health);
            }
            Change::PutIdempotency(record) => {
                self.idempotency.insert(record.key, *record);
            }
            Change::DeleteIdempotency { ends_at: _, key } => {
                self.idempotency.remove(&key);
            }
            Change::AppendAudit(event) => self.audit.push(*event),
        }
    }

    /// Every draft, in order of namespace and key.
    pub fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.drafts.values()
    }

    /// Every delivery that is not finished, by id.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values()
    }

    /// Every audit event, oldest first.
    pub fn audit(&self) -> &[AuditEvent] {
        &self.audit
    }

    /// Every publish request.
    pub fn requests(&self) -> impl Iterator<Item = &PublishRequest> {
        self.requests.values()
    }

    /// Every version of every key, in order of namespace, key and number.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.values()
    }

    /// Every config namespace, in order of path.
    pub fn namespaces(&self) -> impl Iterator<Item = &ConfigNamespace> {
        self.namespaces.values().map(Arc::as_ref)
    }
}

impl StateView for MemoryState {
    type Error = Infallible;

    fn cluster(&self) -> Result<Option<Arc<ClusterRecord>>, Infallible> {
        Ok(self.cluster.clone())
    }

    fn stamp_key(&self, key_id: &str) -> Result<Option<StampKey>, Infallible> {
        Ok(self.stamp_keys.get(key_id).cloned())
    }

    fn nonce(&self, nonce: &str) -> Result<Option<RequestId>, Infallible> {
        Ok(self.nonces.get(nonce).cloned())
    }

    fn applied_spec(
        &self,
        kubernetes_namespace: &str,
        name: &str,
        spec_digest: Digest,
    ) -> Result<Option<RequestId>, Infallible> {
        let applied = (kubernetes_namespace.to_owned(), name.to_owned(), spec_digest);
        Ok(self.applied_specs.get(&applied).cloned())
    }

    fn namespace(&self, path: &NamespacePath) -> Result<Option<Arc<ConfigNamespace>>, Infallible> {
        Ok(self.namespaces.get(path).cloned())
    }

    fn claimed_path(&self, kubernetes_namespace: &str, name: &str) -> Result<Option<NamespacePath>, Infallible> {
        let claim = (kubernetes_namespace.to_owned(), name.to_owned());
        Ok(self.claims.get(&claim).cloned())
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Result<Vec<Arc<ConfigNamespace>>, Infallible> {
        let below = self
            .namespaces
            .values()
            .filter(|namespace| namespace.path.is_below(path));
        Ok(below.cloned().collect())
    }

    fn entry(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<ConfigEntry>, Infallible> {
        Ok(self.entries.get(&(namespace.clone(), key.clone())).cloned())
    }

    fn version(&self, namespace: &NamespacePath, key: &ConfigKey, number: u64) -> Result<Option<Version>, Infallible> {
        Ok(self.versions.get(&(namespace.clone(), key.clone(), number)).cloned())
    }

    fn request(&self, id: &RequestId) -> Result<Option<PublishRequest>, Infallible> {
        Ok(self.requests.get(id).cloned())
    }

    fn open_requests(&self) -> Result<Vec<RequestId>, Infallible> {
        let open = self.requests.values().filter(|request| !request.state.is_final());
        Ok(open.map(|request| request.id.clone()).collect())
    }

    fn occupant(&self, path: &NamespacePath) -> Result<Option<Occupant>, Infallible> {
        let live = self
            .entries
            .values()
            .find(|entry| entry.namespace == *path && entry.live.is_some());
        let draft = || self.drafts.keys().find(|(namespace, _)| namespace == path);
        let open = |request: &&PublishRequest| request.namespace == *path && !request.state.is_final();
        let request = || self.requests.values().find(open);
        Ok(live
            .map(|entry| Occupant::Key(entry.key.clone()))
            .or_else(|| draft().map(|(_, key)| Occupant::Draft(key.clone())))
            .or_else(|| request().map(|request| Occupant::Request(request.id.clone()))))
    }

    fn has_entries(&self, path: &NamespacePath) -> Result<bool, Infallible> {
        Ok(self.entries.values().any(|entry| entry.namespace == *path))
    }

    fn content_revision(&self, path: &NamespacePath) -> Result<u64, Infallible> {
        Ok(self.content_revisions.get(path).copied().unwrap_or(0))
    }

    fn draft(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<Draft>, Infallible> {
        Ok(self.drafts.get(&(namespace.clone(), key.clone())).cloned())
    }

    fn schema(&self, reference: &SchemaReference) -> Result<Option<StoredSchema>, Infallible> {
        Ok(self.schemas.get(reference).cloned())
    }

    fn last_schema_revision(&self, path: &NamespacePath) -> Result<u64, Infallible> {
        let of_path = self.schemas.keys().filter(|reference| reference.path == *path);
        Ok(of_path.map(|reference| reference.revision).max().unwrap_or(0))
    }

    fn api_key(&self, name: &str) -> Result<Option<ApiKeyRecord>, Infallible> {
        Ok(self.api_keys.get(name).cloned())
    }

    fn delivery(&self, id: &str) -> Result<Option<Delivery>, Infallible> {
        Ok(self.deliveries.get(id).cloned())
    }

    fn target_health(&self, namespace: &NamespacePath, target: &str) -> Result<Option<TargetHealth>, Infallible> {
        Ok(self.target_health.get(&(namespace.clone(), target.to_owned())).cloned())
    }

    fn idempotency(&self, key: Digest) -> Result<Option<IdempotencyRecord>, Infallible> {
        Ok(self.idempotency.get(&key).cloned())
    }

    fn ended_idempotency(&self, time: Timestamp, limit: usize) -> Result<Vec<(Timestamp, Digest)>, Infallible> {
        let mut ended: Vec<_> = self
            .idempotency
            .values()
            .filter(|record| record.ends_at < time)
            .map(|record| (record.ends_at, record.key))
            .collect();
        ended.sort_unstable();
        ended.truncate(limit);
        Ok(ended)
    }

    fn audit_head(&self) -> Result<AuditHead, Infallible> {
        let before_the_first = AuditHead::default();
        Ok(self.audit.last().map_or(before_the_first, |last| AuditHead {
            count: self.audit.len() as u64,
            hash: last.hash,
            time: last.time,
        }))
    }
}
