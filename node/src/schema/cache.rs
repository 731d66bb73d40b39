//! Compiled schemas by digest: each is compiled once, however many ask at the same time, and only so many are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use confman_core::digest::Digest;
use parking_lot::Mutex;

use super::compile::CompiledSchema;
use super::error::SchemaError;

type Compiled = Result<Arc<CompiledSchema>, SchemaError>;

struct Slot {
    compiled: Arc<OnceLock<Compiled>>,
    last_use: u64,
}

#[derive(Default)]
struct Slots {
    by_digest: BTreeMap<Digest, Slot>,
    uses: u64,
}

/// Shared between all requests of a node.
pub struct SchemaCache {
    slots: Mutex<Slots>,
    capacity: usize,
}

impl SchemaCache {
    /// Schemas a node keeps compiled.
    pub const CAPACITY: usize = 256;

    /// Keeps at most `capacity` schemas, those used last.
    pub fn new(capacity: usize) -> Self {
        Self {
            slots: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    /// The schema with this text, compiled now if it is not kept. Who asks while another compiles it waits for that.
    /// `digest` is [`Digest::of`] the bytes of `text`; who stores the text knows it, so it is not computed again.
    ///
    /// # Errors
    /// Of [`CompiledSchema::compile`]; a refusal is kept too.
    pub fn get(&self, digest: Digest, text: &str) -> Result<Arc<CompiledSchema>, SchemaError> {
        debug_assert_eq!(digest, Digest::of(text.as_bytes()), "the digest is of the text");
        let slot = self.slot(digest);
        slot.get_or_init(|| CompiledSchema::compile(text).map(Arc::new)).clone()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.slots.lock().by_digest.len()
    }

    /// True before the first use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, digest: Digest) -> Arc<OnceLock<Compiled>> {
        let mut slots = self.slots.lock();
        slots.uses += 1;
        let now = slots.uses;
        if let Some(slot) = slots.by_digest.get_mut(&digest) {
            slot.last_use = now;
            return Arc::clone(&slot.compiled);
        }
        if slots.by_digest.len() >= self.capacity {
            let oldest = slots.by_digest.iter().min_by_key(|(_, slot)| slot.last_use);
            if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                slots.by_digest.remove(&oldest);
            }
        }
        let compiled = Arc::default();
        slots.by_digest.insert(
            digest,
            Slot {
                compiled: Arc::clone(&compiled),
                last_use: now,
            },
        );
        compiled
    }
}

impl Default for SchemaCache {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}
