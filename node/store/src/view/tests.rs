//! Listings, indexes and single reads over a state that was written without the rules.

use std::ops::Bound;

use confman_core::audit::AuditEvent;
use confman_core::digest::Digest;
use confman_core::entry::{ConfigEntry, Version};
use confman_core::namespace::ConfigNamespace;
use confman_core::publish_request::RequestState;
use confman_core::state::{Change, StateView as _};
use tempfile::TempDir;

use super::rows::View;
use super::{AuditPosition, AuditRange, LiveRange, Order, Room, Take};
use crate::Store;
use crate::samples::{audit_event, key, namespace, path, request, request_id, stamp_key, version};
use crate::state_machine::LARGE_VALUE_BYTES;
use crate::test_store::{open, write};

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    (folder, store)
}

fn publish(at: &str, name: &str, number: u64, value: &str) -> [Change; 2] {
    let entry = ConfigEntry {
        namespace: path(at),
        key: key(name),
        live: Some(number),
        last_version: number,
        oldest_version: 1,
        meta: confman_core::entry::EntryMeta::default(),
        rotation_noted: 0,
    };
    [
        Change::PutEntry(entry),
        Change::PutVersion(Box::new(version(at, name, number, value))),
    ]
}

fn delete(at: &str, name: &str, number: u64) -> Change {
    Change::PutEntry(ConfigEntry {
        namespace: path(at),
        key: key(name),
        live: None,
        last_version: number,
        oldest_version: 1,
        meta: confman_core::entry::EntryMeta::default(),
        rotation_noted: 0,
    })
}

#[test]
fn api_keys_are_found_by_what_callers_show_and_listed_by_name() {
    let (_folder, store) = store();
    let named = |name: &str| confman_core::api_key::ApiKeyRecord {
        name: name.to_owned(),
        hash: Digest::of(name.as_bytes()),
        ..crate::samples::api_key()
    };
    let keys = ["reader", "writer", "zebra"].map(|name| Change::PutApiKey(Box::new(named(name))));
    write(&store, 1, keys.to_vec());
    let found = |text: &str| {
        store
            .reader
            .api_key_by_hash(Digest::of(text.as_bytes()))
            .expect("readable")
    };
    assert_eq!(found("writer"), Some(named("writer")));
    assert_eq!(found("write"), None);
    let ended = confman_core::api_key::ApiKeyRecord {
        revoked_at: Some(crate::samples::time(9)),
        ..named("writer")
    };
    write(&store, 2, vec![Change::PutApiKey(Box::new(ended.clone()))]);
    assert_eq!(found("writer"), Some(ended.clone()), "also when it has ended");
    let page = |after| store.reader.read(|view| view.api_keys(after, 2)).expect("readable");
    assert_eq!(page(None).items, [named("reader"), ended]);
    assert_eq!(page(None).next.as_deref(), Some("writer"));
    assert_eq!(page(Some("writer")).items, [named("zebra")]);
    assert_eq!(page(Some("writer")).next, None);
}

fn audit(at: &str, index: u64, seq: u32) -> Change {
    Change::AppendAudit(Box::new(audit_event(at, index, seq)))
}

/// Live versions of `/a` that begin with a prefix, after a key, and where they go on.
fn listed_live(
    store: &Store,
    (prefix, after): (&str, Option<&str>),
    room: &mut Room,
) -> (Vec<Version>, Option<String>) {
    let (namespace, after, mut items) = (path("/a"), after.map(key), Vec::new());
    let range = LiveRange {
        namespace: &namespace,
        prefix,
        after: after.as_ref(),
    };
    let listing = store
        .reader
        .read(|view| view.live_versions(range, room, |version| items.push(version)));
    (items, listing.expect("a page").map(|key| key.to_string()))
}

#[test]
fn live_values_are_listed_by_prefix_in_pages() {
    let (_folder, store) = store();
    for name in ["B_ONE", "A_ONE", "A_TWO", "A_THREE"] {
        write(&store, 1, publish("/a", name, 1, "v").to_vec());
    }
    for neighbour in ["/a/b", "/a-b", "/"] {
        write(&store, 2, publish(neighbour, "A_OTHER", 1, "v").to_vec());
    }
    write(&store, 3, vec![delete("/a", "A_TWO", 1)]);
    let names = |prefix: &str, after: Option<&str>, limit| {
        let (items, next) = listed_live(&store, (prefix, after), &mut Room::for_items(limit));
        let names: Vec<String> = items.iter().map(|version| version.key.to_string()).collect();
        (names, next)
    };
    assert_eq!(names("", None, 9).0, ["A_ONE", "A_THREE", "B_ONE"]);
    assert_eq!(
        names("A_", None, 9),
        (vec!["A_ONE".to_owned(), "A_THREE".to_owned()], None)
    );
    let (first, next) = names("", None, 2);
    assert_eq!(first, ["A_ONE", "A_THREE"]);
    assert_eq!(names("", next.as_deref(), 2), (vec!["B_ONE".to_owned()], None));
}

