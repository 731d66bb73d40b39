//! What should be, told beside the rules under test and by other ones.

use std::collections::BTreeSet;

use confman_core::digest::{Content, Digest, content_digest};
use confman_core::publish_request::Operation;

use crate::builders::{cluster_id, key, path, value};

use super::act::Act;
use super::{ROBOT, person};

/// A request, as it was heard of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) value: u8,
    pub(super) base: u64,
    pub(super) digest: Digest,
    pub(super) by_robot: bool,
    /// Who had a hand in it.
    pub(super) hands: BTreeSet<&'static str>,
    /// Who has agreed to its very content.
    pub(super) agreed: BTreeSet<&'static str>,
    pub(super) is_over: bool,
}

/// What should be, by rules of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Heard {
    pub(super) draft: Option<(u8, BTreeSet<&'static str>)>,
    pub(super) asked: Vec<Asked>,
    pub(super) live: u64,
    /// Why a version should not be there.
    pub(super) wrong: Option<&'static str>,
}

impl Heard {
    /// True if an approval of the one request is one of the other, too.
    pub(super) fn have_one_digest(&self) -> bool {
        self.asked.windows(2).all(|pair| pair[0].digest == pair[1].digest)
    }

    /// Takes in a command that was accepted.
    pub(super) fn hear(&mut self, act: Act) {
        match act {
            Act::Draft { login, value } => {
                let mut hands = self.draft.take().map_or_else(BTreeSet::new, |(_, hands)| hands);
                hands.insert(person(login));
                self.draft = Some((value, hands));
            }
            Act::Ask {
                login, value: wanted, ..
            } => {
                let mut hands = BTreeSet::from([person(login)]);
                let drafted = self.draft.iter().filter(|(value, _)| *value == wanted);
                hands.extend(drafted.flat_map(|(_, hands)| hands.iter().copied()));
                let digest = content_digest(&Content {
                    cluster_id: &cluster_id("c1"),
                    namespace: &path("/payments"),
                    key: &key("rate"),
                    operation: Operation::Put,
                    value_digest: Some(value(&wanted.to_string()).digest()),
                    base_version: self.live,
                    to_version: None,
                });
                self.asked.push(Asked {
                    value: wanted,
                    base: self.live,
                    digest,
                    by_robot: person(login) == ROBOT,
                    hands,
                    agreed: BTreeSet::new(),
                    is_over: false,
                });
            }
            Act::Approve {
                login,
                request,
                digest_of,
            } => {
                let seen = self.asked[digest_of].digest;
                if seen == self.asked[request].digest && person(login) != ROBOT {
                    self.asked[request].agreed.insert(person(login));
                }
            }
            Act::Reject { request, .. } | Act::Withdraw { request, .. } => self.asked[request].is_over = true,
            Act::Publish { .. } => {}
        }
    }

    /// A version is there that was not there before: should it be?
    pub(super) fn published(&mut self, number: u64, request: usize) {
        let asked = &self.asked[request];
        let eyes = asked.agreed.difference(&asked.hands).count();
        self.wrong = if asked.is_over {
            Some("it was rejected or taken back")
        } else if asked.base != self.live {
            Some("it was made against another version")
        } else if eyes < 1 + usize::from(asked.by_robot) {
            Some("not enough others have seen it")
        } else {
            None
        };
        let value = asked.value;
        self.asked[request].is_over = true;
        self.live = number;
        self.draft = self.draft.take().filter(|(drafted, _)| *drafted != value);
    }
}
