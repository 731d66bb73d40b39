//! The outbox of webhooks: one delivery for each event and target, and each attempt counts once.

use std::collections::BTreeSet;

use confman_core::access::Role;
use confman_core::namespace::{Governance, NamespaceSettings};
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, PutNamespace, RecordDelivery};
use confman_core::state::StateView as _;
use confman_core::webhook::{
    Delivery, DeliveryResult, SecretSource, TargetName, WebhookEvent, WebhookFormat, WebhookTarget, WebhookUrl,
};

use crate::builders::{caller, governance, path, settings, workflow, writing};
use crate::world::World;

const REFUSED: DeliveryResult = DeliveryResult::Refused {
    status: 500,
    retry_after_s: None,
};
const DELIVERED: DeliveryResult = DeliveryResult::Delivered { status: 204 };

/// A namespace without review whose target `hook` hears of what is published.
fn world() -> World {
    let mut world = World::with_floor(confman_core::namespace::Workflow {
        require_approval: false,
        ..workflow(1)
    });
    let target = WebhookTarget {
        name: TargetName::parse("hook").expect("a name"),
        url: WebhookUrl::parse("https://hooks.example.org/in").expect("a url"),
        format: WebhookFormat::Generic,
        events: BTreeSet::from([WebhookEvent::Published]),
        secret: SecretSource::parse("hook").expect("a secret"),
        recursive: false,
    };
    let governance: Governance = governance(&[(Role::Publisher, &["bob"])]);
    let makes = Command::PutNamespace(PutNamespace {
        actor: caller("root"),
        path: path("/payments"),
        settings: NamespaceSettings {
            webhooks: vec![target],
            ..settings(governance)
        },
        expected_revision: None,
    });
    world.apply(makes).expect("a namespace");
    world
}

fn due(world: &World) -> Vec<Delivery> {
    world.state.deliveries().cloned().collect()
}

/// Records one attempt; true if it changed something.
fn record(world: &mut World, delivery: &Delivery, attempt: u32, result: DeliveryResult) -> bool {
    let applied = world.propose(Command::RecordDelivery(RecordDelivery {
        delivery_id: delivery.id.clone(),
        attempt,
        result,
        jitter_permille: 0,
    }));
    assert_eq!(applied.result, Ok(Outcome::DeliveryRecorded));
    !applied.changes.is_empty()
}

#[test]
fn each_publish_waits_for_its_target_once() {
    let mut world = world();
    assert_eq!(due(&world), []);
    world.apply(writing("bob", "/payments", "rate", "1")).expect("a write");
    world
        .apply(writing("bob", "/payments", "rate", "1"))
        .expect("the same again");
    assert_eq!(due(&world).len(), 1);
    world.apply(writing("bob", "/payments", "rate", "2")).expect("a write");
    let ids: BTreeSet<String> = due(&world).into_iter().map(|delivery| delivery.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_attempt_that_is_recorded_twice_counts_once() {
    let mut world = world();
    world.apply(writing("bob", "/payments", "rate", "1")).expect("a write");
    let delivery = due(&world).remove(0);
    assert!(record(&mut world, &delivery, 0, REFUSED));
    assert!(!record(&mut world, &delivery, 0, REFUSED), "the same attempt");
    assert!(
        !record(&mut world, &delivery, 0, DELIVERED),
        "the word of another sender"
    );
    assert!(
        !record(&mut world, &delivery, 2, DELIVERED),
        "an attempt that was not yet made"
    );
    assert_eq!(due(&world)[0].attempts, 1);
    assert!(record(&mut world, &delivery, 1, DELIVERED));
    assert_eq!(due(&world), [], "what is delivered waits no more");
    assert!(!record(&mut world, &delivery, 1, DELIVERED));
    let health = world.state.target_health(&path("/payments"), "hook");
    let health = health.expect("memory is always readable").expect("there were attempts");
    assert_eq!((health.delivered, health.dead, health.failures_in_a_row), (1, 0, 0));
}

#[test]
fn attempts_leave_no_event() {
    let mut world = world();
    world.apply(writing("bob", "/payments", "rate", "1")).expect("a write");
    let delivery = due(&world).remove(0);
    let before = world.head().count;
    record(&mut world, &delivery, 0, REFUSED);
    assert_eq!(world.head().count, before);
}