#[test]
fn live_value_is_the_last_published_however_large() {
    let (_folder, store) = store();
    let large = "x".repeat(LARGE_VALUE_BYTES);
    for (number, value) in [(1, "small"), (2, large.as_str()), (3, "small again")] {
        write(&store, number, publish("/a", "K", number, value).to_vec());
        let live = store
            .reader
            .live(&path("/a"), &key("K"))
            .expect("a read")
            .expect("a version");
        assert_eq!(live, version("/a", "K", number, value));
        let (listed, _) = listed_live(&store, ("", None), &mut Room::for_items(9));
        assert_eq!(listed, [live]);
    }
    write(&store, 4, vec![delete("/a", "K", 3)]);
    assert_eq!(store.reader.live(&path("/a"), &key("K")).expect("a read"), None);
}

#[test]
fn page_ends_when_its_bytes_are_used_up_and_what_is_left_is_for_the_next_scan() {
    let (_folder, store) = store();
    let large = "x".repeat(LARGE_VALUE_BYTES);
    for name in ["A", "B", "C"] {
        write(&store, 1, publish("/a", name, 1, &large).to_vec());
    }
    let mut room = Room {
        items: 9,
        bytes: LARGE_VALUE_BYTES * 3 / 2,
    };
    let (listed, next) = listed_live(&store, ("", None), &mut room);
    assert_eq!((listed.len(), next.as_deref()), (2, Some("B")));
    assert!(room.is_used_up());
    let mut room = Room::for_items(9);
    let (listed, next) = listed_live(&store, ("", next.as_deref()), &mut room);
    assert_eq!((listed.len(), next), (1, None));
    assert_eq!(room.items, 8);
    assert!((1..=Room::BYTES - LARGE_VALUE_BYTES).contains(&room.bytes));
}

#[test]
fn version_before_its_entry_is_as_good_as_after() {
    let (_folder, store) = store();
    let mut changes = publish("/a", "K", 1, "v").to_vec();
    changes.reverse();
    write(&store, 1, changes);
    let live = store.reader.live(&path("/a"), &key("K")).expect("a read");
    assert_eq!(live.map(|version| version.number), Some(1));
}

#[test]
fn versions_are_listed_newest_first() {
    let (_folder, store) = store();
    for number in 1..=300 {
        write(&store, number, publish("/a", "K", number, "v").to_vec());
    }
    write(&store, 301, publish("/a", "KK", 1, "v").to_vec());
    let numbers = |before, limit| {
        let page = store
            .reader
            .read(|view| view.versions(&path("/a"), &key("K"), before, limit).expect("a page"));
        let numbers: Vec<u64> = page.items.iter().map(|version| version.number).collect();
        (numbers, page.next)
    };
    assert_eq!(numbers(None, 2), (vec![300, 299], Some(299)));
    assert_eq!(numbers(Some(3), 9), (vec![2, 1], None));
}

#[test]
fn request_is_listed_under_its_state_of_now_only() {
    let (_folder, store) = store();
    for (state, index) in [(RequestState::PendingReview, 1), (RequestState::Published, 2)] {
        write(
            &store,
            index,
            vec![Change::PutRequest(Box::new(request("r1", state, 1)))],
        );
    }
    let pending = request("r2", RequestState::PendingReview, 3);
    write(&store, 3, vec![Change::PutRequest(Box::new(pending))]);
    let listed = |state| {
        let page = store
            .reader
            .read(|view| view.requests_by_state(state, None, 9).expect("a page"));
        let ids: Vec<String> = page.items.iter().map(|request| request.id.to_string()).collect();
        ids
    };
    assert_eq!(listed(RequestState::PendingReview), ["r2"]);
    assert_eq!(listed(RequestState::Published), ["r1"]);
    assert_eq!(store.reader.request(&request_id("r3")).expect("a read"), None);
}

fn all(order: Order) -> AuditRange {
    AuditRange {
        from: Bound::Unbounded,
        to: Bound::Unbounded,
        order,
        limit: 99,
        walk: 999,
    }
}

fn audited(store: &Store, at: &str, range: AuditRange) -> Vec<(u64, u32)> {
    let page = store
        .reader
        .read(|view| view.audit_below(&path(at), range, |_| Take::Keep).expect("a page"));
    page.items
        .iter()
        .map(|event| (event.position.index, event.seq))
        .collect()
}

