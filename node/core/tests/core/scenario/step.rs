//! One line of a scenario: who, what, with which options, and the command that it is.

use std::collections::BTreeMap;

use confman_core::access::Role;
use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{
    Channels, Claim, Governance, HistoryRetention, NamespaceSettings, PublishMode, RollbackMode, SchemaBinding,
    SchemaReference, Workflow,
};
use confman_core::proposal::{
    Command, DeclareNamespace, Precondition, PutEntry, RegisterStampKey, ReleaseNamespace, SubmitRequest,
};
use confman_core::publish_request::Decision;
use confman_core::stamp::{Signed, StampKeyStatement, Statement};

use crate::builders::{
    KEY, claim, cluster_id, initialise, key, nonce, path, request_id, reviewing, seconds, settings, sign, signing_key,
    spec, stamp_key, subject, value, writing,
};
use crate::world::World;

/// One line: who does it, to what, with which options. An option that nothing asked for is a mistake in the scenario.
pub(super) struct Step<'a> {
    pub(super) who: &'a str,
    pub(super) target: &'a str,
    options: std::cell::RefCell<BTreeMap<&'a str, &'a str>>,
}

impl<'a> Step<'a> {
    pub(super) fn new(who: &'a str, target: &'a str, options: &[&'a str]) -> Self {
        let pairs = options
            .iter()
            .map(|option| option.split_once('=').unwrap_or((option, "")));
        Self {
            who,
            target,
            options: std::cell::RefCell::new(pairs.collect()),
        }
    }

    pub(super) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.borrow_mut().remove(name)
    }

    pub(super) fn or(&self, name: &str, otherwise: &'a str) -> &'a str {
        self.option(name).unwrap_or(otherwise)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.option(name).map(|text| text.parse().expect("a number"))
    }

    pub(super) fn list(&self, name: &str) -> Vec<&'a str> {
        self.option(name)
            .map_or_else(Vec::new, |names| names.split(',').collect())
    }

    /// `min=2 unreviewed publish=manual rollback=instant channels=http`, each where the line says it.
    pub(super) fn workflow(&self) -> Option<Workflow> {
        let min_approvers = self.number("min").map(|min| u8::try_from(min).expect("a small number"));
        let require_approval = !self.has("unreviewed");
        let publish = self.option("publish").map(|mode| match mode {
            "manual" => PublishMode::Manual,
            _ => PublishMode::Automatic,
        });
        let rollback = self.option("rollback").map(|mode| match mode {
            "instant" => RollbackMode::Instant,
            _ => RollbackMode::Reviewed,
        });
        let channels = self.option("channels").map(|open| Channels {
            kubernetes: open.contains("kubernetes"),
            http: open.contains("http"),
        });
        let own = Workflow {
            require_approval,
            min_approvers: min_approvers.unwrap_or(1),
            publish,
            rollback,
            channels,
        };
        (min_approvers.is_some() || own != Workflow::REVIEWED).then_some(own)
    }

    /// The governance fields that the line gives.
    pub(super) fn governance(&self) -> Governance {
        let mut governance = Governance {
            owner: self.option("owner").map(str::to_owned),
            inherit: !self.has("alone"),
            workflow: self.workflow(),
            schema: self.option("schema").map(|text| match text.split_once('@') {
                Some((at, revision)) => SchemaBinding::Stored(SchemaReference {
                    path: path(at),
                    revision: revision.parse().expect("a revision"),
                }),
                None => SchemaBinding::Inline(text.to_owned()),
            }),
            history_retention: self.number("keep").map(|versions| HistoryRetention {
                versions: u32::try_from(versions).expect("a few versions"),
                days: 0,
            }),
            ..Governance::inherited()
        };
        for role in Role::ALL {
            let names = self.list(&role.to_string());
            if !names.is_empty() {
                governance.roles.insert(role, names.into_iter().map(subject).collect());
            }
        }
        governance
    }

    /// Signed by `key=`, or with `forged` by another one in its name.
    fn signed<S: Statement>(&self, statement: S) -> Signed<S> {
        let key_id = self.or("signed", KEY);
        if self.has("forged") {
            Signed::sign(statement, key_id, &signing_key("mallory"))
        } else {
            sign(statement, key_id)
        }
    }

    pub(super) fn command(&self, world: &World, verb: &str) -> Command {
        let command = match verb {
            "initialises" => self.initialise(world),
            "registers" => self.register(world),
            "declares" => self.declare(world),
            "releases" => Command::ReleaseNamespace(ReleaseNamespace {
                path: path(self.target),
                claim: self.claim(),
            }),
            "submits" => self.submit(world),
            "approves" => self.review(world, Decision::Approve),
            "rejects" => self.review(world, Decision::Reject),
            "withdraws" => self.review(world, Decision::Withdraw),
            "publishes" => self.review(world, Decision::Publish),
            "loses" => Command::WithdrawRequest(confman_core::proposal::WithdrawRequest {
                request_id: request_id(self.target),
                cause: confman_core::proposal::WithdrawCause::ObjectDeleted,
            }),
            "writes" => self.write(world),
            other => self
                .authenticated(world, other)
                .unwrap_or_else(|| unreachable!("nobody {other} anything")),
        };
        let unused = self.options.borrow();
        assert!(unused.is_empty(), "no such options: {unused:?}");
        command
    }

