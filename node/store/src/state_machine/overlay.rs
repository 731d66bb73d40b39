//! The batch in the making: changes of earlier entries of a chunk, visible to the later ones before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use confman_core::audit::{AuditEvent, AuditHead};
use confman_core::cluster::ClusterRecord;
use confman_core::entry::{ConfigEntry, Version};
use confman_core::ids::NamespacePath;
use confman_core::namespace::ConfigNamespace;
use confman_core::publish_request::{PublishRequest, RequestState};
use confman_core::state::{Change, StateView as _};
use rocksdb::{ReadOptions, WriteBatch};

use super::Published;
use super::generation::{LARGE_VALUE_BYTES, ReadError, decode_row};
use super::replica_hash::RowHash;
use crate::codec::{self, AppliedRow, AppliedSpec, ClaimedPath, LiveRow, NonceUse, Record, Revision};
use crate::crash_point;
use crate::keys::{self, Family};
use crate::view::rows::{Rows, View, below};

/// The state as published, with the changes of this chunk on top.
pub(crate) struct Overlay {
    base: Arc<Published>,
    /// Rows that apply may read back; none is a deleted one.
    rows: BTreeMap<(Family, Vec<u8>), Option<Vec<u8>>>,
    /// Namespaces that changed; none is a deleted one.
    namespaces: BTreeMap<NamespacePath, Option<Arc<ConfigNamespace>>>,
    cluster: Option<Arc<ClusterRecord>>,
    batch: WriteBatch,
    /// Of what the present entry has written.
    written: RowHash,
}

impl Rows for Overlay {
    fn record<R: Record>(&self, family: Family, key: &[u8]) -> Result<Option<R>, ReadError> {
        // A chunk is small and most of its rows are asked for once, so the key is copied for the look-up.
        match self.rows.get(&(family, key.to_vec())) {
            Some(row) => row.as_deref().map(|bytes| decode_row(key, bytes)).transpose(),
            None => self.base.generation.record(family, key),
        }
    }

    fn namespace(&self, path: &NamespacePath) -> Option<Arc<ConfigNamespace>> {
        match self.namespaces.get(path) {
            Some(changed) => changed.clone(),
            None => self.base.namespaces.get(path).cloned(),
        }
    }

    fn namespaces_below(&self, path: &NamespacePath) -> Vec<Arc<ConfigNamespace>> {
        let mut found: BTreeMap<_, _> = below(&self.base.namespaces, path)
            .map(|(path, namespace)| (path.clone(), Arc::clone(namespace)))
            .collect();
        for (changed, namespace) in self.namespaces.iter().filter(|(changed, _)| changed.is_below(path)) {
            match namespace {
                Some(namespace) => found.insert(changed.clone(), Arc::clone(namespace)),
                None => found.remove(changed),
            };
        }
        found.into_values().collect()
    }

    fn cluster(&self) -> Option<Arc<ClusterRecord>> {
        self.cluster.clone()
    }