#[test]
fn audit_of_a_namespace_is_that_of_everything_below_it_by_time() {
    let (_folder, store) = store();
    for (index, at) in [
        (1, "/"),
        (2, "/a"),
        (3, "/a/b"),
        (300, "/a-b"),
        (301, "/a/b/c"),
        (302, "/a"),
    ] {
        write(&store, index, vec![audit(at, index, 0), audit(at, index, 1)]);
    }
    let indexes = |at: &str| {
        let mut indexes: Vec<u64> = audited(&store, at, all(Order::OldestFirst))
            .iter()
            .map(|at| at.0)
            .collect();
        indexes.dedup();
        indexes
    };
    assert_eq!(indexes("/"), [1, 2, 3, 300, 301, 302]);
    assert_eq!(indexes("/a"), [2, 3, 301, 302]);
    assert_eq!(indexes("/a/b"), [3, 301]);
    assert_eq!(indexes("/a-b"), [300]);
    assert_eq!(indexes("/b"), [0_u64; 0]);
    assert_eq!(
        audited(&store, "/a/b", all(Order::NewestFirst)),
        [(301, 1), (301, 0), (3, 1), (3, 0)]
    );
}

#[test]
fn audit_is_read_on_where_a_page_ended() {
    let (_folder, store) = store();
    for index in 1..=5 {
        write(&store, index, vec![audit("/a", index, 0)]);
    }
    for at in ["/", "/a"] {
        let mut seen = Vec::new();
        let mut range = AuditRange {
            limit: 2,
            ..all(Order::NewestFirst)
        };
        loop {
            let page = store
                .reader
                .read(|view| view.audit_below(&path(at), range, |_| Take::Keep).expect("a page"));
            seen.extend(page.items.iter().map(|event| event.position.index));
            match page.next {
                Some(next) => range.to = Bound::Excluded(next),
                None => break,
            }
        }
        assert_eq!(seen, [5, 4, 3, 2, 1], "{at}");
        let some = AuditRange {
            from: Bound::Excluded(AuditPosition { index: 2, seq: 0 }),
            to: Bound::Included(AuditPosition { index: 4, seq: 0 }),
            ..all(Order::OldestFirst)
        };
        assert_eq!(audited(&store, at, some), [(3, 0), (4, 0)], "{at}");
    }
}

#[test]
fn a_page_of_few_among_many_ends_after_a_bounded_walk_and_goes_on_there() {
    let (_folder, store) = store();
    for index in 1..=10 {
        write(&store, index, vec![audit("/a", index, 0)]);
    }
    for (at, order) in [
        ("/", Order::OldestFirst),
        ("/a", Order::OldestFirst),
        ("/", Order::NewestFirst),
        ("/a", Order::NewestFirst),
    ] {
        let mut range = AuditRange { walk: 3, ..all(order) };
        let mut pages = Vec::new();
        loop {
            let take = |event: &AuditEvent| match event.position.index {
                5 => Take::Keep,
                _ => Take::PassOver,
            };
            let page = store
                .reader
                .read(|view| view.audit_below(&path(at), range, take).expect("a page"));
            pages.push(page.items.len());
            match (page.next, order) {
                (Some(next), Order::OldestFirst) => range.from = Bound::Excluded(next),
                (Some(next), Order::NewestFirst) => range.to = Bound::Excluded(next),
                (None, _) => break,
            }
        }
        assert_eq!(pages, [0, 1, 0, 0], "{at} {order:?}");
    }
    let until_five = |event: &AuditEvent| match event.position.index {
        1..5 => Take::Keep,
        _ => Take::End,
    };
    let range = all(Order::OldestFirst);
    let page = store
        .reader
        .read(|view| view.audit_below(&path("/"), range, until_five).expect("a page"));
    assert_eq!((page.items.len(), page.next), (4, None));
}

#[test]
fn audit_head_counts_every_event() {
    let (_folder, store) = store();
    write(&store, 1, vec![audit("/", 1, 0), audit("/", 1, 1)]);
    write(&store, 2, vec![audit("/", 2, 0)]);
    let head = store.reader.read(|view| view.audit_head().expect("a head"));
    assert_eq!((head.count, head.hash), (3, audit_event("/", 2, 0).hash));
}

