//! When each API key was last used on this node. In memory only: it is no part of the cluster's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use confman_api::limits;
use confman_core::ids::Timestamp;
use parking_lot::RwLock;

/// Last use by name of the key; at most [`limits::API_KEYS`] names.
#[derive(Default)]
pub struct LastUsed {
    times: RwLock<BTreeMap<String, AtomicI64>>,
}

impl LastUsed {
    /// The key `name` was used at `now`.
    pub fn note(&self, name: &str, now: Timestamp) {
        if let Some(time) = self.times.read().get(name) {
            time.fetch_max(now.as_millis(), Ordering::Relaxed);
            return;
        }
        let mut times = self.times.write();
        if times.len() < limits::API_KEYS.value {
            times.insert(name.to_owned(), AtomicI64::new(now.as_millis()));
        }
    }

    /// When the key `name` was last used here since the node started.
    pub fn of(&self, name: &str) -> Option<Timestamp> {
        let times = self.times.read();
        times
            .get(name)
            .map(|time| Timestamp::from_millis(time.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_counts_and_memory_is_bounded() {
        let used = LastUsed::default();
        assert_eq!(used.of("reader"), None);
        used.note("reader", Timestamp::from_millis(20));
        used.note("reader", Timestamp::from_millis(10));
        assert_eq!(used.of("reader"), Some(Timestamp::from_millis(20)));
        for count in 0..2 * limits::API_KEYS.value {
            used.note(&format!("key-{count}"), Timestamp::from_millis(1));
        }
        assert!(used.times.read().len() <= limits::API_KEYS.value);
    }
}
