//! Every way that drafts, requests and reviews can go, up to a depth, with the real rules: three people (one of them with
//! two logins), one robot, two requests for one key. Each command can be given at any time and again, so that all orders
//! and all repeats are covered; an approval may also carry the digest of the other request.
//!
//! What should have happened is kept beside the state and told by other rules than the ones under test.

mod act;
mod heard;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use confman_core::access::Role;
use confman_core::apply::apply;
use confman_core::identity::Identity;
use confman_core::ids::LogPosition;
use confman_core::memory::MemoryState;
use confman_core::namespace::{Governance, PublishMode, Workflow};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, Proposal, PutNamespace};
use confman_core::publish_request::RequestState;
use confman_core::state::Change;

use crate::builders::{governance, initialise, path, seconds, settings, workflow};
use crate::judge::version_of;

use act::Act;
use heard::Heard;

/// Every login, and who is behind it.
const LOGINS: [(&str, &str); 5] = [
    ("user:ada", "ada"),
    ("user:ada-admin", "ada"),
    ("user:bob", "bob"),
    ("user:carol", "carol"),
    ("serviceaccount:ci/bot", ROBOT),
];
const ROBOT: &str = "robot";
/// Who writes drafts and who asks, so that the model stays small: whoever matters does.
const WRITERS: [usize; 3] = [1, 2, 4];
const ASKERS: [usize; 3] = [0, 3, 4];
/// Who publishes by hand: someone who asks, someone who does not, and the robot.
const PUBLISHERS: [usize; 3] = [0, 2, 4];
const FIRST_INDEX: u64 = 100;
/// Most commands in a row; more with `CONFMAN_MODEL_DEPTH`.
const DEPTH: usize = 5;

/// The state of the cluster, and what was heard.
#[derive(Clone, Debug)]
struct State {
    memory: MemoryState,
    heard: Heard,
}

impl Hash for State {
    /// All that rules look at; not times, places in the log, the order of approvals, and by which login a person gave one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.heard.hash(state);
        for request in self.memory.requests() {
            let mut steps: Vec<_> = request.steps.iter().map(|step| (step.kind, &step.actor)).collect();
            steps.sort();
            (request.state, steps, &request.contributors, request.base_version).hash(state);
        }
        for draft in self.memory.drafts() {
            (draft.value.digest().as_bytes(), &draft.contributors).hash(state);
        }
        for version in self.memory.versions() {
            (version.number, version.request_id.as_ref().map(ToString::to_string)).hash(state);
        }
    }
}

/// The model, by how it publishes.
struct Workflows {
    publish: Option<PublishMode>,
}

fn person(login: usize) -> &'static str {
    LOGINS[login].1
}

fn id(request: usize) -> String {
    format!("pr-{}", FIRST_INDEX + request as u64)
}

fn proposal(command: Command) -> Proposal {
    Proposal {
        proposed_at: seconds(0),
        trace_id: None,
        idempotency: None,
        command,
    }
}

impl Workflows {
    fn begin(&self) -> MemoryState {
        let mut memory = MemoryState::default();
        let mut first = initialise("c1", &["root"], workflow(1), None);
        if let Command::InitialiseCluster(command) = &mut first {
            command.identity = Identity {
                aliases: [(Principal::user("ada-admin"), Principal::user("ada"))].into(),
                ..Identity::default()
            };
        }
        let everyone: Vec<&str> = LOGINS.iter().map(|(login, _)| *login).collect();
        let makes = Command::PutNamespace(PutNamespace {
            actor: Actor::new(Principal::user("root")),
            path: path("/payments"),
            settings: settings(Governance {
                workflow: Some(Workflow {
                    publish: self.publish,
                    ..workflow(1)
                }),
                ..governance(&[(Role::Publisher, &everyone)])
            }),
            expected_revision: None,
        });
        for (at, command) in [first, makes].into_iter().enumerate() {
            let at = LogPosition {
                term: 1,
                index: at as u64 + 1,
            };
            let applied = apply(&memory, at, &proposal(command)).expect("memory is always readable");
            applied.result.expect("a beginning");
            memory.commit(applied.changes);
        }
        memory
    }

    fn first(&self) -> State {
        State {
            memory: self.begin(),
            heard: Heard::default(),
        }
    }

    /// What may be tried: everything, whoever may do it.
    fn acts(&self, state: &State) -> Vec<Act> {
        let mut acts = Vec::new();
        // The first value is called 1 without loss.
        let is_first = state.heard.draft.is_none() && state.heard.asked.is_empty();
        let values = if is_first { &[1][..] } else { &[1, 2] };
        for value in values.iter().copied() {
            acts.extend(WRITERS.map(|login| Act::Draft { login, value }));
            if state.heard.asked.len() < 2 {
                for by_draft in [false, true] {
                    acts.extend(ASKERS.map(|login| Act::Ask { login, value, by_draft }));
                }
            }
        }
        // Of requests that nobody has asked for, too: commands may come in any order.
        let digests = state.heard.asked.len().max(1);
        for request in 0..2 {
            for login in 0..LOGINS.len() {
                let seen = (0..digests).filter(|seen| *seen == 0 || !state.heard.have_one_digest());
                acts.extend(seen.map(|digest_of| Act::Approve {
                    login,
                    request,
                    digest_of,
                }));
            }
            acts.push(Act::Reject { login: 2, request });
            if self.publish.is_some() {
                acts.extend(PUBLISHERS.map(|login| Act::Publish { login, request }));
            }
            acts.extend(ASKERS.map(|login| Act::Withdraw { login, request }));
        }
        acts
    }

