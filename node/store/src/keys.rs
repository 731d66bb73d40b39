//! The layout of the data: every column family and every key in one table.
//!
//! Prefix bytes are never reused, also after a table is gone. Integers in keys are big-endian, so that they sort.
//! Values are records in the envelope of [`crate::codec`]; *kind* names theirs.
//!
//! **Data folder**
//!
//! | path | what |
//! |---|---|
//! | `LOCK` | held by the one process that uses the folder |
//! | `identity` | node id, incarnation, cluster id (kind `Identity`) |
//! | `floor` | what this node has acknowledged at least; see `log_store/floor.rs` |
//! | `log/` | RocksDB of the Raft log |
//! | `state/CURRENT` | name of the live generation, `gen-N` |
//! | `state/gen-N/` | RocksDB of the state |
//! | `snapshots/INDEX-TERM-NODE/` | the newest snapshot: `manifest` (kind `SnapshotManifest`) and `files/` |
//! | `snapshots/incoming-*`, `snapshots/building-*` | unfinished; removed at start |
//!
//! **Log database** (WAL synced)
//!
//! | family | key | kind |
//! |---|---|---|
//! | `log` | index u64 | `LogEntry` |
//! | `meta` | `vote` | `Vote` |
//! | `meta` | `purged`, `committed` | `LogId` |
//! | `meta` | `format` | u32, [`FORMAT`] |
//!
//! **State database** (no WAL, atomic flush)
//!
//! | family | prefix | rest of the key | kind |
//! |---|---|---|---|
//! | `state` | 01 | | u32, [`FORMAT`] |
//! | `state` | 02 | | `Applied` |
//! | `state` | 03 | | `ClusterRecord` |
//! | `state` | 04 | | `AuditHead` |
//! | `state` | 10 | key id | `StampKey` |
//! | `state` | 11 | nonce | `NonceUse` |
//! | `state` | 12 | path | `ConfigNamespace` |
//! | `state` | 13 | Kubernetes namespace, 00, name | `ClaimedPath` |
//! | `state` | 14 | path, 00, key | `ConfigEntry` |
//! | `state` | 15 | path, 00, key | `LiveRow`; only while the key is live |
//! | `state` | 16 | request id | `PublishRequest` |
//! | `state` | 17 | request state u8, request id | empty: requests by state |
//! | `state` | 18 | path of the namespace *or of one above it*, 00, submit index u64, request id | empty: requests of a subtree, by age |
//! | `state` | 19 | Kubernetes namespace, 00, name, 00, spec digest | `AppliedSpec` |
//! | `state` | 1a | path, 00, request id | empty: open requests of a namespace |
//! | `state` | 1b | path | `Revision`: of the namespace's content |
//! | `state` | 1c | path, 00, key | `Draft` |
//! | `state` | 1d | path, 00, revision u64 | `StoredSchema` |
//! | `state` | 1e | path | `Revision`: the last one of a schema |
//! | `state` | 1f | name | `ApiKeyRecord` |
//! | `state` | 40 | delivery id | `Delivery`; only while it is not finished |
//! | `state` | 41 | path, 00, target | `TargetHealth` |
//! | `state` | 42 | digest of an idempotency key | `IdempotencyRecord` |
//! | `state` | 43 | end in ms i64, digest of an idempotency key | empty: idempotency keys by their end |
//! | `state` | 44 | digest of the text of an API key, name | empty: API keys by what callers show |
//! | `state` | 45 | path of the namespace *or of one above it*, 00, submit index u64, request id | empty: open requests of a subtree, by age |
//! | `history` | 20 | path, 00, key, 00, number u64 | `Version` |
//! | `audit` | 30 | index u64, seq u32 | `AuditEvent` |
//! | `audit` | 31 | path of the namespace *or of one above it*, 00, index u64, seq u32 | empty: audit of a subtree, by time; `/` needs none |
//!
//! 00 cannot occur in a path, a key, a request id or a Kubernetes name.

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::namespace::SchemaReference;
use confman_core::publish_request::RequestState;

/// Format of both databases that this binary writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// Family of the log entries.
pub const LOG: &str = "log";
/// Family of vote, purged, committed and format.
pub const META: &str = "meta";
/// Key of the vote.
pub const VOTE: &[u8] = b"vote";
/// Key of the last purged log id.
pub const PURGED: &[u8] = b"purged";
/// Key of the last log id known to be committed.
pub const COMMITTED: &[u8] = b"committed";
/// Key of the format of the log database.
pub const LOG_FORMAT: &[u8] = b"format";

