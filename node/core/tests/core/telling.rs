//! Who is told by webhook of which transition, how much may wait for one target, and values that are due for rotation.

use std::collections::BTreeSet;

use confman_core::access::Role;
use confman_core::audit::AuditAction;
use confman_core::namespace::Workflow;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::principal::Principal;
use confman_core::proposal::{Command, NoteRotation, RecordDelivery};
use confman_core::state::{Change, StateView as _};
use confman_core::webhook::{
    Delivery, DeliveryResult, FailureCause, SecretSource, TargetHealth, TargetName, TargetState, WebhookEvent,
    WebhookFormat, WebhookTarget, WebhookUrl,
};

use crate::builders::{UNREVIEWED, governance, key, path, workflow};
use crate::world::World;

const TAKEN: DeliveryResult = DeliveryResult::Delivered { status: 200 };
const DOWN: DeliveryResult = DeliveryResult::Failed {
    cause: FailureCause::ConnectFailed,
};
const GONE: DeliveryResult = DeliveryResult::Refused {
    status: 410,
    retry_after_s: None,
};

fn target(name: &str) -> WebhookTarget {
    WebhookTarget {
        name: TargetName::parse(name).expect("a name"),
        url: WebhookUrl::parse("https://hooks.example.org/in").expect("a url"),
        format: WebhookFormat::Generic,
        events: BTreeSet::new(),
        secret: SecretSource::parse("hook").expect("a name"),
        recursive: false,
    }
}

/// `/payments` with the target `hook`: editor ada, publisher bob.
fn world(floor: Workflow) -> World {
    let mut world = World::with_floor(floor);
    let roles: &[(Role, &[&str])] = &[(Role::Editor, &["ada"]), (Role::Publisher, &["bob"])];
    let mut command = world.declaration("root", "/payments", "payments", governance(roles));
    command.settings.webhooks = vec![target("hook")];
    world.apply(Command::DeclareNamespace(command)).expect("a declaration");
    world
}

fn waiting(world: &World) -> Vec<Delivery> {
    world.state.deliveries().cloned().collect()
}

fn health(world: &World) -> TargetHealth {
    let found = world.state.target_health(&path("/payments"), "hook");
    found
        .expect("memory is always readable")
        .expect("it was told something")
}

fn record(world: &mut World, delivery: &Delivery, result: DeliveryResult) {
    let command = Command::RecordDelivery(RecordDelivery {
        delivery_id: delivery.id.clone(),
        attempt: delivery.attempts,
        result,
        jitter_permille: 0,
    });
    assert_eq!(world.apply(command), Ok(Outcome::DeliveryRecorded));
}

fn note(version: u64) -> Command {
    Command::NoteRotation(NoteRotation {
        namespace: path("/payments"),
        key: key("rate"),
        version,
    })
}

#[test]
fn one_entry_that_tells_a_target_twice_counts_both() {
    let mut world = world(workflow(1));
    world.submit("ada", "r1", "1").expect("a submission");
    world.approve("bob", "r1").expect("a publication");
    let events: BTreeSet<_> = waiting(&world).iter().map(|delivery| delivery.event).collect();
    let all = [WebhookEvent::Submitted, WebhookEvent::Approved, WebhookEvent::Published];
    assert_eq!(events, BTreeSet::from(all));
    assert_eq!(health(&world).waiting, 3);
}

#[test]
fn what_waits_goes_down_as_deliveries_are_finished() {
    let mut world = world(UNREVIEWED);
    for text in ["1", "2", "3"] {
        world.put("bob", text).expect("a write");
    }
    let deliveries = waiting(&world);
    record(&mut world, &deliveries[0], TAKEN);
    record(&mut world, &deliveries[0], TAKEN);
    record(&mut world, &deliveries[1], GONE);
    let now = health(&world);
    assert_eq!(
        (now.waiting, now.delivered, now.dead),
        (1, 1, 1),
        "a repeat counts once"
    );
    assert_eq!(waiting(&world).len(), 1);
}

