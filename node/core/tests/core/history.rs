//! Plays a random history on a world, whose log then holds all that was tried.

use confman_core::access::Role;
use confman_core::digest::Digest;
use confman_core::idempotency::Idempotency;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::namespace::{Governance, Workflow};
use confman_core::outcome::Outcome;
use confman_core::principal::Actor;
use confman_core::proposal::{
    Command, DeclareNamespace, DeleteDraft, Precondition, PutNamespace, RegisterStampKey, ReleaseNamespace,
    SubmitRequest,
};
use confman_core::publish_request::{Decision, RequestState};
use confman_core::stamp::{Signed, StampKeyStatement, Statement};
use confman_core::state::StateView as _;

use crate::acts::{Act, History, KEYS, NAMESPACES, PEOPLE, SUBJECTS, Stamp};
use crate::builders::{
    KEY, caller, claim, cluster_id, governance, nonce, path, request_id, reviewing, reviewing_over_http, seconds,
    settings, sign, signing_key, stamp_key, subject,
};
use crate::calls::{asking, call, seen};
use crate::world::{World, changes_something};

/// A history being played.
struct Play {
    world: World,
    seconds: i64,
    /// Id of the key that genuine stamps are signed with.
    key: String,
    /// Accepted submissions so far.
    submitted: Vec<SubmitRequest>,
    /// Ids of all requests for keys so far.
    asked: Vec<String>,
}

/// The world after `history`; its log holds all that was tried.
pub(crate) fn play(history: &History) -> World {
    let mut play = Play {
        world: World::with_floor(history.floor),
        seconds: 0,
        key: KEY.to_owned(),
        submitted: Vec::new(),
        asked: Vec::new(),
    };
    play.begin(history.below);
    for act in &history.acts {
        play.seconds += 1;
        play.world.now = seconds(play.seconds);
        play.act(act);
    }
    play.world
}

impl Play {
    fn begin(&mut self, below: Option<Workflow>) {
        let roles: &[(Role, &[&str])] = &[
            (
                Role::Editor,
                &["ada", "eve", "group:developers", "serviceaccount:ci/bot"],
            ),
            (
                Role::Publisher,
                &["bob", "carol", "dan", "group:reviewers", "user:kubernetes-admin"],
            ),
            (Role::Admin, &["ann"]),
        ];
        let alone = Governance {
            inherit: false,
            ..governance(&[
                (Role::Editor, &["eve", "serviceaccount:ci/bot"]),
                (Role::Publisher, &["bob", "carol", "serviceaccount:ci/bot"]),
            ])
        };
        let below = Governance {
            workflow: below,
            ..governance(&[(Role::Editor, &["zoe"])])
        };
        for ((at, object), governance) in NAMESPACES.into_iter().zip([governance(roles), below, alone]) {
            // What is below the floor is refused, and then the namespace is not there.
            let _: Result<_, _> = self.world.declare("root", at, object, governance);
        }
        let web = Command::PutNamespace(PutNamespace {
            actor: caller("root"),
            path: path("/web"),
            settings: settings(governance(roles)),
            expected_revision: None,
        });
        self.world.apply(web).expect("a namespace over HTTP");
    }

    /// Id of the request that is `which` before the last one.
    fn id(&self, which: usize) -> String {
        let at = self.asked.len().checked_sub(which + 1);
        at.map_or_else(|| "r0".to_owned(), |at| self.asked[at].clone())
    }

    /// The same among those that wait for a publisher, if there are any: people publish what they see waiting.
    fn id_of_approved(&self, which: usize) -> String {
        let waits = |id: &&String| {
            let request = self.world.request(id);
            request.is_some_and(|request| request.state == RequestState::Approved)
        };
        let waiting: Vec<&String> = self.asked.iter().rev().filter(waits).collect();
        let at = waiting.len().checked_sub(1).map(|last| which.min(last));
        at.map_or_else(|| self.id(which), |at| waiting[at].clone())
    }

    /// An id that no request has.
    fn new_id(&self) -> String {
        format!("r{}", self.world.log.len())
    }

