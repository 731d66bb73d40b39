//! The effective view equals what its definition says, over random trees of namespaces, in pages of any size.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use confman_core::effective::{EffectiveKey, EffectiveKeys, OwnKey, seen};
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::namespace::{ConfigNamespace, Governance, inherited};
use confman_core::principal::Principal;
use proptest::prelude::*;

use crate::builders::{key, path, seconds, settings};

/// Version and finality of each live key of a namespace.
type Keys = BTreeMap<ConfigKey, (u64, bool)>;

/// A tree of namespaces with their live keys.
type Tree = BTreeMap<NamespacePath, (Arc<ConfigNamespace>, Keys)>;

/// What is seen of a key: the namespace it comes from, and the version there.
type Seen = BTreeMap<ConfigKey, (NamespacePath, u64)>;

fn namespace(at: NamespacePath, inherit: bool) -> ConfigNamespace {
    ConfigNamespace {
        path: at,
        claim: None,
        settings: settings(Governance {
            inherit,
            ..Governance::inherited()
        }),
        governance_stamp: None,
        created_at: seconds(0),
        created_by: Principal::user("root"),
        updated_at: seconds(0),
        updated_by: Principal::user("root"),
        revision: 1,
        governance_request: None,
    }
}

/// Paths of up to four segments out of two names, so that trees are deep and have gaps.
fn any_path() -> impl Strategy<Value = NamespacePath> {
    prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..=4)
        .prop_map(|segments| path(&format!("/{}", segments.join("/"))))
}

fn any_keys() -> impl Strategy<Value = Keys> {
    let names = prop::sample::select(vec!["A", "B", "C", "D", "a", "a.b", "a-b", "a_b", "z"]);
    prop::collection::btree_map(names.prop_map(key), (1..100_u64, prop::bool::weighted(0.25)), 0..6)
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let node = (any_path(), prop::bool::weighted(0.8), any_keys());
    (any_keys(), prop::collection::vec(node, 0..12)).prop_map(|(of_root, nodes)| {
        let root = (path("/"), true, of_root);
        let all = nodes.into_iter().chain([root]);
        all.map(|(at, inherit, keys)| (at.clone(), (Arc::new(namespace(at, inherit)), keys)))
            .collect()
    })
}

/// The namespaces that are seen through `at`, nearest first.
fn lineage<'t>(tree: &'t Tree, at: &NamespacePath) -> Vec<&'t (Arc<ConfigNamespace>, Keys)> {
    let places = at.self_and_ancestors();
    let existing: Vec<_> = places.filter_map(|place| tree.get(&place)).collect();
    let reached = inherited(existing.iter().map(|(namespace, _)| namespace.as_ref())).count();
    existing.into_iter().take(reached).collect()
}

/// By the definition, from above: each namespace puts its keys over what came so far, but for what is final by then.
fn by_definition(tree: &Tree, at: &NamespacePath) -> Seen {
    let mut places: Vec<NamespacePath> = Vec::new();
    for place in at.self_and_ancestors() {
        let Some((namespace, _)) = tree.get(&place) else {
            continue;
        };
        places.push(place);
        if !namespace.settings.governance.inherit {
            break;
        }
    }
    let (mut view, mut fixed) = (Seen::new(), BTreeSet::new());
    for place in places.iter().rev() {
        for (name, (version, is_final)) in &tree[place].1 {
            if !fixed.contains(name) {
                view.insert(name.clone(), (place.clone(), *version));
            }
            if *is_final {
                fixed.insert(name.clone());
            }
        }
    }
    view
}

fn own(name: &ConfigKey, (version, is_final): (u64, bool)) -> OwnKey {
    OwnKey {
        key: name.clone(),
        version,
        is_final,
    }
}

/// At most `limit` keys of the view after `after`.
fn page(tree: &Tree, at: &NamespacePath, after: Option<&ConfigKey>, limit: usize) -> Vec<EffectiveKey> {
    let layers = lineage(tree, at).into_iter().map(|(_, keys)| {
        let rest = keys
            .iter()
            .filter(move |(name, _)| after.is_none_or(|after| *name > after));
        rest.map(|(name, found)| Ok::<_, Infallible>(own(name, *found)))
    });
    let page = EffectiveKeys::over(layers).take(limit);
    page.map(|found| match found {
        Ok(found) => found,
        Err(never) => match never {},
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_size_are_the_view_by_definition(tree in any_tree(), limit in 1..5_usize) {
        for at in tree.keys() {
            let (mut merged, mut order, mut after) = (Seen::new(), Vec::new(), None);
            loop {
                let page = page(&tree, at, after.as_ref(), limit);
                let is_last = page.len() < limit;
                for EffectiveKey { layer, own } in page {
                    let origin = lineage(&tree, at)[layer].0.path.clone();
                    order.push(own.key.clone());
                    after = Some(own.key.clone());
                    merged.insert(own.key, (origin, own.version));
                }
                if is_last {
                    break;
                }
            }
            prop_assert!(order.is_sorted(), "{:?}", order);
            prop_assert_eq!(order.len(), merged.len(), "each key once");
            prop_assert_eq!(merged, by_definition(&tree, at), "at {}", at);
        }
    }

    #[test]
    fn one_key_alone_is_what_it_is_in_the_view(tree in any_tree()) {
        for at in tree.keys() {
            let expected = by_definition(&tree, at);
            for name in ["A", "B", "a", "a.b", "z"].map(key) {
                let layers = lineage(&tree, at).into_iter().enumerate();
                let found = layers.filter_map(|(layer, (_, keys))| {
                    let own = own(&name, *keys.get(&name)?);
                    Some(EffectiveKey { layer, own })
                });
                let seen = seen(found.collect());
                let seen = seen.map(|seen| (lineage(&tree, at)[seen.layer].0.path.clone(), seen.own.version));
                prop_assert_eq!(seen.as_ref(), expected.get(&name), "{} at {}", name, at);
            }
        }
    }
}

#[test]
fn a_layer_that_cannot_be_read_ends_the_view_with_its_fault() {
    let good = |name: &str| Ok(own(&key(name), (1, false)));
    let layers = [vec![good("A"), good("C")], vec![good("B"), Err("the disk is gone")]];
    let view: Vec<_> = EffectiveKeys::over(layers.map(Vec::into_iter)).take(3).collect();
    let keys: Vec<_> = view.iter().flatten().map(|found| found.own.key.to_string()).collect();
    assert_eq!(keys, ["A", "B"]);
    assert_eq!(view.last(), Some(&Err("the disk is gone")));
}
