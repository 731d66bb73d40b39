//! Runs a scenario: a text file of what people do and what comes of it.
//!
//! ```text
//! at 10 ada submits r1 to=payments key=rate value=1000
//!   => PendingReview [request.submitted]
//! ```
//! A line says when (seconds since the bootstrap), who, what they do, to what, and options; the next one what must come of it:
//! the outcome with the audit events in brackets or `(unchanged)`, or `refused` and the reason. `live PATH KEY` and
//! `counted ID` look at the state. People are `ada`, or `ada+staff` with groups. `#` begins a remark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use confman_core::access::Role;
use confman_core::audit;
use confman_core::digest::Digest;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{Claim, Governance, Workflow};
use confman_core::outcome::{Applied, Outcome};
use confman_core::proposal::{
    Command, DeclareNamespace, Precondition, PutEntry, RegisterStampKey, ReleaseNamespace, SubmitRequest,
};
use confman_core::publish_request::Decision;
use confman_core::stamp::{Signed, StampKeyStatement, Statement};
use confman_core::state::StateView as _;

use crate::builders::{
    KEY, action_name, claim, cluster_id, initialise, key, nonce, path, reason, request_id, reviewing, seconds,
    settings, sign, signing_key, spec, stamp_key, subject, user, value, workflow, writing,
};
use crate::world::World;

/// Runs the scenario `text` of the file `name` and compares every result.
pub(crate) fn run(name: &str, text: &str) {
    let mut world = World::empty();
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut lines = lines.into_iter();
    let mut checked = 0;
    while let Some((number, line)) = lines.next() {
        let (_, expected) = lines.next().expect("every line has its result");
        let expected = expected.strip_prefix("=>").expect("a result begins with =>").trim();
        assert_eq!(
            result_of(&mut world, line).trim_end(),
            expected,
            "{name}:{number}: {line}"
        );
        checked += 1;
    }
    assert!(checked > 0, "{name} says something");
    assert_eq!(
        audit::verify(world.state.audit(), &world.head()),
        Ok(()),
        "{name}: the trail holds"
    );
}

fn result_of(world: &mut World, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["live", namespace, name] => world.live(namespace, name).map_or_else(
            || "nothing".to_owned(),
            |version| {
                let value = version.value.map_or_else(String::new, |value| value.to_json_text());
                format!("{value} version {}", version.number)
            },
        ),
        ["counted", id] => {
            let request = world.request(id).expect("the request exists");
            let approvers: Vec<String> = request.approvers().map(|approver| approver.name.clone()).collect();
            format!(
                "{} of {}: {}",
                approvers.len(),
                request.required_approvals,
                approvers.join(" ")
            )
        }
        ["at", time, who, verb, target, options @ ..] => {
            world.now = seconds(time.parse().expect("a number of seconds"));
            let step = Step::new(who, target, options);
            let command = step.command(world, verb);
            outcome(&world.propose(command), &world.last_events())
        }
        _ => unreachable!("a line is `at`, `live` or `counted`: {line}"),
    }
}

fn outcome(applied: &Applied, events: &[audit::AuditAction]) -> String {
    let mut text = match &applied.result {
        Err(rejection) => return format!("refused {}", reason(rejection)),
        Ok(Outcome::ClusterInitialised { cluster_id }) => format!("initialised {cluster_id}"),
        Ok(Outcome::StampKeyRegistered { key_id }) => format!("registered {key_id}"),
        Ok(Outcome::NamespaceDeclared { path, revision: _ }) => format!("declared {path}"),
        Ok(Outcome::NamespaceReleased { path }) => format!("released {path}"),
        Ok(Outcome::NamespaceDeleted { path }) => format!("deleted {path}"),
        Ok(Outcome::GovernancePending { .. }) => "pending".to_owned(),
        Ok(Outcome::DraftWritten { .. }) => "drafted".to_owned(),
        Ok(Outcome::DraftDeleted) => "draft gone".to_owned(),
        Ok(Outcome::EntryDescribed) => "described".to_owned(),
        Ok(Outcome::SchemaStored { path, revision }) => format!("stored {path} {revision}"),
        Ok(Outcome::IdentitySet) => "identity set".to_owned(),
        Ok(Outcome::ApiKeyIssued { name }) => format!("issued {name}"),
        Ok(Outcome::ApiKeyRevoked { name }) => format!("revoked {name}"),
        Ok(Outcome::DeliveryRecorded) => "delivery recorded".to_owned(),
        Ok(Outcome::EntryWritten { version, .. }) => format!("written {version}"),
        Ok(Outcome::Request(request)) => match request.published_version {
            Some(version) => format!("{} {version}", request.state),
            None => request.state.to_string(),
        },
    };
    if applied.changes.is_empty() {
        text.push_str(" (unchanged)");
    } else {
        let names: Vec<String> = events.iter().map(|action| action_name(*action)).collect();
        write!(text, " [{}]", names.join(" ")).expect("a String grows as needed");
    }
    text
}

