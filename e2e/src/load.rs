//! The load tool: the same closed loop against Confman, etcd and a bare HTTP server, bounded in time and count; and what
//! a node makes of many keys and of many watches.

pub mod bare;
pub mod drive;
pub mod etcd;
pub mod http;
pub mod pages;
pub mod report;
pub mod watches;

/// Key number `sequence` of `keys` keys; consecutive operations touch different keys.
pub fn key(sequence: u64, keys: u64) -> String {
    // An odd multiplier visits every key before it repeats when `keys` is a power of ten.
    format!("key-{:06}", sequence.wrapping_mul(7_919) % keys)
}

/// A value of `bytes` bytes that no other sequence number gives (as long as 20 digits fit).
pub fn value(sequence: u64, bytes: usize) -> String {
    format!("{sequence:0>bytes$}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_visited_before_one_repeats() {
        let keys: BTreeSet<_> = (0..1_000).map(|sequence| key(sequence, 1_000)).collect();
        assert_eq!(keys.len(), 1_000);
    }

    #[test]
    fn values_have_the_size_asked_for_and_differ() {
        assert_eq!(value(7, 256).len(), 256);
        assert_ne!(value(7, 256), value(8, 256));
    }
}