    /// What `act` changes; nothing if it was refused.
    fn changes(last: &State, act: Act) -> Vec<Change> {
        let at = LogPosition {
            term: 1,
            index: FIRST_INDEX + last.heard.asked.len() as u64,
        };
        let command = act.command(&last.heard);
        let applied = apply(&last.memory, at, &proposal(command)).expect("memory is always readable");
        applied.result.map_or_else(|_| Vec::new(), |_| applied.changes)
    }

    /// The state after `act`, which made `changes`.
    fn after(last: &State, act: Act, changes: Vec<Change>) -> State {
        let mut next = last.clone();
        let newest = changes.iter().find_map(version_of).cloned();
        next.memory.commit(changes);
        next.heard.hear(act);
        if let Some(newest) = newest {
            assert!(act.may_publish(), "{act:?} has published");
            let is_of = |request: &usize| newest.request_id.as_ref().is_some_and(|of| of.as_str() == id(*request));
            let request = (0..2).find(is_of).expect("a version is of one of the requests");
            next.heard.published(newest.number, request);
        }
        next
    }

    /// Goes every way of at most `depth` commands, shortest first. States that the rules cannot tell apart are looked at
    /// once. The last command is one that may publish: that no other does is seen before.
    fn explore(&self, depth: usize) -> Explored {
        let mut explored = Explored::default();
        let mut seen = BTreeSet::new();
        let mut frontier = vec![self.first()];
        for left in (0..depth).rev() {
            let mut next = Vec::new();
            for state in &frontier {
                let acts = self.acts(state).into_iter();
                for act in acts.filter(|act| left > 0 || act.may_publish()) {
                    explored.tried += 1;
                    let changes = Self::changes(state, act);
                    if changes.is_empty() || (left == 0 && !changes.iter().any(is_decision)) {
                        continue;
                    }
                    let state = Self::after(state, act, changes);
                    if seen.insert(fingerprint(&state)) {
                        explored.look_at(&state);
                        if !explored.wrong.is_empty() {
                            return explored;
                        }
                        next.push(state);
                    }
                }
            }
            frontier = next;
        }
        explored.states = seen.len();
        explored
    }
}

/// True of a version, and of a request that is over.
fn is_decision(change: &Change) -> bool {
    matches!(change, Change::PutRequest(request) if request.state.is_final()) || version_of(change).is_some()
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// What was come upon.
#[derive(Debug, Default)]
struct Explored {
    states: usize,
    tried: usize,
    wrong: BTreeSet<&'static str>,
    published: usize,
    published_for_a_robot: usize,
    of_the_past: usize,
}

impl Explored {
    fn look_at(&mut self, state: &State) {
        self.wrong.extend(state.heard.wrong);
        let published = state.heard.live > 0;
        self.published += usize::from(published);
        let by_robot = state.heard.asked.iter().all(|asked| asked.by_robot);
        self.published_for_a_robot += usize::from(published && by_robot);
        let mut requests = state.memory.requests();
        self.of_the_past += usize::from(requests.any(|request| request.state == RequestState::Superseded));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the model runs is no part of the rules"
)]
fn depth() -> usize {
    let given = std::env::var("CONFMAN_MODEL_DEPTH").ok();
    given.map_or(DEPTH, |text| text.parse().expect("CONFMAN_MODEL_DEPTH is a number"))
}

/// True if a version comes about that should not be there.
#[cfg(feature = "planted-mistakes")]
pub(crate) fn notices() -> bool {
    let mut ways = [None, Some(PublishMode::Manual)].into_iter();
    ways.any(|publish| !Workflows { publish }.explore(4).wrong.is_empty())
}

fn check(publish: Option<PublishMode>) {
    let explored = Workflows { publish }.explore(depth());
    eprintln!("{explored:?}");
    assert_eq!(explored.wrong, BTreeSet::new());
    let reached = [explored.published, explored.published_for_a_robot, explored.of_the_past];
    assert!(
        reached.iter().all(|count| *count > 0),
        "the model is too small: {explored:?}"
    );
}

#[test]
fn no_order_of_commands_publishes_what_too_few_have_seen() {
    check(None);
}

#[test]
fn no_order_of_commands_publishes_by_hand_what_too_few_have_seen() {
    check(Some(PublishMode::Manual));
}
