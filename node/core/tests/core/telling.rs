//! Who is told by webhook of which transition, and how much may wait for one target.

use std::collections::BTreeSet;

use confman_core::access::Role;
use confman_core::namespace::Workflow;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, RecordDelivery};
use confman_core::state::{Change, StateView as _};
use confman_core::webhook::{
    Delivery, DeliveryResult, SecretSource, TargetHealth, TargetName, WebhookEvent, WebhookFormat, WebhookTarget,
    WebhookUrl,
};

use crate::builders::{UNREVIEWED, governance, path, workflow};
use crate::world::World;

const TAKEN: DeliveryResult = DeliveryResult::Delivered { status: 200 };
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
