//! What people, machines and forgers might try, at random, by objects and over HTTP: four namespaces, two keys, and who
//! has rights is rare.

use confman_core::namespace::{Channels, Workflow};
use confman_core::publish_request::Decision;
use proptest::prelude::*;

use crate::builders::{UNREVIEWED, workflow};

/// Everyone who tries things, with the groups they log in with.
pub(crate) const PEOPLE: [&str; 12] = [
    "ada",
    "eve",
    "bob",
    "carol",
    "dan",
    "ann",
    "root",
    "zoe+reviewers",
    "bob+reviewers+staff",
    "ada+developers",
    "system:serviceaccount:ci:bot",
    "kubernetes-admin+reviewers",
];
const ANN: usize = 5;
const ROOT: usize = 6;
/// Path of each namespace, and the object that declares it; the last one is made over HTTP.
pub(crate) const NAMESPACES: [(&str, &str); 4] =
    [("/pay", "pay"), ("/pay/eu", "eu"), ("/alone", "alone"), ("/web", "web")];
/// Logins that turn out to be somebody's second one, and whose.
pub(crate) const SECOND_LOGINS: [(&str, &str); 4] = [
    ("user:eve", "user:ada"),
    ("user:dan", "user:carol"),
    ("user:bob", "user:rob"),
    ("user:zoe", "user:ann"),
];
pub(crate) const KEYS: [&str; 2] = ["rate", "limit"];
pub(crate) const SUBJECTS: [&str; 6] = ["bob", "carol", "dan", "ada", "group:reviewers", "group:developers"];

/// What a stamp is made to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamp {
    Genuine,
    /// Signed by someone else in the key's name.
    Forged,
    /// Signed by a key that nobody registered.
    Unknown,
    /// Made for another cluster.
    Elsewhere,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Submit {
        who: usize,
        at: (usize, usize),
        value: u8,
        expecting: Option<u64>,
        on_behalf_of: Option<usize>,
        stamp: Stamp,
    },
    /// The submission of an earlier request again, with its old stamp, under a new uid.
    Replay {
        which: usize,
    },
    Review {
        who: usize,
        which: usize,
        decision: Decision,
        stamp: Stamp,
        /// The digest comes from this other request.
        digest_of: Option<usize>,
        /// By a login of the reviewer's own, without a stamp.
        http: bool,
    },
    Draft {
        who: usize,
        at: (usize, usize),
        value: u8,
    },
    Open {
        who: usize,
        at: (usize, usize),
        value: u8,
        by_draft: bool,
    },
    RollBack {
        who: usize,
        at: (usize, usize),
        to: u64,
    },
    /// One more of [`SECOND_LOGINS`] becomes known.
    Identify {
        who: usize,
        which: usize,
    },
    ObjectDeleted {
        which: usize,
    },
    Write {
        who: usize,
        at: (usize, usize),
        value: u8,
    },
    Drop {
        who: usize,
        namespace: usize,
        subject: usize,
    },
    Widen {
        who: usize,
        namespace: usize,
        subject: usize,
    },
    Ask {
        who: usize,
        namespace: usize,
        workflow: Option<Workflow>,
    },
    Release {
        namespace: usize,
    },
    Rotate,
    Wait {
        seconds: i64,
    },
}

/// How a cluster begins, and what is tried in it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) floor: Workflow,
    /// What the namespace below `/pay` asks for.
    pub(crate) below: Option<Workflow>,
    pub(crate) acts: Vec<Act>,
}

fn any_workflow() -> impl Strategy<Value = Workflow> {
    prop_oneof![
        3 => Just(workflow(1)),
        3 => Just(workflow(2)),
        1 => Just(workflow(3)),
        2 => Just(UNREVIEWED),
    ]
}

/// The floor of `/`, which mostly lets people ask and review in both ways.
fn any_floor() -> impl Strategy<Value = Workflow> {
    let both = Channels {
        kubernetes: true,
        http: true,
    };
    let channels = prop::option::weighted(0.7, Just(both));
    (any_workflow(), channels).prop_map(|(workflow, channels)| Workflow { channels, ..workflow })
}

fn any_stamp() -> impl Strategy<Value = Stamp> {
    prop_oneof![
        20 => Just(Stamp::Genuine),
        1 => Just(Stamp::Forged),
        1 => Just(Stamp::Unknown),
        1 => Just(Stamp::Elsewhere),
    ]
}

fn any_decision() -> impl Strategy<Value = Decision> {
    prop_oneof![20 => Just(Decision::Approve), 1 => Just(Decision::Reject), 1 => Just(Decision::Withdraw)]
}

/// Mostly someone who may.
fn governor() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(ANN), 2 => Just(ROOT), 1 => 0..PEOPLE.len()]
}

fn any_act() -> impl Strategy<Value = Act> {
    let who = || 0..PEOPLE.len();
    let at = || (0..NAMESPACES.len(), 0..KEYS.len());
    let submit = (
        who(),
        at(),
        0..4_u8,
        prop::option::weighted(0.1, 0..3_u64),
        prop::option::weighted(0.2, who()),
        any_stamp(),
    );
    let review = (
        who(),
        0..4_usize,
        any_decision(),
        any_stamp(),
        prop::option::weighted(0.05, 0..4_usize),
        any::<bool>(),
    );
    let open = (who(), at(), 0..4_u8, any::<bool>());
    let change = || (governor(), 0..NAMESPACES.len(), 0..SUBJECTS.len());
    prop_oneof![
        8 => submit.prop_map(|(who, at, value, expecting, on_behalf_of, stamp)| {
            Act::Submit { who, at, value, expecting, on_behalf_of, stamp }
        }),
        1 => (0..4_usize).prop_map(|which| Act::Replay { which }),
        36 => review.prop_map(|(who, which, decision, stamp, digest_of, http)| {
            Act::Review { who, which, decision, stamp, digest_of, http }
        }),
        3 => (who(), at(), 0..4_u8).prop_map(|(who, at, value)| Act::Draft { who, at, value }),
        5 => open.prop_map(|(who, at, value, by_draft)| Act::Open { who, at, value, by_draft }),
        1 => (who(), at(), 0..4_u64).prop_map(|(who, at, to)| Act::RollBack { who, at, to }),
        1 => (governor(), 0..SECOND_LOGINS.len()).prop_map(|(who, which)| Act::Identify { who, which }),
        1 => (0..4_usize).prop_map(|which| Act::ObjectDeleted { which }),
        2 => (who(), at(), 0..4_u8).prop_map(|(who, at, value)| Act::Write { who, at, value }),
        5 => change().prop_map(|(who, namespace, subject)| Act::Drop { who, namespace, subject }),
        1 => change().prop_map(|(who, namespace, subject)| Act::Widen { who, namespace, subject }),
        2 => (governor(), 0..=NAMESPACES.len(), prop::option::of(any_workflow()))
            .prop_map(|(who, namespace, workflow)| Act::Ask { who, namespace, workflow }),
        1 => (0..NAMESPACES.len()).prop_map(|namespace| Act::Release { namespace }),
        1 => Just(Act::Rotate),
        2 => (-20..40_i64).prop_map(|seconds| Act::Wait { seconds }),
    ]
}

pub(crate) fn any_history() -> impl Strategy<Value = History> {
    let acts = prop::collection::vec(any_act(), 30..100);
    let below = prop::option::weighted(0.3, any_workflow());
    (any_floor(), below, acts).prop_map(|(floor, below, acts)| History { floor, below, acts })
}