/// Key of the format of the state database.
pub const STATE_FORMAT: &[u8] = &[0x01];
/// Key of the last applied log id and the membership.
pub const APPLIED: &[u8] = &[0x02];
/// Key of the cluster record.
pub const CLUSTER: &[u8] = &[0x03];
/// Key of the head of the audit chain.
pub const AUDIT_HEAD: &[u8] = &[0x04];
/// Prefix of the stamp keys.
pub const STAMP_KEYS: u8 = 0x10;
/// Prefix of the used nonces.
pub const NONCES: u8 = 0x11;
/// Prefix of the config namespaces.
pub const NAMESPACES: u8 = 0x12;
/// Prefix of the claims.
pub const CLAIMS: u8 = 0x13;
/// Prefix of the entries.
pub const ENTRIES: u8 = 0x14;
/// Prefix of the live values.
pub const LIVE: u8 = 0x15;
/// Prefix of the publish requests.
pub const REQUESTS: u8 = 0x16;
/// Prefix of the requests by state.
pub const REQUESTS_BY_STATE: u8 = 0x17;
/// Prefix of the requests of a subtree.
pub const REQUESTS_OF_SUBTREE: u8 = 0x18;
/// Prefix of the applied specs.
pub const APPLIED_SPECS: u8 = 0x19;
/// Prefix of the open requests of a namespace.
pub const OPEN_REQUESTS: u8 = 0x1a;
/// Prefix of the content revisions.
pub const CONTENT_REVISIONS: u8 = 0x1b;
/// Prefix of the drafts.
pub const DRAFTS: u8 = 0x1c;
/// Prefix of the schemas.
pub const SCHEMAS: u8 = 0x1d;
/// Prefix of the last revisions of schemas.
pub const LAST_SCHEMAS: u8 = 0x1e;
/// Prefix of the API keys.
pub const API_KEYS: u8 = 0x1f;
/// Prefix of the deliveries.
pub const DELIVERIES: u8 = 0x40;
/// Prefix of the records of webhook targets.
pub const TARGET_HEALTH: u8 = 0x41;
/// Prefix of the idempotency records.
pub const IDEMPOTENCY: u8 = 0x42;
/// Prefix of the idempotency keys by their end.
pub const IDEMPOTENCY_BY_END: u8 = 0x43;
/// Prefix of the API keys by the digest of their text.
pub const API_KEYS_BY_HASH: u8 = 0x44;
/// Prefix of the open requests of a subtree.
pub const OPEN_REQUESTS_OF_SUBTREE: u8 = 0x45;
/// Prefix of the versions.
pub const VERSIONS: u8 = 0x20;
/// Prefix of the audit events.
pub const AUDIT_EVENTS: u8 = 0x30;
/// Prefix of the audit events of a subtree.
pub const AUDIT_OF_SUBTREE: u8 = 0x31;

/// A column family of the state database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Small rows that are read by key.
    State,
    /// Versions: large, cold.
    History,
    /// Audit: written once, read in order.
    Audit,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::State, Self::History, Self::Audit];

    /// Its name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::History => "history",
            Self::Audit => "audit",
        }
    }
}

/// Puts a key together: a prefix, then texts, separators and numbers in the order of the table.
struct KeyWriter(Vec<u8>);