    fn stamp<S: Statement>(&self, statement: S, stamp: Stamp) -> Signed<S> {
        match stamp {
            Stamp::Genuine | Stamp::Elsewhere => sign(statement, &self.key),
            Stamp::Forged => Signed::sign(statement, &self.key, &signing_key("mallory")),
            Stamp::Unknown => sign(statement, "nobodys"),
        }
    }

    fn act(&mut self, act: &Act) {
        let command = match act {
            Act::Draft { .. }
            | Act::Open { .. }
            | Act::RollBack { .. }
            | Act::Identify { .. }
            | Act::Write { .. }
            | Act::Delete { .. }
            | Act::Describe { .. } => call(&self.world, act),
            Act::Submit { .. } => self.submit(act),
            Act::Replay { which } => self.replay(*which),
            Act::Review { .. } => Some(self.review(act)),
            Act::Discard { who, which } => {
                self.discard(*who, *which);
                None
            }
            Act::ObjectDeleted { which } => {
                let _: Result<_, _> = self.world.object_deleted(&self.id(*which));
                None
            }
            Act::Drop {
                who,
                namespace,
                subject: gone,
            } => self.change(*who, *namespace, |governance| {
                for subjects in governance.roles.values_mut() {
                    subjects.remove(&subject(SUBJECTS[*gone]));
                }
            }),
            Act::Widen {
                who,
                namespace,
                subject: new,
            } => self.change(*who, *namespace, |governance| {
                let publishers = governance.roles.entry(Role::Publisher).or_default();
                publishers.insert(subject(SUBJECTS[*new]));
            }),
            Act::Ask {
                who,
                namespace,
                workflow,
                agreed: _,
            } => self.change(*who, *namespace, |governance| governance.workflow = *workflow),
            Act::Release { namespace } => Some(Command::ReleaseNamespace(ReleaseNamespace {
                path: path(NAMESPACES[*namespace].0),
                claim: claim(NAMESPACES[*namespace].1),
            })),
            Act::Rotate => Some(self.rotate()),
            Act::Wait { seconds } => {
                // A new leader's clock may be behind.
                self.seconds = (self.seconds + seconds).max(0);
                self.world.term += 1;
                None
            }
        };
        if let Some(command) = command {
            self.propose(act, command);
        }
    }

    fn propose(&mut self, act: &Act, command: Command) {
        // A call over HTTP has a name, so that it happens once.
        let is_call = command.clone().caller_mut().is_some();
        let name = Digest::of(self.new_id().as_bytes());
        let idempotency = is_call.then_some(Idempotency {
            key: name,
            fingerprint: name,
        });
        let applied = self.world.propose_named(command.clone(), idempotency);
        let finds_agreement = matches!(
            act,
            Act::Identify { .. } | Act::Describe { .. } | Act::Ask { agreed: true, .. }
        );
        if let (true, Ok(Outcome::GovernancePending { request_id, .. })) = (finds_agreement, &applied.result) {
            self.agree(request_id.as_str());
        }
        let (Ok(Outcome::Request(request)), true) = (&applied.result, changes_something(&applied)) else {
            return;
        };
        let id = request.id.to_string();
        if !self.asked.contains(&id) {
            self.asked.push(id);
        }
        if let Command::SubmitRequest(submission) = command {
            self.submitted.push(submission);
        }
    }

    /// The other admin of `/` agrees to what was asked for.
    fn agree(&mut self, id: &str) {
        let statement = self.world.review_statement("ruth", id, Decision::Approve);
        self.world.propose(reviewing_over_http(id, caller("ruth"), &statement));
    }