    fn keys(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        let from = (family, prefix.to_vec());
        let changed = || {
            let rows = self.rows.range(from.clone()..);
            rows.take_while(|((of, key), _)| *of == family && key.starts_with(prefix))
        };
        let deleted = changed().filter(|(_, row)| row.is_none()).count();
        let base =
            self.base
                .generation
                .keys(family, prefix, (limit.saturating_add(deleted), ReadOptions::default()))?;
        let mut found: BTreeSet<Vec<u8>> = base.into_iter().collect();
        for ((_, key), row) in changed() {
            match row {
                Some(_) => found.insert(key.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().take(limit).collect())
    }
}

impl View<Overlay> {
    pub(crate) fn over(base: Arc<Published>) -> Self {
        Self(Overlay {
            cluster: base.cluster.clone(),
            base,
            rows: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            batch: WriteBatch::default(),
            written: RowHash::default(),
        })
    }

    /// Bytes that the batch has by now.
    pub(super) fn batch_bytes(&self) -> usize {
        self.0.batch.size_in_bytes()
    }

    /// Takes up the changes of one entry; a hash of what they wrote.
    pub(crate) fn write(&mut self, changes: Vec<Change>) -> Result<RowHash, ReadError> {
        changes.into_iter().try_for_each(|change| self.write_one(change))?;
        Ok(std::mem::take(&mut self.0.written))
    }

    fn write_one(&mut self, change: Change) -> Result<(), ReadError> {
        match change {
            Change::PutCluster(cluster) => {
                self.put_only(Family::State, keys::CLUSTER, &codec::encode(&cluster));
                self.0.cluster = Some(Arc::new(cluster));
            }
            Change::PutStampKey(key) => self.put(Family::State, keys::stamp_key(&key.key_id), &key),
            Change::PutNonce { nonce, request_id } => {
                self.put(Family::State, keys::nonce(&nonce), &NonceUse { request_id });
            }
            Change::PutAppliedSpec {
                kubernetes_namespace,
                name,
                spec_digest,
                request_id,
            } => self.put(
                Family::State,
                keys::applied_spec(&kubernetes_namespace, &name, spec_digest),
                &AppliedSpec { request_id },
            ),
            Change::PutNamespace(namespace) => {
                self.put_only(
                    Family::State,
                    &keys::namespace(&namespace.path),
                    &codec::encode(&*namespace),
                );
                let path = namespace.path.clone();
                self.0.namespaces.insert(path, Some(Arc::from(namespace)));
            }
            Change::DeleteNamespace(path) => {
                self.delete_only(Family::State, &keys::namespace(&path));
                self.0.namespaces.insert(path, None);
            }
            Change::PutClaim {
                kubernetes_namespace,
                name,
                path,
            } => self.put(
                Family::State,
                keys::claim(&kubernetes_namespace, &name),
                &ClaimedPath { path },
            ),
            Change::DeleteClaim {
                kubernetes_namespace,
                name,
            } => self.delete(Family::State, keys::claim(&kubernetes_namespace, &name)),
            Change::PutEntry(entry) => return self.put_entry(&entry),
            Change::PutVersion(version) => return self.put_version(&version),
            Change::PutRequest(request) => return self.put_request(&request),
            Change::AppendAudit(event) => return self.append_audit(&event),
            change @ (Change::DeleteVersion { .. }
            | Change::PutContentRevision { .. }
            | Change::PutDraft(_)
            | Change::DeleteDraft { .. }
            | Change::PutSchema(_)
            | Change::PutApiKey(_)
            | Change::PutDelivery(_)
            | Change::DeleteDelivery { .. }
            | Change::PutTargetHealth(_)
            | Change::PutIdempotency(_)
            | Change::DeleteIdempotency { .. }) => self.write_row(change),
        }
        Ok(())
    }

    /// Changes of one row and nothing else.
    fn write_row(&mut self, change: Change) {
        let state = Family::State;
        match change {
            Change::DeleteVersion { namespace, key, number } => {
                self.delete(Family::History, keys::version(&namespace, &key, number));
            }
            Change::PutContentRevision { path, revision } => {
                self.put(state, keys::content_revision(&path), &Revision(revision));
            }
            Change::PutDraft(draft) => self.put(state, keys::draft(&draft.namespace, &draft.key), &*draft),
            Change::DeleteDraft { namespace, key } => self.delete(state, keys::draft(&namespace, &key)),
            Change::PutSchema(schema) => {
                let reference = &schema.reference;
                self.put(state, keys::last_schema(&reference.path), &Revision(reference.revision));
                self.put(state, keys::schema(reference), &*schema);
            }
            Change::PutApiKey(key) => {
                self.put_only(state, &keys::api_key_by_hash(key.hash, &key.name), &[]);
                self.put(state, keys::api_key(&key.name), &*key);
            }
            Change::PutDelivery(delivery) => self.put(state, keys::delivery(&delivery.id), &*delivery),
            Change::DeleteDelivery { id } => self.delete(state, keys::delivery(&id)),
            Change::PutTargetHealth(health) => {
                let key = keys::target_health(&health.namespace, health.target.as_str());
                self.put(state, key, &*health);
            }
            Change::PutIdempotency(record) => {
                self.put_marker(keys::idempotency_by_end(record.ends_at, record.key));
                self.put(state, keys::idempotency(record.key), &*record);
            }
            Change::DeleteIdempotency { ends_at, key } => {
                self.delete(state, keys::idempotency_by_end(ends_at, key));
                self.delete(state, keys::idempotency(key));
            }
            Change::PutCluster(_)
            | Change::PutStampKey(_)
            | Change::PutNonce { .. }
            | Change::PutAppliedSpec { .. }
            | Change::PutNamespace(_)
            | Change::DeleteNamespace(_)
            | Change::PutClaim { .. }
            | Change::DeleteClaim { .. }
            | Change::PutEntry(_)
            | Change::PutVersion(_)
            | Change::PutRequest(_)
            | Change::AppendAudit(_) => {}
        }
    }

    /// The entry, and the row of its live value. Entry and version come in any order within one chunk.
    fn put_entry(&mut self, entry: &ConfigEntry) -> Result<(), ReadError> {
        let ConfigEntry {
            namespace, key, live, ..
        } = entry;
        self.put(Family::State, keys::entry(namespace, key), entry);
        let live_key = keys::live(namespace, key);
        match live {
            None => self.delete(Family::State, live_key),
            Some(number) => {
                if let Some(version) = self.version(namespace, key, *number)? {
                    self.put_live(&version);
                }
            }
        }
        Ok(())
    }

    fn put_version(&mut self, version: &Version) -> Result<(), ReadError> {
        let Version {
            namespace, key, number, ..
        } = version;
        self.put(Family::History, keys::version(namespace, key, *number), version);
        if self
            .entry(namespace, key)?
            .is_some_and(|entry| entry.live == Some(*number))
        {
            self.put_live(version);
        }
        Ok(())
    }

    fn put_live(&mut self, version: &Version) {
        let bytes = version.value.as_ref().map_or(0, |value| value.canonical_bytes().len());
        let row = if bytes < LARGE_VALUE_BYTES {
            LiveRow::Inline(Box::new(version.clone()))
        } else {
            LiveRow::Stored(version.number)
        };
        self.put(Family::State, keys::live(&version.namespace, &version.key), &row);
    }

    fn put_request(&mut self, request: &PublishRequest) -> Result<(), ReadError> {
        let before = self.request(&request.id)?;
        let moved_from = before.as_ref().map(|before| before.state);
        if let Some(state) = moved_from.filter(|state| *state != request.state) {
            self.delete_only(Family::State, &keys::request_by_state(state, &request.id));
        }
        self.put_only(Family::State, &keys::request_by_state(request.state, &request.id), &[]);
        self.list_request_in_subtrees(moved_from, request);
        let open = keys::open_request(&request.namespace, &request.id);
        if request.state.is_final() {
            self.delete(Family::State, open);
        } else {
            self.put_marker(open);
        }
        self.put(Family::State, keys::request(&request.id), request);
        Ok(())
    }

    /// Lists the request under its namespace and every one above it, and among the open ones for as long as it is open.
    fn list_request_in_subtrees(&mut self, before: Option<RequestState>, request: &PublishRequest) {
        let (was_open, is_open) = (before.is_some_and(|state| !state.is_final()), !request.state.is_final());
        if before.is_some() && was_open == is_open {
            return;
        }
        let submitted = request.steps.first().map_or(0, |step| step.position.index);
        let subtrees: Vec<_> = std::iter::once(request.namespace.clone())
            .chain(request.namespace.ancestors())
            .collect();
        for path in subtrees {
            if before.is_none() {
                let listed = keys::request_of_subtree(&path, false, (submitted, &request.id));
                self.put_only(Family::State, &listed, &[]);
            }
            let open = keys::request_of_subtree(&path, true, (submitted, &request.id));
            if is_open {
                self.put_only(Family::State, &open, &[]);
            } else if was_open {
                self.delete_only(Family::State, &open);
            }
        }
    }

    fn append_audit(&mut self, event: &AuditEvent) -> Result<(), ReadError> {
        let (index, seq) = (event.position.index, event.seq);
        let head = self.audit_head()?;
        self.put_only(Family::Audit, &keys::audit_event(index, seq), &codec::encode(event));
        let namespace = &event.resource.namespace;
        let subtrees = namespace.self_and_ancestors();
        for path in subtrees.filter(|path| !path.is_root()) {
            self.put_only(Family::Audit, &keys::audit_in_subtree(&path, index, seq), &[]);
        }
        let head = AuditHead {
            count: head.count + 1,
            hash: event.hash,
            time: event.time,
        };
        self.put(Family::State, keys::AUDIT_HEAD.to_vec(), &head);
        Ok(())
    }

    fn put<R: Record>(&mut self, family: Family, key: Vec<u8>, record: &R) {
        let bytes = codec::encode(record);
        self.put_only(family, &key, &bytes);
        self.0.rows.insert((family, key), Some(bytes));
    }

    /// Writes a row without content, whose key apply looks for.
    fn put_marker(&mut self, key: Vec<u8>) {
        self.put_only(Family::State, &key, &[]);
        self.0.rows.insert((Family::State, key), Some(Vec::new()));
    }

    /// Writes a row that apply never reads back.
    fn put_only(&mut self, family: Family, key: &[u8], bytes: &[u8]) {
        self.0.written.add(family, key, Some(bytes));
        let family = self.0.base.generation.family(family);
        self.0.batch.put_cf(family, key, bytes);
    }

    /// Deletes a row that apply never reads back.
    fn delete_only(&mut self, family: Family, key: &[u8]) {
        self.0.written.add(family, key, None);
        self.0.batch.delete_cf(self.0.base.generation.family(family), key);
    }

    fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.delete_only(family, &key);
        self.0.rows.insert((family, key), None);
    }

    /// Writes everything in one batch together with how far the state then is; the state to publish.
    pub(crate) fn commit(mut self, applied: AppliedRow) -> Result<Published, rocksdb::Error> {
        self.put_only(Family::State, keys::APPLIED, &codec::encode(&applied));
        let Overlay {
            base,
            namespaces,
            cluster,
            batch,
            ..
        } = self.0;
        crash_point::reach("apply-before-write");
        base.generation.write(batch)?;
        crash_point::reach("apply-after-write");
        let namespaces = if namespaces.is_empty() {
            Arc::clone(&base.namespaces)
        } else {
            let mut all = (*base.namespaces).clone();
            for (path, namespace) in namespaces {
                match namespace {
                    Some(namespace) => all.insert(path, namespace),
                    None => all.remove(&path),
                };
            }
            Arc::new(all)
        };
        Ok(Published {
            generation: Arc::clone(&base.generation),
            namespaces,
            cluster,
            applied,
        })
    }
}