impl KeyWriter {
    fn new(prefix: u8) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(prefix);
        Self(bytes)
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn end(mut self) -> Self {
        self.0.push(0);
        self
    }

    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn short_number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Key of a log entry.
pub fn log_entry(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// Index of a log entry's key; none if it is no such key.
pub fn log_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Key of a stamp key.
pub fn stamp_key(key_id: &str) -> Vec<u8> {
    KeyWriter::new(STAMP_KEYS).text(key_id).done()
}

/// Key of a used nonce.
pub fn nonce(nonce: &str) -> Vec<u8> {
    KeyWriter::new(NONCES).text(nonce).done()
}

/// Key of an applied spec.
pub fn applied_spec(kubernetes_namespace: &str, name: &str, spec_digest: Digest) -> Vec<u8> {
    let object = KeyWriter::new(APPLIED_SPECS)
        .text(kubernetes_namespace)
        .end()
        .text(name);
    let mut key = object.end().done();
    key.extend_from_slice(spec_digest.as_bytes());
    key
}

/// Key of a config namespace.
pub fn namespace(path: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(NAMESPACES).text(path.as_str()).done()
}

/// Key of a claim.
pub fn claim(kubernetes_namespace: &str, name: &str) -> Vec<u8> {
    KeyWriter::new(CLAIMS)
        .text(kubernetes_namespace)
        .end()
        .text(name)
        .done()
}

/// What the keys of the entries of `namespace` begin with.
pub fn entries(namespace: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(ENTRIES).text(namespace.as_str()).end().done()
}

/// Key of an entry.
pub fn entry(namespace: &NamespacePath, key: &ConfigKey) -> Vec<u8> {
    KeyWriter::new(ENTRIES)
        .text(namespace.as_str())
        .end()
        .text(key.as_str())
        .done()
}

/// Key of a live value.
pub fn live(namespace: &NamespacePath, key: &ConfigKey) -> Vec<u8> {
    live_prefix(namespace, key.as_str())
}

/// What the keys of the live values of `namespace` that begin with `prefix` begin with.
pub fn live_prefix(namespace: &NamespacePath, prefix: &str) -> Vec<u8> {
    KeyWriter::new(LIVE).text(namespace.as_str()).end().text(prefix).done()
}

/// Key of a publish request.
pub fn request(id: &RequestId) -> Vec<u8> {
    KeyWriter::new(REQUESTS).text(id.as_str()).done()
}

/// What the keys of the requests in `state` begin with.
pub fn requests_by_state(state: RequestState) -> Vec<u8> {
    let state = match state {
        RequestState::PendingReview => 1,
        RequestState::Approved => 2,
        RequestState::Published => 3,
        RequestState::Rejected => 4,
        RequestState::Withdrawn => 5,
        RequestState::Superseded => 6,
    };
    KeyWriter::new(REQUESTS_BY_STATE).byte(state).done()
}

/// Key of the row that lists request `id` under `state`.
pub fn request_by_state(state: RequestState, id: &RequestId) -> Vec<u8> {
    KeyWriter(requests_by_state(state)).text(id.as_str()).done()
}

/// What the keys of the requests of the subtree under `path` begin with; of the open ones only, if so asked.
pub fn requests_of_subtree(path: &NamespacePath, only_open: bool) -> Vec<u8> {
    let prefix = if only_open {
        OPEN_REQUESTS_OF_SUBTREE
    } else {
        REQUESTS_OF_SUBTREE
    };
    KeyWriter::new(prefix).text(path.as_str()).end().done()
}

/// Key of the row that lists request `id`, submitted at log index `submitted`, under `path`.
pub fn request_of_subtree(path: &NamespacePath, only_open: bool, (submitted, id): (u64, &RequestId)) -> Vec<u8> {
    KeyWriter(requests_of_subtree(path, only_open))
        .number(submitted)
        .text(id.as_str())
        .done()
}

/// What the keys of the open requests of `namespace` begin with.
pub fn open_requests(namespace: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(OPEN_REQUESTS).text(namespace.as_str()).end().done()
}

/// Id in a key of [`OPEN_REQUESTS`].
pub fn id_of_open_request(key: &[u8]) -> Option<RequestId> {
    let id = key.rsplit(|byte| *byte == 0).next()?;
    RequestId::parse(std::str::from_utf8(id).ok()?).ok()
}

/// Key of the row that lists request `id` as open.
pub fn open_request(namespace: &NamespacePath, id: &RequestId) -> Vec<u8> {
    KeyWriter(open_requests(namespace)).text(id.as_str()).done()
}

/// Key of the content revision of a namespace.
pub fn content_revision(path: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(CONTENT_REVISIONS).text(path.as_str()).done()
}

/// What the keys of the drafts of `namespace` begin with.
pub fn drafts(namespace: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(DRAFTS).text(namespace.as_str()).end().done()
}

/// Key of a draft.
pub fn draft(namespace: &NamespacePath, key: &ConfigKey) -> Vec<u8> {
    KeyWriter(drafts(namespace)).text(key.as_str()).done()
}

/// What the keys of the revisions of a schema begin with.
pub fn schemas(path: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(SCHEMAS).text(path.as_str()).end().done()
}

/// Key of a revision of a schema.
pub fn schema(reference: &SchemaReference) -> Vec<u8> {
    KeyWriter(schemas(&reference.path)).number(reference.revision).done()
}

/// Key of the last revision of a schema.
pub fn last_schema(path: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(LAST_SCHEMAS).text(path.as_str()).done()
}

/// Key of an API key.
pub fn api_key(name: &str) -> Vec<u8> {
    KeyWriter::new(API_KEYS).text(name).done()
}

/// What the keys of the rows begin with that name the API keys whose text has this digest.
pub fn api_keys_by_hash(hash: Digest) -> Vec<u8> {
    let mut row = vec![API_KEYS_BY_HASH];
    row.extend_from_slice(hash.as_bytes());
    row
}

/// Key of the row that lists the API key `name` under the digest of its text.
pub fn api_key_by_hash(hash: Digest, name: &str) -> Vec<u8> {
    KeyWriter(api_keys_by_hash(hash)).text(name).done()
}

/// Key of a delivery.
pub fn delivery(id: &str) -> Vec<u8> {
    KeyWriter::new(DELIVERIES).text(id).done()
}

/// Key of the record of a webhook target.
pub fn target_health(namespace: &NamespacePath, target: &str) -> Vec<u8> {
    KeyWriter::new(TARGET_HEALTH)
        .text(namespace.as_str())
        .end()
        .text(target)
        .done()
}

/// Key of an idempotency record.
pub fn idempotency(key: Digest) -> Vec<u8> {
    let mut row = vec![IDEMPOTENCY];
    row.extend_from_slice(key.as_bytes());
    row
}

/// Key of the row that lists an idempotency key by its end.
pub fn idempotency_by_end(ends_at: Timestamp, key: Digest) -> Vec<u8> {
    // Times are never negative, so they sort as they are.
    let millis = u64::try_from(ends_at.as_millis()).unwrap_or(0);
    let mut row = KeyWriter::new(IDEMPOTENCY_BY_END).number(millis).done();
    row.extend_from_slice(key.as_bytes());
    row
}

/// End and idempotency key of such a row.
pub fn ended_idempotency(row: &[u8]) -> Option<(Timestamp, Digest)> {
    let (rest, digest) = row.split_last_chunk::<32>()?;
    let (_, millis) = rest.split_last_chunk::<8>()?;
    let millis = i64::try_from(u64::from_be_bytes(*millis)).ok()?;
    Some((Timestamp::from_millis(millis), Digest::from_bytes(*digest)))
}

/// What the keys of the versions of a key begin with.
pub fn versions(namespace: &NamespacePath, key: &ConfigKey) -> Vec<u8> {
    KeyWriter::new(VERSIONS)
        .text(namespace.as_str())
        .end()
        .text(key.as_str())
        .end()
        .done()
}

/// Key of a version.
pub fn version(namespace: &NamespacePath, key: &ConfigKey, number: u64) -> Vec<u8> {
    KeyWriter(versions(namespace, key)).number(number).done()
}

/// Key of an audit event.
pub fn audit_event(index: u64, seq: u32) -> Vec<u8> {
    KeyWriter::new(AUDIT_EVENTS).number(index).short_number(seq).done()
}

/// What the keys of the audit events of the subtree under `path` begin with.
pub fn audit_of_subtree(path: &NamespacePath) -> Vec<u8> {
    KeyWriter::new(AUDIT_OF_SUBTREE).text(path.as_str()).end().done()
}

/// Key of the row that lists an audit event under `path`.
pub fn audit_in_subtree(path: &NamespacePath, index: u64, seq: u32) -> Vec<u8> {
    KeyWriter(audit_of_subtree(path)).number(index).short_number(seq).done()
}

/// Index and seq at the end of an audit key.
pub fn audit_position(key: &[u8]) -> Option<(u64, u32)> {
    let (rest, seq) = key.split_last_chunk::<4>()?;
    let (_, index) = rest.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*index), u32::from_be_bytes(*seq)))
}

/// The first key after every key that begins with `prefix`; none if there is none.
pub fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> NamespacePath {
        NamespacePath::parse(text).expect("a path")
    }

    #[test]
    fn keys_of_a_namespace_do_not_mix_with_those_of_its_neighbours() {
        let prefix = live_prefix(&path("/a"), "");
        let key = ConfigKey::parse("k").expect("a key");
        assert!(live(&path("/a"), &key).starts_with(&prefix));
        for other in ["/a/b", "/a-b", "/a.b", "/ab", "/"] {
            assert!(!live(&path(other), &key).starts_with(&prefix), "{other}");
        }
    }

    #[test]
    fn end_of_prefix_is_after_every_key_with_it() {
        assert_eq!(end_of_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(end_of_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of_prefix(&[0xff]), None);
    }

    #[test]
    fn audit_position_is_read_back() {
        assert_eq!(audit_position(&audit_event(7, 3)), Some((7, 3)));
        assert_eq!(audit_position(&audit_in_subtree(&path("/a"), 9, 1)), Some((9, 1)));
    }
}
