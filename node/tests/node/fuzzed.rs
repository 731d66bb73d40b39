//! The fuzz targets over their committed corpora, and over mutations of them. `node/fuzz/run` goes on from here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

mod subjects {
    pub(super) use confman_node::auth::key_form;
    pub(super) use confman_node::http::cursor::form as cursor_form;
    pub(super) use confman_node::http::render::yaml;
    pub(super) use confman_node::http::target;
    pub(super) use confman_node::schema;
}

#[expect(unreachable_pub, reason = "the fuzz crate has the same file")]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// Mutated inputs of each target.
const MUTATED: u32 = 2_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The committed inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(name);
    let files = std::fs::read_dir(&folder).expect("each target has a corpus");
    let paths: BTreeSet<_> = files.map(|file| file.expect("a file").path()).collect();
    paths
        .into_iter()
        .map(|path| std::fs::read(path).expect("a readable file"))
        .collect()
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Mutation {
    Overwrite(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Splice(Index, Index),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let interesting = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\0\"\\/.:@#?%{}[],-+eE_ \n\r\xff\xc3".to_vec())
    ];
    prop_oneof![
        (any::<Index>(), interesting.clone()).prop_map(|(at, byte)| Mutation::Overwrite(at, byte)),
        (any::<Index>(), prop::collection::vec(interesting, 1..4)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1_usize..8).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), 1_usize..64).prop_map(|(at, times)| Mutation::Repeat(at, times)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Mutation::Splice(at, other)),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutation: Mutation, corpus: &[Vec<u8>]) -> Vec<u8> {
    let at = |index: Index| index.index(bytes.len() + 1);
    match mutation {
        Mutation::Overwrite(index, byte) => {
            let at = at(index);
            bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
        }
        Mutation::Insert(index, inserted) => {
            let at = at(index);
            bytes.splice(at..at, inserted);
        }
        Mutation::Remove(index, length) => {
            let at = at(index);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Mutation::Repeat(index, times) => {
            let at = at(index);
            if let Some(byte) = bytes.get(at).copied() {
                bytes.splice(at..at, std::iter::repeat_n(byte, times));
            }
        }
        Mutation::Splice(index, other) => {
            let at = at(index);
            let other = &corpus[other.index(corpus.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
    bytes
}

#[test]
fn what_is_parsed_keeps_its_promises_over_the_corpora() {
    for (name, body) in targets::ALL {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in &inputs {
            body(input);
        }
    }
}

#[test]
fn what_is_parsed_keeps_its_promises_over_mutated_inputs() {
    for (name, body) in targets::ALL {
        let inputs = corpus(name);
        let mutated = (any::<Index>(), prop::collection::vec(mutations(), 1..6));
        let mutated = mutated.prop_map(|(seed, mutations)| {
            let seed = inputs[seed.index(inputs.len())].clone();
            mutations
                .into_iter()
                .fold(seed, |bytes, mutation| mutate(bytes, mutation, &inputs))
        });
        let config = Config {
            cases: MUTATED,
            failure_persistence: None,
            ..Config::default()
        };
        let ran = TestRunner::new(config).run(&mutated, |input| {
            body(&input);
            Ok(())
        });
        assert!(ran.is_ok(), "{name}: {ran:?}");
    }
}

#[test]
fn every_target_has_a_binary_and_a_corpus_and_the_other_way_round() {
    let names_in = |folder: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(self::folder().join(folder)).expect("the folder is there");
        let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
        names.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
    };
    let targets: BTreeSet<_> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in("fuzz_targets"), targets);
    assert_eq!(names_in("corpus"), targets);
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).expect("the manifest is there");
    for name in &targets {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "node/fuzz/Cargo.toml lacks {name}"
        );
    }
}