/// One line: who does it, to what, with which options. An option that nothing asked for is a mistake in the scenario.
struct Step<'a> {
    who: &'a str,
    target: &'a str,
    options: std::cell::RefCell<BTreeMap<&'a str, &'a str>>,
}

impl<'a> Step<'a> {
    fn new(who: &'a str, target: &'a str, options: &[&'a str]) -> Self {
        let pairs = options
            .iter()
            .map(|option| option.split_once('=').unwrap_or((option, "")));
        Self {
            who,
            target,
            options: std::cell::RefCell::new(pairs.collect()),
        }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.borrow_mut().remove(name)
    }

    fn or(&self, name: &str, otherwise: &'a str) -> &'a str {
        self.option(name).unwrap_or(otherwise)
    }

    fn has(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.option(name).map(|text| text.parse().expect("a number"))
    }

    fn list(&self, name: &str) -> Vec<&'a str> {
        self.option(name)
            .map_or_else(Vec::new, |names| names.split(',').collect())
    }

    fn workflow(&self) -> Option<Workflow> {
        let min_approvers = self.number("min").map(|min| u8::try_from(min).expect("a small number"));
        if self.has("unreviewed") {
            let min_approvers = min_approvers.unwrap_or(1);
            return Some(Workflow {
                require_approval: false,
                ..workflow(min_approvers)
            });
        }
        min_approvers.map(workflow)
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

    fn command(&self, world: &World, verb: &str) -> Command {
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
            "loses" => Command::WithdrawRequest(confman_core::proposal::WithdrawRequest {
                request_id: request_id(self.target),
                cause: confman_core::proposal::WithdrawCause::ObjectDeleted,
            }),
            "writes" => self.write(),
            other => unreachable!("nobody {other} anything"),
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

    fn register(&self, world: &World) -> Command {
        let days = i64::try_from(self.number("days").unwrap_or(90)).expect("a few days");
        let not_after = confman_core::ids::Timestamp::from_millis(world.now.as_millis() + days * 86_400_000);
        Command::RegisterStampKey(RegisterStampKey {
            key: self.signed(StampKeyStatement {
                cluster_id: cluster_id(self.or("cluster", "c1")),
                key: stamp_key(self.target, not_after),
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
        let mut governance = Governance {
            owner: self.option("owner").map(str::to_owned),
            inherit: !self.has("alone"),
            workflow: self.workflow(),
            ..Governance::inherited()
        };
        for role in Role::ALL {
            let names = self.list(&role.to_string());
            if !names.is_empty() {
                governance.roles.insert(role, names.into_iter().map(subject).collect());
            }
        }
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
            settings: settings(governance),
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
        Command::SubmitRequest(SubmitRequest {
            request_id: request_id(self.target),
            spec: wanted,
            requester: self.signed(statement),
            verdict: None,
        })
    }

    fn review(&self, world: &World, decision: Decision) -> Command {
        let stamped_for = self.or("stamp-of", self.target);
        let mut statement = world.review_statement(self.who, stamped_for, decision);
        if let Some(other) = self.option("digest") {
            statement.digest = Digest::of(other.as_bytes());
        }
        statement.comment = self.option("saying").map(str::to_owned);
        reviewing(self.target, self.signed(statement))
    }

    fn write(&self) -> Command {
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
            ..put
        })
    }
}

/// Everybody that a scenario names exists only by being named.
#[test]
fn people_of_a_scenario_have_their_groups() {
    assert_eq!(user("ada+staff").groups, ["staff"]);
    assert!(
        World::new()
            .state
            .cluster()
            .expect("memory is always readable")
            .is_some()
    );
}