    fn submit(&self, act: &Act) -> Option<Command> {
        let Act::Submit {
            who,
            at,
            value,
            expecting,
            on_behalf_of,
            stamp,
        } = act
        else {
            return None;
        };
        let at = value.map_or_else(|| seen(&self.world, *at), |_| *at);
        let mut wanted = asking(NAMESPACES[at.0].1, KEYS[at.1], *value);
        wanted.expected_version = *expecting;
        let name_of = |who: &usize| PEOPLE[*who].split('+').next().map(str::to_owned);
        wanted.on_behalf_of = on_behalf_of.iter().filter_map(name_of).collect();
        let id = self.new_id();
        let mut statement = self.world.requester_statement(PEOPLE[*who], &id, &wanted);
        // Few names, so that the same object comes again.
        statement.name = value.map_or_else(|| "object-gone".to_owned(), |value| format!("object-{value}"));
        statement.nonce = nonce(&id);
        if matches!(stamp, Stamp::Elsewhere) {
            statement.cluster_id = cluster_id("c2");
        }
        let command = SubmitRequest {
            request_id: request_id(&id),
            spec: wanted,
            requester: self.stamp(statement, *stamp),
            verdict: None,
        };
        Some(Command::SubmitRequest(command))
    }

    fn discard(&mut self, who: usize, which: usize) {
        let id = self.id(which);
        let Some((namespace, key)) = self.place_of(&id) else {
            return;
        };
        let draft = self.world.state.draft(&namespace, &key);
        let discarded = self.world.apply(Command::DeleteDraft(DeleteDraft {
            actor: caller(PEOPLE[who]),
            namespace,
            key,
            expected: Precondition::Any,
        }));
        if let (Some(draft), Ok(_)) = (draft.expect("memory is always readable"), discarded) {
            let statement = self.world.review_statement("nobody", &id, Decision::Approve);
            self.world
                .propose(reviewing_over_http(&id, Actor::new(draft.author), &statement));
        }
    }

    fn place_of(&self, id: &str) -> Option<(NamespacePath, ConfigKey)> {
        let request = self.world.request(id)?;
        Some((request.namespace.clone(), request.key()?.clone()))
    }

    fn replay(&self, which: usize) -> Option<Command> {
        let at = self.submitted.len().checked_sub(which + 1)?;
        Some(Command::SubmitRequest(SubmitRequest {
            request_id: request_id(&self.new_id()),
            ..self.submitted[at].clone()
        }))
    }

    fn review(&self, act: &Act) -> Command {
        let Act::Review {
            who,
            which,
            decision,
            stamp,
            digest_of,
            http,
        } = act
        else {
            unreachable!("only reviews review");
        };
        let id = match decision {
            Decision::Publish => self.id_of_approved(*which),
            Decision::Approve | Decision::Reject | Decision::Withdraw => self.id(*which),
        };
        let mut statement = self.world.review_statement(PEOPLE[*who], &id, *decision);
        if let Some(other) = digest_of {
            let other = self.world.request(&self.id(*other));
            statement.digest = other.map_or(Digest::ZERO, |other| other.digest);
        }
        if *http {
            return reviewing_over_http(&id, caller(PEOPLE[*who]), &statement);
        }
        if matches!(stamp, Stamp::Elsewhere) {
            statement.cluster_id = cluster_id("c2");
        }
        reviewing(&id, self.stamp(statement, *stamp))
    }

    /// A declaration by `who` of the governance in force, with one change. Beyond the last namespace is `/`.
    fn change(&self, who: usize, namespace: usize, change: impl FnOnce(&mut Governance)) -> Option<Command> {
        let (at, object) = NAMESPACES.get(namespace).copied().unwrap_or(("/", "root"));
        let present = self
            .world
            .state
            .namespace(&path(at))
            .expect("memory is always readable")?;
        let mut governance = present.settings.governance.clone();
        change(&mut governance);
        let statement = self.world.governance_statement(PEOPLE[who], at, object, &governance);
        Some(Command::DeclareNamespace(DeclareNamespace {
            claim: claim(object),
            path: path(at),
            governance: sign(statement, &self.key),
            settings: settings(governance),
        }))
    }

    fn rotate(&mut self) -> Command {
        let next = format!("k{}", self.world.log.len());
        let statement = StampKeyStatement {
            cluster_id: cluster_id("c1"),
            key: stamp_key(&next, seconds(self.seconds + 3600)),
        };
        let key = sign(statement, &self.key);
        self.key = next;
        Command::RegisterStampKey(RegisterStampKey { key })
    }
}
