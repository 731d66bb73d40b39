//! What apply reads and what it writes: the view over the replicated state, and its rows.

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
use crate::webhook::{Delivery, TargetHealth};

/// Read access to the replicated state as of the entry before the one being applied.
///
/// An `Err` is a fault of the storage and stops the node; "not there" is `Ok(None)`.
pub trait StateView {
    /// Why a row could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The cluster record; none before bootstrap.
    fn cluster(&self) -> Result<Option<Arc<ClusterRecord>>, Self::Error>;
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
    fn namespace(&self, path: &NamespacePath) -> Result<Option<Arc<ConfigNamespace>>, Self::Error>;
    /// The path that the `ConfigNamespace` object `kubernetes_namespace/name` claims.
    fn claimed_path(&self, kubernetes_namespace: &str, name: &str) -> Result<Option<NamespacePath>, Self::Error>;
    /// Namespaces strictly below `path`, in path order.
    fn namespaces_below(&self, path: &NamespacePath) -> Result<Vec<Arc<ConfigNamespace>>, Self::Error>;
    /// One entry; present as soon as the key has had a version, also when deleted.
    fn entry(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<ConfigEntry>, Self::Error>;
    /// One version of a key.
    fn version(&self, namespace: &NamespacePath, key: &ConfigKey, number: u64) -> Result<Option<Version>, Self::Error>;
    /// One publish request.
    fn request(&self, id: &RequestId) -> Result<Option<PublishRequest>, Self::Error>;
    /// The requests on which people still have a say, or that wait to be published.
    fn open_requests(&self) -> Result<Vec<RequestId>, Self::Error>;
    /// Something that a namespace holds beside the namespaces below it; none if it may be deleted.
    fn occupant(&self, path: &NamespacePath) -> Result<Option<Occupant>, Self::Error>;
    /// True if a namespace at `path` has, or an earlier one had, a key: its versions are kept.
    fn has_entries(&self, path: &NamespacePath) -> Result<bool, Self::Error>;
    /// Log index of the last publish, write or deletion in a namespace; 0 before the first.
    fn content_revision(&self, path: &NamespacePath) -> Result<u64, Self::Error>;
    /// The draft of a key.
    fn draft(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<Draft>, Self::Error>;
    /// One revision of a schema.
    fn schema(&self, reference: &SchemaReference) -> Result<Option<StoredSchema>, Self::Error>;
    /// The last revision of a schema; 0 before the first.
    fn last_schema_revision(&self, path: &NamespacePath) -> Result<u64, Self::Error>;
    /// One API key.
    fn api_key(&self, name: &str) -> Result<Option<ApiKeyRecord>, Self::Error>;
    /// One delivery of a webhook that is not finished.
    fn delivery(&self, id: &str) -> Result<Option<Delivery>, Self::Error>;
    /// How deliveries to a target went; none before the first.
    fn target_health(&self, namespace: &NamespacePath, target: &str) -> Result<Option<TargetHealth>, Self::Error>;
    /// What came of the call with this idempotency key.
    fn idempotency(&self, key: Digest) -> Result<Option<IdempotencyRecord>, Self::Error>;
    /// Idempotency keys that ended before `time`, the oldest first, at most `limit`.
    fn ended_idempotency(&self, time: Timestamp, limit: usize) -> Result<Vec<(Timestamp, Digest)>, Self::Error>;
    /// Where the audit chain ends.
    fn audit_head(&self) -> Result<AuditHead, Self::Error>;
}

/// What keeps a namespace from being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// A live key.
    Key(ConfigKey),
    /// A draft.
    Draft(ConfigKey),
    /// A request that is not decided or not published.
    Request(RequestId),
}

impl std::fmt::Display for Occupant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(formatter, "the live key {key}"),
            Self::Draft(key) => write!(formatter, "a draft of {key}"),
            Self::Request(id) => write!(formatter, "the open publish request {id}"),
        }
    }
}

/// One revision of a schema as replicated.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredSchema {
    /// Where and which.
    pub reference: SchemaReference,
    /// Canonical JSON text.
    pub text: String,
    /// Who stored it.
    pub stored_by: crate::principal::Principal,
    /// When.
    pub stored_at: Timestamp,
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
    /// The namespace is gone.
    DeleteNamespace(NamespacePath),
    /// A version that the retention drops.
    DeleteVersion {
        /// Namespace of the key.
        namespace: NamespacePath,
        /// The key.
        key: ConfigKey,
        /// The version.
        number: u64,
    },
    /// Log index of the last change of a value in a namespace.
    PutContentRevision {
        /// The namespace.
        path: NamespacePath,
        /// The index.
        revision: u64,
    },
    /// A draft, by (namespace, key).
    PutDraft(Box<Draft>),
    /// The draft is gone.
    DeleteDraft {
        /// Namespace of the key.
        namespace: NamespacePath,
        /// The key.
        key: ConfigKey,
    },
    /// A revision of a schema; also becomes the last one of its path.
    PutSchema(Box<StoredSchema>),
    /// An API key, by name.
    PutApiKey(Box<ApiKeyRecord>),
    /// A delivery that is not finished, by id.
    PutDelivery(Box<Delivery>),
    /// The delivery is finished.
    DeleteDelivery {
        /// Its id.
        id: String,
    },
    /// How deliveries to a target went, by (namespace, target).
    PutTargetHealth(Box<TargetHealth>),
    /// What came of a call, by its idempotency key.
    PutIdempotency(Box<IdempotencyRecord>),
    /// The idempotency key has ended.
    DeleteIdempotency {
        /// When.
        ends_at: Timestamp,
        /// The key.
        key: Digest,
    },
    /// The next audit event, by (index, seq); also moves the audit head.
    AppendAudit(Box<AuditEvent>),
}
