//! The replicated state in memory: for tests, and the yardstick for the one on disk.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::audit::{AuditEvent, AuditHead};
use crate::cluster::{ClusterRecord, StampKey};
use crate::digest::Digest;
use crate::entry::{ConfigEntry, Version};
use crate::ids::{ConfigKey, NamespacePath, RequestId};
use crate::namespace::ConfigNamespace;
use crate::publish_request::PublishRequest;
use crate::state::{Change, StateView};

/// The whole state in ordered maps; reading it never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    cluster: Option<ClusterRecord>,
    stamp_keys: BTreeMap<String, StampKey>,
    nonces: BTreeMap<String, RequestId>,
    applied_specs: BTreeMap<(String, String, Digest), RequestId>,
    namespaces: BTreeMap<NamespacePath, ConfigNamespace>,
    claims: BTreeMap<(String, String), NamespacePath>,
    entries: BTreeMap<(NamespacePath, ConfigKey), ConfigEntry>,
    versions: BTreeMap<(NamespacePath, ConfigKey, u64), Version>,
    requests: BTreeMap<RequestId, PublishRequest>,
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
            Change::PutCluster(record) => self.cluster = Some(record),
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
                self.namespaces.insert(namespace.path.clone(), *namespace);
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
            Change::AppendAudit(event) => self.audit.push(*event),
        }
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
        self.namespaces.values()
    }
}

impl StateView for MemoryState {
    type Error = Infallible;

    fn cluster(&self) -> Result<Option<ClusterRecord>, Infallible> {
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

    fn namespace(&self, path: &NamespacePath) -> Result<Option<ConfigNamespace>, Infallible> {
        Ok(self.namespaces.get(path).cloned())
    }

    fn claimed_path(&self, kubernetes_namespace: &str, name: &str) -> Result<Option<NamespacePath>, Infallible> {
        let claim = (kubernetes_namespace.to_owned(), name.to_owned());
        Ok(self.claims.get(&claim).cloned())
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Result<Vec<ConfigNamespace>, Infallible> {
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

    fn audit_head(&self) -> Result<AuditHead, Infallible> {
        let before_the_first = AuditHead::default();
        Ok(self.audit.last().map_or(before_the_first, |last| AuditHead {
            count: self.audit.len() as u64,
            hash: last.hash,
            time: last.time,
        }))
    }
}
