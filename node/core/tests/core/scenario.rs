//! Runs a scenario: a text file of what people do and what comes of it.
//!
//! ```text
//! at 10 ada submits r1 to=payments key=rate value=1000
//!   => PendingReview [request.submitted]
//! ```
//! A line says when (seconds since the bootstrap), who, what they do, to what, and options; the next one what must come of it:
//! the outcome with the audit events in brackets or `(unchanged)`, or `refused` and the reason. `live PATH KEY`,
//! `version PATH KEY NUMBER`, `draft PATH KEY`, `counted ID`, `noted ID` and `deliveries` look at the state. People are
//! `ada`, or `ada+staff` with groups; over HTTP also any subject. Requests made over HTTP get a name by `called=ID`, and
//! `repeat=KEY` names a call. `#` begins a remark.

mod http;
mod step;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use confman_core::audit;
use confman_core::digest::Digest;
use confman_core::idempotency::Idempotency;
use confman_core::outcome::{Applied, Outcome};
use confman_core::state::StateView as _;

use crate::builders::{action_name, key, path, reason, seconds, user};
use crate::world::World;

use step::Step;

/// Runs the scenario `text` of the file `name`; the first result that is another than the one written is an error.
pub(crate) fn run(name: &str, text: &str) -> Result<(), String> {
    played(name, text).map(|_| ())
}

/// The same, with the world that it ends in.
pub(crate) fn played(name: &str, text: &str) -> Result<World, String> {
    let mut play = Play {
        world: World::empty(),
        names: BTreeMap::new(),
    };
    let lines = text.lines().map(str::trim).enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut checked = 0;
    while let Some((number, line)) = lines.next() {
        let (_, expected) = lines.next().expect("every line has its result");
        let expected = expected.strip_prefix("=>").expect("a result begins with =>").trim();
        let result = play.result_of(line);
        if result.trim_end() != expected {
            return Err(format!("{name}:{}: {line}\n  => {result}, not {expected}", number + 1));
        }
        checked += 1;
    }
    assert!(checked > 0, "{name} says something");
    audit::verify(play.world.state.audit(), &play.world.head())
        .map_err(|error| format!("{name}: the trail does not hold: {error:?}"))?;
    Ok(play.world)
}

/// A scenario being played.
struct Play {
    world: World,
    /// Id by the name that the scenario gives to a request.
    names: BTreeMap<String, String>,
}

impl Play {
    /// What comes of one line.
    fn result_of(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["at", time, who, verb, target, options @ ..] => {
                self.world.now = seconds(time.parse().expect("a number of seconds"));
                self.act(who, verb, target, options)
            }
            look => seen(&self.world, look, |name| self.id(name)),
        }
    }

    /// The id of the request that the scenario calls `name`.
    fn id(&self, name: &str) -> String {
        self.names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn act(&mut self, who: &str, verb: &str, target: &str, options: &[&str]) -> String {
        let target = self.id(target);
        let (about_the_call, options): (Vec<&str>, Vec<&str>) = options
            .iter()
            .partition(|option| option.starts_with("called=") || option.starts_with("repeat="));
        let of_call = |name: &str| about_the_call.iter().find_map(|option| option.strip_prefix(name));
        let options: Vec<String> = options
            .into_iter()
            .map(|option| match option.split_once('=') {
                Some(("again", name)) => format!("again={}", self.id(name)),
                Some(_) | None => option.to_owned(),
            })
            .collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let idempotency = of_call("repeat=").map(|name| Idempotency {
            key: Digest::of(format!("{who} {name}").as_bytes()),
            fingerprint: Digest::of(format!("{who} {verb} {target} {options:?}").as_bytes()),
        });
        let command = Step::new(who, &target, &options).command(&self.world, verb);
        let applied = self.world.propose_named(command, idempotency);
        if let (Some(name), Some(id)) = (of_call("called="), request_of(&applied)) {
            self.names.insert(name.to_owned(), id);
        }
        outcome(&applied, &self.world.last_events())
    }
}

fn request_of(applied: &Applied) -> Option<String> {
    match &applied.result {
        Ok(Outcome::Request(request)) => Some(request.id.to_string()),
        Ok(Outcome::GovernancePending { request_id, .. }) => Some(request_id.to_string()),
        Ok(_) | Err(_) => None,
    }
}

/// What a line that only looks sees.
fn seen(world: &World, look: &[&str], id: impl Fn(&str) -> String) -> String {
    let shown = |version: confman_core::entry::Version| {
        let value = version
            .value
            .map_or_else(|| "deleted".to_owned(), |value| value.to_json_text());
        format!("{value} version {}", version.number)
    };
    match look {
        ["live", namespace, name] => world.live(namespace, name).map_or_else(|| "nothing".to_owned(), shown),
        ["version", namespace, name, number] => {
            let number = number.parse().expect("a number");
            let version = world.state.version(&path(namespace), &key(name), number);
            let version = version.expect("memory is always readable");
            version.map_or_else(|| "gone".to_owned(), shown)
        }
        ["draft", namespace, name] => {
            let draft = world.state.draft(&path(namespace), &key(name));
            draft.expect("memory is always readable").map_or_else(
                || "nothing".to_owned(),
                |draft| {
                    let people: Vec<String> = draft.contributors.iter().map(ToString::to_string).collect();
                    format!("{} by {}", draft.value.to_json_text(), people.join(" "))
                },
            )
        }
        ["counted", name] => {
            let request = world.request(&id(name)).expect("the request exists");
            let approvers: Vec<String> = request.approvers().map(|approver| approver.name.clone()).collect();
            format!(
                "{} of {}: {}",
                approvers.len(),
                request.required_approvals,
                approvers.join(" ")
            )
        }
        ["noted", name] => {
            let request = world.request(&id(name)).expect("the request exists");
            let note = request.steps.last().and_then(|step| step.comment.clone());
            note.unwrap_or_default()
        }
        ["deliveries"] => {
            let due = world.state.deliveries();
            let due: Vec<String> = due
                .map(|delivery| {
                    format!(
                        "{}:{}@{}",
                        delivery.event.payload_type(),
                        delivery.target,
                        delivery.namespace
                    )
                })
                .collect();
            due.join(" ")
        }
        other => unreachable!("no line begins so: {other:?}"),
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
        Ok(Outcome::RotationNoted) => "rotation noted".to_owned(),
        Ok(Outcome::ClusterRecovered { cluster_id }) => format!("recovered {cluster_id}"),
        Ok(Outcome::ReplicasCompared) => "compared".to_owned(),
        Ok(Outcome::EntryWritten { version, .. }) => format!("written {version}"),
        Ok(Outcome::Request(request)) => match request.published_version {
            Some(version) => format!("{} {version}", request.state),
            None => request.state.to_string(),
        },
    };
    if events.is_empty() {
        text.push_str(" (unchanged)");
    } else {
        let names: Vec<String> = events.iter().map(|action| action_name(*action)).collect();
        write!(text, " [{}]", names.join(" ")).expect("a String grows as needed");
    }
    text
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
