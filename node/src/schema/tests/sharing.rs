//! The cache of compiled schemas.

use std::sync::{Arc, Barrier};

use confman_core::digest::Digest;

use super::super::SchemaCache;

fn text(number: usize) -> String {
    format!("{{\"maximum\":{number}}}")
}

#[test]
fn a_schema_is_compiled_once_however_many_ask_at_once() {
    let cache = SchemaCache::default();
    let text = text(1);
    let digest = Digest::of(text.as_bytes());
    let barrier = Barrier::new(8);
    let compiled: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            cache.get(digest, &text)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok()?.ok())
            .collect()
    });
    assert_eq!(compiled.len(), 8);
    assert!(compiled.iter().all(|other| Arc::ptr_eq(other, &compiled[0])));
    assert_eq!(cache.len(), 1);
}

#[test]
fn only_the_schemas_used_last_are_kept() -> Result<(), super::SchemaError> {
    let cache = SchemaCache::new(2);
    let get = |number: usize| cache.get(Digest::of(text(number).as_bytes()), &text(number));
    let first = get(1)?;
    get(2)?;
    assert!(Arc::ptr_eq(&first, &get(1)?));
    get(3)?;
    assert_eq!(cache.len(), 2);
    assert!(Arc::ptr_eq(&first, &get(1)?), "2 was used longest ago");
    Ok(())
}

#[test]
fn a_refusal_is_kept_too() {
    let cache = SchemaCache::default();
    let text = "{\"type\":1}";
    let get = || cache.get(Digest::of(text.as_bytes()), text).map(|_| ());
    assert!(get().is_err());
    assert_eq!(get(), get());
    assert_eq!(cache.len(), 1);
}