#[test]
fn a_target_fails_since_its_first_failure_until_it_takes_a_delivery() {
    let mut world = world(UNREVIEWED);
    world.put("bob", "1").expect("a write");
    world.put("bob", "2").expect("a write");
    assert_eq!(health(&world).state(), TargetState::Untried);
    let deliveries = waiting(&world);
    record(&mut world, &deliveries[0], DOWN);
    let first = health(&world);
    assert_eq!(
        (first.state(), first.failing_since),
        (TargetState::Failing, first.last_attempt_at)
    );
    record(&mut world, &deliveries[0], DOWN);
    assert_eq!(health(&world), first, "a repeat counts once");
    record(&mut world, &deliveries[1], GONE);
    let second = health(&world);
    assert_eq!((second.state(), second.failures_in_a_row), (TargetState::Gone, 2));
    assert_eq!(second.failing_since, first.failing_since);
    let again = waiting(&world);
    record(&mut world, &again[0], TAKEN);
    let third = health(&world);
    assert_eq!((third.state(), third.failures_in_a_row), (TargetState::Healthy, 0));
    assert_eq!(third.failing_since, None);
}

#[test]
fn a_target_with_too_much_waiting_is_told_no_more_until_there_is_room() {
    let mut world = world(UNREVIEWED);
    world.put("bob", "1").expect("a write");
    let full = TargetHealth {
        waiting: TargetHealth::MAX_WAITING,
        ..health(&world)
    };
    world.state.commit(vec![Change::PutTargetHealth(Box::new(full))]);
    world.put("bob", "2").expect("a publish does not depend on webhooks");
    let now = health(&world);
    assert_eq!((now.waiting, now.dead), (TargetHealth::MAX_WAITING, 1));
    let deliveries = waiting(&world);
    assert_eq!(deliveries.len(), 1, "the one from before");

    record(&mut world, &deliveries[0], TAKEN);
    world.put("bob", "3").expect("a write");
    assert_eq!(
        (health(&world).waiting, waiting(&world).len()),
        (TargetHealth::MAX_WAITING, 1)
    );
}

#[test]
fn rotation_is_noted_once_a_version_by_nobody_and_told() {
    let mut world = world(UNREVIEWED);
    world.put("bob", "1").expect("a write");
    assert_eq!(world.apply(note(1)), Ok(Outcome::RotationNoted));
    assert_eq!(world.last_events(), [AuditAction::RotationDue]);
    let event = world.state.audit().last().expect("an event");
    assert_eq!(event.actor.principal, Principal::nodes());
    assert!(!event.actor.principal.is_human());
    let change = event.change.clone().expect("it says which version");
    assert_eq!((change.previous_version, change.new_version), (Some(1), Some(1)));
    assert_eq!(
        change.new_digest,
        world.live("/payments", "rate").and_then(|live| live.digest)
    );
    let told: Vec<_> = waiting(&world).iter().map(|delivery| delivery.event).collect();
    assert_eq!(told, [WebhookEvent::Published, WebhookEvent::RotationDue]);

    assert_eq!(world.propose(note(1)).changes, [], "a repeat");
    world.put("bob", "2").expect("a write");
    assert_eq!(world.propose(note(1)).changes, [], "it is not live any more");
    assert_eq!(world.propose(note(3)).changes, [], "there is no such version");
    assert_eq!(world.apply(note(2)), Ok(Outcome::RotationNoted));
    assert_eq!(
        world.last_events(),
        [AuditAction::RotationDue],
        "the new version is due in its turn"
    );
    let live = world.live("/payments", "rate").expect("it is live");
    assert_eq!(live.number, 2, "a note makes no version");
}

#[test]
fn rotation_of_what_is_not_there_is_no_news() {
    let mut world = world(UNREVIEWED);
    assert_eq!(world.propose(note(1)).changes, [], "no such key");
    let nowhere = Command::NoteRotation(NoteRotation {
        namespace: path("/nowhere"),
        key: key("rate"),
        version: 1,
    });
    assert!(matches!(world.apply(nowhere), Err(Rejection::NamespaceNotFound { .. })));
}