#[test]
fn namespaces_below_are_in_path_order_and_survive_a_restart() {
    let (folder, store) = store();
    for at in ["/a/b", "/", "/a-b", "/a", "/a/b/c", "/b"] {
        write(&store, 1, vec![Change::PutNamespace(Box::new(namespace(at)))]);
    }
    let below = |store: &Store, at: &str| {
        let found = store
            .reader
            .read(|view| view.namespaces_below(&path(at)).expect("a list"));
        let paths: Vec<String> = found.iter().map(|namespace| namespace.path.to_string()).collect();
        paths
    };
    assert_eq!(below(&store, "/a"), ["/a/b", "/a/b/c"]);
    assert_eq!(below(&store, "/"), ["/a", "/a-b", "/a/b", "/a/b/c", "/b"]);
    drop(store);
    let store = open(folder.path());
    assert_eq!(below(&store, "/a"), ["/a/b", "/a/b/c"]);
    assert_eq!(store.reader.namespace(&path("/a")).as_deref(), Some(&namespace("/a")));
}

#[test]
fn claim_is_gone_once_deleted() {
    let (_folder, store) = store();
    let put = Change::PutClaim {
        kubernetes_namespace: "team".to_owned(),
        name: "payments".to_owned(),
        path: path("/a"),
    };
    let gone = Change::DeleteClaim {
        kubernetes_namespace: "team".to_owned(),
        name: "payments".to_owned(),
    };
    let claimed = || {
        store
            .reader
            .read(|view| view.claimed_path("team", "payments").expect("a read"))
    };
    write(&store, 1, vec![put.clone()]);
    assert_eq!(claimed(), Some(path("/a")));
    write(&store, 2, vec![gone.clone(), put, gone]);
    assert_eq!(claimed(), None);
}

#[test]
fn later_entry_of_a_chunk_sees_what_the_earlier_ones_did() {
    let (_folder, store) = store();
    let put = Change::PutClaim {
        kubernetes_namespace: "team".to_owned(),
        name: "payments".to_owned(),
        path: path("/a"),
    };
    let mut changes = publish("/a", "K", 1, "v").to_vec();
    changes.extend([put, Change::PutNamespace(Box::new(namespace("/a/b")))]);
    write(&store, 1, changes);
    let mut chunk = View::over(store.stats.state.published());
    let gone = Change::DeleteClaim {
        kubernetes_namespace: "team".to_owned(),
        name: "payments".to_owned(),
    };
    let mut changes = publish("/a", "K", 2, "w").to_vec();
    let revised = ConfigNamespace {
        revision: 99,
        ..namespace("/a/b")
    };
    changes.extend([gone, audit("/a", 2, 0), Change::PutNamespace(Box::new(revised))]);
    changes.push(Change::PutNamespace(Box::new(namespace("/a/c"))));
    chunk.write(changes).expect("the state can be read");
    assert_eq!(chunk.claimed_path("team", "payments").expect("a read"), None);
    let entry = chunk.entry(&path("/a"), &key("K")).expect("a read");
    assert_eq!(entry.and_then(|entry| entry.live), Some(2));
    assert_eq!(chunk.audit_head().expect("a head").count, 1);
    let below = chunk.namespaces_below(&path("/a")).expect("a list");
    let below: Vec<(&str, u64)> = below
        .iter()
        .map(|found| (found.path.as_str(), found.revision))
        .collect();
    assert_eq!(below, [("/a/b", 99), ("/a/c", 12)]);
    let before = store
        .reader
        .read(|view| view.entry(&path("/a"), &key("K")).expect("a read"));
    assert_eq!(
        before.and_then(|entry| entry.live),
        Some(1),
        "nothing is published before it is written"
    );
}

#[test]
fn applied_specs_are_found_by_object_and_digest() {
    let (_folder, store) = store();
    let digest = Digest::from_bytes([7; 32]);
    let applied = Change::PutAppliedSpec {
        kubernetes_namespace: "apps".to_owned(),
        name: "raise".to_owned(),
        spec_digest: digest,
        request_id: request_id("r1"),
    };
    write(&store, 1, vec![applied]);
    store.reader.read(|view| {
        let found = |namespace, name, digest| view.applied_spec(namespace, name, digest).expect("a read");
        assert_eq!(found("apps", "raise", digest), Some(request_id("r1")));
        assert_eq!(found("apps", "raise", Digest::ZERO), None);
        assert_eq!(found("apps", "rais", digest), None);
        assert_eq!(found("app", "raise", digest), None);
    });
}

#[test]
fn stamp_keys_and_nonces_are_found() {
    let (_folder, store) = store();
    let used = Change::PutNonce {
        nonce: "n1".to_owned(),
        request_id: request_id("r1"),
    };
    write(&store, 1, vec![Change::PutStampKey(stamp_key()), used]);
    store.reader.read(|view| {
        assert_eq!(view.stamp_keys().expect("a list"), [stamp_key()]);
        assert_eq!(view.stamp_key("key-1").expect("a read"), Some(stamp_key()));
        assert_eq!(view.nonce("n1").expect("a read"), Some(request_id("r1")));
        assert_eq!(view.nonce("n2").expect("a read"), None);
    });
}