    fn initialise(&self, world: &World) -> Command {
        let days = i64::try_from(self.number("days").unwrap_or(90)).expect("a few days");
        let not_after = confman_core::ids::Timestamp::from_millis(world.now.as_millis() + days * 86_400_000);
        let key = stamp_key(self.or("key", KEY), not_after);
        let floor = self.workflow().unwrap_or(Workflow::REVIEWED);
        initialise(self.target, &self.list("admins"), floor, Some(key))
    }

    /// The key that the line names, for `days=` from now.
    pub(super) fn stamp_key(&self, world: &World) -> StampKey {
        let days = i64::try_from(self.number("days").unwrap_or(90)).expect("a few days");
        let not_after = confman_core::ids::Timestamp::from_millis(world.now.as_millis() + days * 86_400_000);
        stamp_key(self.target, not_after)
    }

    fn register(&self, world: &World) -> Command {
        Command::RegisterStampKey(RegisterStampKey {
            key: self.signed(StampKeyStatement {
                cluster_id: cluster_id(self.or("cluster", "c1")),
                key: self.stamp_key(world),
            }),
        })
    }

    fn claim(&self) -> Claim {
        let name = self.or("as", "none");
        let mut claim = claim(name);
        if let Some(uid) = self.option("uid") {
            uid.clone_into(&mut claim.uid);
        }
        if let Some(namespace) = self.option("in") {
            namespace.clone_into(&mut claim.kubernetes_namespace);
        }
        claim
    }

    fn declare(&self, world: &World) -> Command {
        let governance = self.governance();
        let claim = self.claim();
        let mut statement = world.governance_statement(self.who, self.target, &claim.name, &governance);
        statement.kubernetes_namespace.clone_from(&claim.kubernetes_namespace);
        match self.option("after") {
            Some("nothing") => statement.previous = None,
            Some(other) => statement.previous = Some(Digest::of(other.as_bytes())),
            None => {}
        }
        if let Some(time) = self.number("stamped") {
            statement.time = seconds(i64::try_from(time).expect("a few seconds"));
        }
        Command::DeclareNamespace(DeclareNamespace {
            claim,
            path: path(self.target),
            governance: self.signed(statement),
            settings: NamespaceSettings {
                webhooks: self.webhooks(),
                ..settings(governance)
            },
        })
    }

    fn submit(&self, world: &World) -> Command {
        let mut wanted = spec(self.or("to", "payments"), self.or("key", "rate"), self.or("value", "1"));
        wanted.expected_version = self.number("expecting");
        wanted.on_behalf_of = self.list("for").into_iter().map(str::to_owned).collect();
        let mut statement = world.requester_statement(self.who, self.target, &wanted);
        self.or("object", self.target).clone_into(&mut statement.name);
        statement.nonce = nonce(self.or("nonce", self.target));
        if let Some(other) = self.option("altered") {
            wanted.value = Some(value(other));
        }
        let place = world.claimed(&wanted.namespace_ref);
        let verdict = place.and_then(|at| self.verdict(world, &at, &wanted.key));
        Command::SubmitRequest(SubmitRequest {
            request_id: request_id(self.target),
            spec: wanted,
            requester: self.signed(statement),
            verdict,
        })
    }

    fn review(&self, world: &World, decision: Decision) -> Command {
        let verdict = self.verdict_on(world);
        if self.has("http") {
            return self.authenticated_review(world, decision, verdict);
        }
        let stamped_for = self.or("stamp-of", self.target);
        let mut statement = world.review_statement(self.who, stamped_for, decision);
        if let Some(other) = self.option("digest") {
            statement.digest = Digest::of(other.as_bytes());
        }
        statement.comment = self.option("saying").map(str::to_owned);
        let mut command = reviewing(self.target, self.signed(statement));
        if let Command::ApproveRequest(review) | Command::PublishApproved(review) = &mut command {
            review.verdict = verdict;
        }
        command
    }

    fn write(&self, world: &World) -> Command {
        let full = NamespacePath::parse(self.target).expect("a path and a key");
        let (namespace, name) = full.split_last().expect("a key");
        let command = writing(self.who, namespace.as_str(), name, self.or("value", "1"));
        let Command::PutEntry(put) = command else {
            unreachable!("a direct write is {command:?}");
        };
        Command::PutEntry(PutEntry {
            expected: self
                .option("if")
                .map_or(Precondition::Any, |text| Precondition::Digest(value(text).digest())),
            key: key(name),
            verdict: self.verdict(world, &namespace, &key(name)),
            ..put
        })
    }
}
