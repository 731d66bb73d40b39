//! What readers see: live values, versions, requests, namespaces and the audit, without ever waiting for a writer.

mod audit;
mod effective;
mod listing;
mod requests;
pub(crate) mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use confman_core::api_key::ApiKeyRecord;
use confman_core::cluster::ClusterRecord;
use confman_core::digest::Digest;
use confman_core::entry::Version;
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId};
use confman_core::namespace::ConfigNamespace;
use confman_core::publish_request::PublishRequest;
use confman_core::state::StateView as _;
use rocksdb::{DB, ReadOptions, SnapshotWithThreadMode};
use tokio::sync::watch;

pub use self::audit::{AuditPosition, AuditRange, Take};
pub use self::listing::{LiveRange, Order, Page, Room};
pub use self::requests::RequestRange;
use self::rows::{NamespaceMap, Rows, View, below};
use crate::codec::Record;
use crate::keys::Family;
use crate::state_machine::{Generation, Published, ReadError, StateShared, decode_row};

/// Reads the replicated state. Cheap to clone.
#[derive(Clone)]
pub struct StateReader {
    shared: Arc<StateShared>,
}

/// Rows of one moment, of however many tables.
pub struct SnapshotRows<'r> {
    state: &'r Published,
    snapshot: SnapshotWithThreadMode<'r, DB>,
}

/// The whole state at one moment: what the rules read, and lists.
pub type SnapshotView<'r> = View<SnapshotRows<'r>>;

/// Rows as they are now, each look-up on its own.
struct PointRows(Arc<Published>);

impl Rows for PointRows {
    fn record<R: Record>(&self, family: Family, key: &[u8]) -> Result<Option<R>, ReadError> {
        self.0.generation.record(family, key)
    }

    fn namespace(&self, path: &NamespacePath) -> Option<Arc<ConfigNamespace>> {
        self.0.namespaces.get(path).cloned()
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Vec<Arc<ConfigNamespace>> {
        below(&self.0.namespaces, path)
            .map(|(_, found)| Arc::clone(found))
            .collect()
    }

    fn cluster(&self) -> Option<Arc<ClusterRecord>> {
        self.0.cluster.clone()
    }

    fn keys(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        self.0.generation.keys(family, prefix, (limit, ReadOptions::default()))
    }
}

impl Rows for SnapshotRows<'_> {
    fn record<R: Record>(&self, family: Family, key: &[u8]) -> Result<Option<R>, ReadError> {
        let family = self.state.generation.family(family);
        let row = self.snapshot.get_pinned_cf(family, key).map_err(ReadError::Access)?;
        row.map(|bytes| decode_row(key, &bytes)).transpose()
    }

    fn namespace(&self, path: &NamespacePath) -> Option<Arc<ConfigNamespace>> {
        self.state.namespaces.get(path).cloned()
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Vec<Arc<ConfigNamespace>> {
        below(&self.state.namespaces, path)
            .map(|(_, found)| Arc::clone(found))
            .collect()
    }

    fn cluster(&self) -> Option<Arc<ClusterRecord>> {
        self.state.cluster.clone()
    }

    fn keys(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        self.generation().keys(family, prefix, (limit, self.options()))
    }
}

impl SnapshotRows<'_> {
    fn generation(&self) -> &Generation {
        &self.state.generation
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        options
    }
}

impl SnapshotView<'_> {
    /// Every namespace at this moment.
    pub fn namespaces(&self) -> &Arc<NamespaceMap> {
        &self.0.state.namespaces
    }

    /// Position of the last entry that this state is sure to contain.
    pub fn applied(&self) -> Option<LogPosition> {
        self.0.state.position()
    }
}

impl StateReader {
    pub(crate) fn new(shared: Arc<StateShared>) -> Self {
        Self { shared }
    }

    /// Position of the last applied entry that reads see.
    pub fn applied(&self) -> Option<LogPosition> {
        self.shared.published().position()
    }

    /// Follows [`Self::applied`].
    pub fn watch_applied(&self) -> watch::Receiver<Option<LogPosition>> {
        self.shared.watch_position()
    }

    /// Reads several rows that agree with each other. Blocking, but only for as long as `read` takes.
    pub fn read<T>(&self, read: impl FnOnce(&SnapshotView<'_>) -> T) -> T {
        let state = self.shared.published();
        let rows = SnapshotRows {
            snapshot: state.generation.database().snapshot(),
            state: &state,
        };
        read(&View(rows))
    }

    fn point(&self) -> View<PointRows> {
        View(PointRows(self.shared.published()))
    }

    /// The live version of a key: one look-up, two for a large value.
    pub fn live(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<Option<Version>, ReadError> {
        self.point().live(namespace, key)
    }

    /// One version of a key.
    pub fn version(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        number: u64,
    ) -> Result<Option<Version>, ReadError> {
        self.point().version(namespace, key, number)
    }

    /// One publish request.
    pub fn request(&self, id: &RequestId) -> Result<Option<PublishRequest>, ReadError> {
        self.point().request(id)
    }

    /// The API key whose text has the digest `hash`, also when it has ended: two look-ups.
    pub fn api_key_by_hash(&self, hash: Digest) -> Result<Option<ApiKeyRecord>, ReadError> {
        self.point().api_key_by_hash(hash)
    }

    /// The cluster record; none before bootstrap, and the same allocation as long as it does not change.
    pub fn cluster(&self) -> Option<Arc<ClusterRecord>> {
        self.shared.published().cluster.clone()
    }

    /// Every namespace, from memory.
    pub fn namespaces(&self) -> Arc<NamespaceMap> {
        Arc::clone(&self.shared.published().namespaces)
    }

    /// One namespace, from memory.
    pub fn namespace(&self, path: &NamespacePath) -> Option<Arc<ConfigNamespace>> {
        self.shared.published().namespaces.get(path).cloned()
    }
}
