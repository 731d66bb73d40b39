//! What apply reads and what it writes: the view over the replicated state, and its rows.

use crate::audit::{AuditEvent, AuditHead};
use crate::cluster::{ClusterRecord, StampKey};
use crate::digest::Digest;
use crate::entry::{ConfigEntry, Version};
use crate::ids::{ConfigKey, NamespacePath, RequestId};
use crate::namespace::ConfigNamespace;
use crate::publish_request::PublishRequest;

/// Read access to the replicated state as of the entry before the one being applied.
///
/// An `Err` is a fault of the storage and stops the node; "not there" is `Ok(None)`.
pub trait StateView {
    /// Why a row could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The cluster record; none before bootstrap.
    fn cluster(&self) -> Result<Option<ClusterRecord>, Self::Error>;
    /// One stamp key.
    fn stamp_key(&self, key_id: &str) -> Result<Option<StampKey>, Self::Error>;
    /// The request that used this nonce.
    fn nonce(&self, nonce: &str) -> Result<Option<RequestId>, Self::Error>;
    /// The request that published this spec of the `PublishRequest` object `kubernetes_namespace/name`.
    fn applied_spec(
        &self,
        kubernetes_namespace: &str,
        name: &str,
        spec_digest: Digest,
    ) -> Result<Option<RequestId>, Self::Error>;
    /// One namespace.
    fn namespace(&self, path: &NamespacePath) -> Result<Option<ConfigNamespace>, Self::Error>;
    /// The path that the `ConfigNamespace` object `kubernetes_namespace/name` claims.
    fn claimed_path(&self, kubernetes_namespace: &str, name: &str) -> Result<Option<NamespacePath>, Self::Error>;
    /// Namespaces strictly below `path`, in path order.
    fn namespaces_below(&self, path: &NamespacePath) -> Result<Vec<ConfigNamespace>, Self::Error>;
    /// One entry; present as soon as the key has had a version, also when deleted.
    fn entry(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<ConfigEntry>, Self::Error>;
    /// One version of a key.
    fn version(&self, namespace: &NamespacePath, key: &ConfigKey, number: u64) -> Result<Option<Version>, Self::Error>;
    /// One publish request.
    fn request(&self, id: &RequestId) -> Result<Option<PublishRequest>, Self::Error>;
    /// Where the audit chain ends.
    fn audit_head(&self) -> Result<AuditHead, Self::Error>;
}

/// One write produced by apply. Rows replace the row of the same identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The cluster record.
    PutCluster(ClusterRecord),
    /// A stamp key, by `key_id`.
    PutStampKey(StampKey),
    /// A used nonce and the request that used it.
    PutNonce {
        /// The nonce.
        nonce: String,
        /// Who used it.
        request_id: RequestId,
    },
    /// A spec of an object that was published, and the request that did it.
    PutAppliedSpec {
        /// Kubernetes namespace of the object.
        kubernetes_namespace: String,
        /// Name of the object.
        name: String,
        /// Digest of the spec.
        spec_digest: Digest,
        /// Which request published it.
        request_id: RequestId,
    },
    /// A namespace, by path.
    PutNamespace(Box<ConfigNamespace>),
    /// `kubernetes_namespace/name` claims `path`.
    PutClaim {
        /// Kubernetes namespace of the object.
        kubernetes_namespace: String,
        /// Name of the object.
        name: String,
        /// The claimed path.
        path: NamespacePath,
    },
    /// The claim is gone.
    DeleteClaim {
        /// Kubernetes namespace of the object.
        kubernetes_namespace: String,
        /// Name of the object.
        name: String,
    },
    /// An entry, by (namespace, key).
    PutEntry(ConfigEntry),
    /// A version, by (namespace, key, number). Never overwritten with other content.
    PutVersion(Box<Version>),
    /// A publish request, by id.
    PutRequest(Box<PublishRequest>),
    /// The next audit event, by (index, seq); also moves the audit head.
    AppendAudit(Box<AuditEvent>),
}
