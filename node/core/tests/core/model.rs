//! Every way that drafts, requests and reviews can go, up to a depth, with the real rules: three people (one of them with
//! two logins), one robot, two requests for one key. Each command can be given at any time and again, so that all orders
//! and all repeats are covered; an approval may also carry the digest of the other request.
//!
//! What should have happened is kept beside the state and told by other rules than the ones under test.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use confman_core::access::Role;
use confman_core::apply::apply;
use confman_core::digest::{Content, Digest, content_digest};
use confman_core::identity::Identity;
use confman_core::ids::LogPosition;
use confman_core::memory::MemoryState;
use confman_core::namespace::{Governance, PublishMode, Workflow};
#[cfg(feature = "planted-mistakes")]
use confman_core::planted::{Mistake, plant};
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{
    AuthenticatedReview, Command, OpenRequest, Precondition, Proposal, PutDraft, PutNamespace, Review, ReviewRequest,
    WithdrawCause, WithdrawRequest,
};
use confman_core::publish_request::{Operation, RequestSpec, RequestState};

use crate::builders::{
    cluster_id, governance, initialise, key, path, request_id, seconds, settings, spec, subject, value, workflow,
};

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
const FIRST_INDEX: u64 = 100;
/// Most commands in a row; more with `CONFMAN_MODEL_DEPTH`.
const DEPTH: usize = 5;

/// One command, as people give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Draft {
        login: usize,
        value: u8,
    },
    Ask {
        login: usize,
        value: u8,
        by_draft: bool,
    },
    Approve {
        login: usize,
        request: usize,
        digest_of: usize,
    },
    Reject {
        login: usize,
        request: usize,
    },
    Withdraw {
        login: usize,
        request: usize,
    },
    Publish {
        login: usize,
        request: usize,
    },
}

/// A request, as it was heard of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    value: u8,
    base: u64,
    digest: Digest,
    by_robot: bool,
    /// Who had a hand in it.
    hands: BTreeSet<&'static str>,
    /// Who has agreed to its very content.
    agreed: BTreeSet<&'static str>,
    is_over: bool,
}

/// What should be, by rules of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Heard {
    draft: Option<(u8, BTreeSet<&'static str>)>,
    asked: Vec<Asked>,
    live: u64,
    /// Why a version should not be there.
    wrong: Option<&'static str>,
}

/// The state of the cluster, and what was heard.
#[derive(Clone, Debug)]
struct State {
    memory: MemoryState,
    heard: Heard,
}

