//! What people, machines and forgers might try, at random, by objects and over HTTP: four namespaces, two keys, and who
//! has rights is rare.

use confman_core::entry::EntryMeta;
use confman_core::namespace::{Channels, PublishMode, Workflow};
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
        /// None asks for the deletion.
        value: Option<u8>,
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
    /// Throws away the draft of the key that a request is about; who began it then approves the request.
    Discard {
        who: usize,
        which: usize,
    },
    Open {
        who: usize,
        at: (usize, usize),
        /// None asks for the deletion.
        value: Option<u8>,
        /// Asks for the draft that is there.
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
    /// Deletes without asking.
    Delete {
        who: usize,
        at: (usize, usize),
    },
    /// Says something beside the value. Others agree to what loosens.
    Describe {
        who: usize,
        at: (usize, usize),
        meta: EntryMeta,
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
        /// Another admin agrees to what loosens.
        agreed: bool,
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
    let reviewed = prop_oneof![
        3 => Just(workflow(1)),
        3 => Just(workflow(2)),
        1 => Just(workflow(3)),
        2 => Just(UNREVIEWED),
    ];
    let publish = prop::option::weighted(0.35, Just(PublishMode::Manual));
    (reviewed, publish).prop_map(|(workflow, publish)| Workflow { publish, ..workflow })
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
    prop_oneof![
        20 => Just(Decision::Approve),
        1 => Just(Decision::Reject),
        1 => Just(Decision::Withdraw),
        8 => Just(Decision::Publish),
    ]
}

fn any_meta() -> impl Strategy<Value = EntryMeta> {
    let said = prop::option::of(0..3_u8);
    let pinned = prop::collection::btree_set(1..3_u64, 0..2);
    (said, any::<bool>(), pinned).prop_map(|(said, is_final, pins)| EntryMeta {
        description: said.map(|said| said.to_string()),
        is_final,
        pins,
        ..EntryMeta::default()
    })
}

/// Mostly someone who may.
fn governor() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(ANN), 2 => Just(ROOT), 1 => 0..PEOPLE.len()]
}

fn any_act() -> impl Strategy<Value = Act> {
    let who = || 0..PEOPLE.len();
    // Mostly the same key or the one below it, so that one thing leads to another; and mostly the last request.
    let at = || prop_oneof![4 => Just((0, 0)), 2 => Just((1, 0)), 3 => (0..NAMESPACES.len(), 0..KEYS.len())];
    let which = || prop_oneof![1 => Just(0), 2 => 0..4_usize];
    let wanted = || prop::option::weighted(0.75, 0..4_u8);
    let submit = (
        who(),
        at(),
        wanted(),
        prop::option::weighted(0.1, 0..3_u64),
        prop::option::weighted(0.2, who()),
        any_stamp(),
    );
    let review = (
        who(),
        which(),
        any_decision(),
        any_stamp(),
        prop::option::weighted(0.05, 0..4_usize),
        any::<bool>(),
    );
    let open = (who(), at(), wanted(), any::<bool>());
    let ask = (
        governor(),
        0..=NAMESPACES.len(),
        prop::option::of(any_workflow()),
        any::<bool>(),
    );
    let change = || (governor(), 0..NAMESPACES.len(), 0..SUBJECTS.len());
    prop_oneof![
        8 => submit.prop_map(|(who, at, value, expecting, on_behalf_of, stamp)| {
            Act::Submit { who, at, value, expecting, on_behalf_of, stamp }
        }),
        1 => (0..4_usize).prop_map(|which| Act::Replay { which }),
        40 => review.prop_map(|(who, which, decision, stamp, digest_of, http)| {
            Act::Review { who, which, decision, stamp, digest_of, http }
        }),
        4 => (who(), at(), 0..4_u8).prop_map(|(who, at, value)| Act::Draft { who, at, value }),
        2 => (who(), which()).prop_map(|(who, which)| Act::Discard { who, which }),
        5 => open.prop_map(|(who, at, value, by_draft)| Act::Open { who, at, value, by_draft }),
        3 => (who(), at(), 0..4_u64).prop_map(|(who, at, to)| Act::RollBack { who, at, to }),
        1 => (governor(), 0..SECOND_LOGINS.len()).prop_map(|(who, which)| Act::Identify { who, which }),
        1 => (0..4_usize).prop_map(|which| Act::ObjectDeleted { which }),
        2 => (who(), at(), 0..4_u8).prop_map(|(who, at, value)| Act::Write { who, at, value }),
        3 => (who(), at()).prop_map(|(who, at)| Act::Delete { who, at }),
        3 => (governor(), at(), any_meta()).prop_map(|(who, at, meta)| Act::Describe { who, at, meta }),
        5 => change().prop_map(|(who, namespace, subject)| Act::Drop { who, namespace, subject }),
        1 => change().prop_map(|(who, namespace, subject)| Act::Widen { who, namespace, subject }),
        4 => ask.prop_map(|(who, namespace, workflow, agreed)| Act::Ask { who, namespace, workflow, agreed }),
        1 => (0..NAMESPACES.len()).prop_map(|namespace| Act::Release { namespace }),
        1 => Just(Act::Rotate),
        2 => (-20..40_i64).prop_map(|seconds| Act::Wait { seconds }),
    ]
}

pub(crate) fn any_history() -> impl Strategy<Value = History> {
    let acts = prop::collection::vec(any_act(), 30..130);
    let below = prop::option::weighted(0.3, any_workflow());
    (any_floor(), below, acts).prop_map(|(floor, below, acts)| History { floor, below, acts })
}