impl Hash for State {
    /// All that rules look at; not times, places in the log, and the order of approvals.
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

fn actor(login: usize) -> Actor {
    Actor::new(subject(LOGINS[login].0))
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

    fn command(state: &State, act: Act) -> Command {
        let digest_of = |request: usize| {
            state
                .heard
                .asked
                .get(request)
                .map_or(Digest::ZERO, |asked| asked.digest)
        };
        let review = |login, digest| AuthenticatedReview {
            actor: actor(login),
            digest,
            comment: None,
        };
        let reviewing = |login, request: usize, digest| ReviewRequest {
            request_id: request_id(&id(request)),
            review: Review::Authenticated(review(login, digest)),
            verdict: None,
        };
        match act {
            Act::Draft { login, value: wanted } => Command::PutDraft(PutDraft {
                actor: actor(login),
                namespace: path("/payments"),
                key: key("rate"),
                value: value(&wanted.to_string()),
                expected: Precondition::Any,
                verdict: None,
            }),
            Act::Ask {
                login,
                value: wanted,
                by_draft,
            } => Command::OpenRequest(OpenRequest {
                actor: actor(login),
                namespace: path("/payments"),
                spec: RequestSpec {
                    value: (!by_draft).then(|| value(&wanted.to_string())),
                    draft: by_draft.then(|| value(&wanted.to_string()).digest()),
                    ..spec("/payments", "rate", "0")
                },
                resubmits: None,
                verdict: None,
            }),
            Act::Approve {
                login,
                request,
                digest_of: seen,
            } => Command::ApproveRequest(reviewing(login, request, digest_of(seen))),
            Act::Reject { login, request } => Command::RejectRequest(reviewing(login, request, digest_of(request))),
            Act::Publish { login, request } => Command::PublishApproved(reviewing(login, request, digest_of(request))),
            Act::Withdraw { login, request } => Command::WithdrawRequest(WithdrawRequest {
                request_id: request_id(&id(request)),
                cause: WithdrawCause::ByActor(review(login, digest_of(request))),
            }),
        }
    }
}

impl Heard {
    fn hear(&mut self, act: Act) {
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
    fn published(&mut self, number: u64, request: usize) {
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

impl Workflows {
    fn first(&self) -> State {
        State {
            memory: self.begin(),
            heard: Heard::default(),
        }
    }

    /// What may be tried: everything, whoever may do it.
    fn acts(&self, state: &State) -> Vec<Act> {
        let mut acts = Vec::new();
        for value in [1, 2] {
            acts.extend(WRITERS.map(|login| Act::Draft { login, value }));
            if state.heard.asked.len() < 2 {
                for by_draft in [false, true] {
                    acts.extend(ASKERS.map(|login| Act::Ask { login, value, by_draft }));
                }
            }
        }
        let requests = state.heard.asked.len();
        for request in 0..requests {
            for login in 0..LOGINS.len() {
                acts.extend((0..requests).map(|digest_of| Act::Approve {
                    login,
                    request,
                    digest_of,
                }));
                acts.extend(self.publish.map(|_| Act::Publish { login, request }));
            }
            acts.push(Act::Reject { login: 2, request });
            acts.extend(ASKERS.map(|login| Act::Withdraw { login, request }));
        }
        acts
    }

    /// The state after `act`; none if it was refused or changed nothing.
    fn after(last: &State, act: Act) -> Option<State> {
        let at = LogPosition {
            term: 1,
            index: FIRST_INDEX + last.heard.asked.len() as u64,
        };
        let command = Self::command(last, act);
        let applied = apply(&last.memory, at, &proposal(command)).expect("memory is always readable");
        if applied.result.is_err() || applied.changes.is_empty() {
            return None;
        }
        let mut next = last.clone();
        next.memory.commit(applied.changes);
        next.heard.hear(act);
        let newest = next
            .memory
            .versions()
            .last()
            .map(|version| (version.number, version.request_id.clone()));
        if let Some((number, request)) = newest.filter(|(number, _)| *number > last.heard.live) {
            let request = (0..2).find(|which| request.as_ref().is_some_and(|request| request.as_str() == id(*which)));
            next.heard
                .published(number, request.expect("a version is of one of the requests"));
        }
        Some(next)
    }

    /// Goes every way of at most `depth` commands, shortest first. States that the rules cannot tell apart are looked at
    /// once.
    fn explore(&self, depth: usize) -> Explored {
        let mut explored = Explored::default();
        let mut seen = BTreeSet::new();
        let mut frontier = vec![self.first()];
        for _ in 0..depth {
            let mut next = Vec::new();
            for state in &frontier {
                for act in self.acts(state) {
                    explored.tried += 1;
                    let Some(state) = Self::after(state, act) else {
                        continue;
                    };
                    if seen.insert(fingerprint(&state)) {
                        explored.look_at(&state);
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

fn depth() -> usize {
    let given = std::env::var("CONFMAN_MODEL_DEPTH").ok();
    given.map_or(DEPTH, |text| text.parse().expect("CONFMAN_MODEL_DEPTH is a number"))
}

/// True if a version comes about that should not be there.
#[cfg(feature = "planted-mistakes")]
pub(crate) fn finds(mistake: Option<Mistake>) -> bool {
    plant(mistake);
    let found = [None, Some(PublishMode::Manual)].map(|publish| Workflows { publish }.explore(4).wrong);
    plant(None);
    found.iter().any(|wrong| !wrong.is_empty())
}

#[test]
fn no_order_of_commands_publishes_what_too_few_have_seen() {
    for publish in [None, Some(PublishMode::Manual)] {
        let explored = Workflows { publish }.explore(depth());
        println!("{publish:?}: {explored:?}");
        assert_eq!(explored.wrong, BTreeSet::new(), "{publish:?}");
        let reached = [explored.published, explored.published_for_a_robot, explored.of_the_past];
        assert!(
            reached.iter().all(|count| *count > 0),
            "the model is too small: {explored:?}"
        );
    }
}
