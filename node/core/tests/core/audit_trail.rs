//! The trail: one event a transition, in order, and any change of it shows.

use confman_core::access::Role;
use confman_core::audit::{AuditAction, AuditEvent, AuditHead, ChainError, verify};
use confman_core::digest::{Digest, governance_digest};
use confman_core::ids::Timestamp;
use confman_core::namespace::Governance;
use confman_core::principal::Principal;
use confman_core::proposal::{Command, ReleaseNamespace};
use confman_core::state::StateView as _;

use crate::builders::{KEY, claim, governance, path, seconds, verdict, workflow};
use crate::world::World;

/// A trail with every kind of event that a reviewed change can leave.
fn world() -> World {
    let mut world = World::with_payments(workflow(2));
    for (at, id) in [(10, "r1"), (20, "r2"), (30, "r3"), (40, "r4")] {
        world.now = seconds(at);
        world.submit("ada", id, id).expect("a submission");
    }
    world.now = seconds(50);
    world.approve("bob", "r1").expect("an approval");
    world.approve("carol", "r1").expect("an approval");
    world.approve("bob", "r2").expect("supersedes");
    world.reject("bob", "r3").expect("a rejection");
    world.object_deleted("r4").expect("a withdrawal");
    world
}

/// What an event is made to say, with a hash that holds.
fn forged(event: &AuditEvent, change: impl FnOnce(&mut AuditEvent)) -> AuditEvent {
    let mut event = event.clone();
    change(&mut event);
    event.hash = event.computed_hash();
    event
}

/// The events with hashes made anew from the first on, as someone would who can write the whole trail.
fn rechained(events: &[AuditEvent]) -> Vec<AuditEvent> {
    let mut previous = Digest::ZERO;
    let link = |event: &AuditEvent| {
        let linked = forged(event, |event| event.previous_hash = previous);
        previous = linked.hash;
        linked
    };
    events.iter().map(link).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over what was just made")]
fn kind(result: Result<(), ChainError>) -> &'static str {
    match result {
        Ok(()) => "whole",
        Err(ChainError::Altered { .. }) => "altered",
        Err(ChainError::Broken { .. }) => "broken",
        Err(ChainError::OutOfOrder { .. }) => "out of order",
        Err(ChainError::Truncated { .. }) => "truncated",
    }
}

/// Governance of `/payments`, in which `leads` are admins.
fn led_by(leads: &str, approvers: u8) -> Governance {
    Governance {
        workflow: Some(workflow(approvers)),
        ..governance(&[(Role::Admin, &[leads])])
    }
}

type Told = (String, Vec<String>, Option<String>, (Option<Digest>, Option<Digest>));

/// Actor's name, groups and stamp key of the last event, and the digests that it names.
fn told(world: &World) -> Told {
    let event = world.state.audit().last().expect("an event").clone();
    let change = event.change.expect("a change");
    let groups = event.actor.groups.iter().map(ToString::to_string).collect();
    let digests = (change.previous_digest, change.new_digest);
    (
        event.actor.principal.to_string(),
        groups,
        event.actor.stamp_key_id,
        digests,
    )
}

#[test]
fn governance_events_name_old_and_new_governance_and_what_gave_the_right() {
    let courier = || Principal::courier().to_string();
    let signed = || Some(KEY.to_owned());
    let mut world = World::new();
    let root = world
        .state
        .namespace(&path("/"))
        .expect("readable")
        .expect("/ is there");
    let floor = governance_digest(&root.settings.governance);
    assert_eq!(told(&world), (courier(), Vec::new(), None, (None, Some(floor))));

    let (first, second) = (led_by("group:leads", 1), led_by("group:leads", 2));
    let (old, new) = (governance_digest(&first), governance_digest(&second));
    world
        .declare("root", "/payments", "payments", first)
        .expect("a declaration");
    assert_eq!(
        told(&world),
        ("user:root".to_owned(), Vec::new(), signed(), (None, Some(old)))
    );

    world.now = seconds(10);
    let tightened = world.declare("ann+staff+leads", "/payments", "payments", second.clone());
    tightened.expect("a declaration");
    let leads = vec!["group:leads".to_owned()];
    assert_eq!(
        told(&world),
        ("user:ann".to_owned(), leads, signed(), (Some(old), Some(new)))
    );

    let release = ReleaseNamespace {
        path: path("/payments"),
        claim: claim("payments"),
    };
    world.apply(Command::ReleaseNamespace(release)).expect("a release");
    assert_eq!(told(&world), (courier(), Vec::new(), None, (Some(new), Some(new))));
    assert_eq!(verify(world.state.audit(), &world.head()), Ok(()));
}

#[test]
fn every_transition_leaves_one_event_and_every_refusal_none() {
    let mut world = world();
    assert_eq!(verdict(&world.approve("dan", "r3")), "RequestNotPending");
    assert_eq!(verdict(&world.approve("bob", "r1")), "ok", "a repeat");
    let actions: Vec<AuditAction> = world.state.audit().iter().map(|event| event.action).collect();
    let expected = [
        AuditAction::ClusterInitialised,
        AuditAction::NamespaceCreated,
        AuditAction::RequestSubmitted,
        AuditAction::RequestSubmitted,
        AuditAction::RequestSubmitted,
        AuditAction::RequestSubmitted,
        AuditAction::RequestApproved,
        AuditAction::RequestApproved,
        AuditAction::ConfigPublished,
        AuditAction::RequestSuperseded,
        AuditAction::RequestRejected,
        AuditAction::RequestWithdrawn,
    ];
    assert_eq!(actions, expected);
    assert_eq!(verify(world.state.audit(), &world.head()), Ok(()));
}

#[test]
fn a_publication_says_what_changed_and_under_which_request() {
    let world = world();
    let published = world
        .state
        .audit()
        .iter()
        .find(|event| event.action == AuditAction::ConfigPublished);
    let published = published.expect("it was published");
    let change = published.change.as_ref().expect("something changed");
    assert_eq!((change.previous_version, change.new_version), (None, Some(1)));
    let live = world.live("/payments", "rate").expect("it is live");
    assert_eq!((change.previous_digest, change.new_digest), (None, live.digest));
    let workflow = published.workflow.as_ref().expect("it was requested");
    assert_eq!(workflow.request_id.as_str(), "r1");
    assert_eq!(published.actor.principal.name, "carol");
    assert_eq!(published.id, format!("evt_{}_1", published.position.index));
    assert_eq!(published.position, live.position);
}

#[test]
fn an_approval_names_the_key_that_stamped_it() {
    let world = world();
    let reviewed = [
        AuditAction::RequestApproved,
        AuditAction::RequestRejected,
        AuditAction::RequestSubmitted,
    ];
    let events = world
        .state
        .audit()
        .iter()
        .filter(|event| reviewed.contains(&event.action));
    for event in events {
        assert_eq!(event.actor.stamp_key_id.as_deref(), Some("k1"), "{}", event.id);
    }
}

#[test]
fn an_edited_event_shows() {
    let world = world();
    let trail = world.state.audit();
    for at in 0..trail.len() {
        let mut edited = trail.to_vec();
        edited[at].comment = Some("nothing to see here".to_owned());
        assert_eq!(kind(verify(&edited, &world.head())), "altered", "event {at}");
        edited[at] = forged(&edited[at], |_| {});
        let expected = if at + 1 == trail.len() { "truncated" } else { "broken" };
        assert_eq!(
            kind(verify(&edited, &world.head())),
            expected,
            "event {at}, with a hash that holds"
        );
        assert_eq!(
            kind(verify(&rechained(&edited), &world.head())),
            "truncated",
            "event {at}, all chained anew"
        );
    }
}

#[test]
fn a_dropped_event_shows() {
    let world = world();
    let trail = world.state.audit();
    for at in 0..trail.len() {
        let mut shorter = trail.to_vec();
        shorter.remove(at);
        let expected = if at + 1 == trail.len() { "truncated" } else { "broken" };
        assert_eq!(kind(verify(&shorter, &world.head())), expected, "event {at}");
        assert_eq!(
            kind(verify(&rechained(&shorter), &world.head())),
            "truncated",
            "event {at}, all chained anew"
        );
    }
    assert_eq!(kind(verify(&[], &world.head())), "truncated");
    assert_eq!(kind(verify(&[], &AuditHead::default())), "whole");
}

#[test]
fn an_inserted_event_shows() {
    let world = world();
    let trail = world.state.audit();
    for at in 0..=trail.len() {
        let mut longer = trail.to_vec();
        let before = at.checked_sub(1).map_or(Digest::ZERO, |before| trail[before].hash);
        let copied = forged(&trail[at.min(trail.len() - 1)], |event| event.previous_hash = before);
        longer.insert(at, copied);
        assert_ne!(kind(verify(&longer, &world.head())), "whole", "before event {at}");
        assert_ne!(
            kind(verify(&rechained(&longer), &world.head())),
            "whole",
            "before event {at}, all chained anew"
        );
    }
}

#[test]
fn events_that_changed_places_show() {
    let world = world();
    let trail = world.state.audit();
    for at in 1..trail.len() {
        let mut swapped = trail.to_vec();
        swapped.swap(at - 1, at);
        assert_eq!(kind(verify(&swapped, &world.head())), "broken", "event {at}");
        let anew = rechained(&swapped);
        let head = AuditHead {
            count: anew.len() as u64,
            hash: anew.last().expect("there are events").hash,
            time: world.head().time,
        };
        assert_eq!(
            kind(verify(&anew, &head)),
            "out of order",
            "event {at}, all chained anew, head and all"
        );
    }
}

#[test]
fn a_trail_whose_head_says_another_number_shows() {
    let world = world();
    for count in [world.head().count - 1, world.head().count + 1] {
        let head = AuditHead { count, ..world.head() };
        assert_eq!(kind(verify(world.state.audit(), &head)), "truncated");
    }
}

/// One change of an event.
type Forgery = fn(&mut AuditEvent);

#[test]
fn order_is_by_index_then_sequence_and_neither_term_nor_time_run_back() {
    let world = world();
    let trail = world.state.audit();
    let last = trail.len() - 1;
    let changes: [(&str, Forgery); 4] = [
        ("term", |event| event.position.term = 0),
        ("time", |event| event.time = Timestamp::from_millis(0)),
        ("index", |event| {
            event.position.index = 1;
            event.id = AuditEvent::id_of(1, event.seq);
        }),
        ("id", |event| event.id = "evt_1000_0".to_owned()),
    ];
    for (what, change) in changes {
        let mut trail = trail.to_vec();
        trail[last] = forged(&trail[last], change);
        let head = AuditHead {
            hash: trail[last].hash,
            ..world.head()
        };
        assert_eq!(kind(verify(&trail, &head)), "out of order", "{what}");
    }
}

#[test]
fn time_never_runs_back_when_a_new_leaders_clock_does() {
    let mut world = world();
    let before = world.head().time;
    world.now = seconds(1);
    world.submit("eve", "r9", "9").expect("a submission");
    assert_eq!(world.head().time, before);
    assert_eq!(world.request("r9").expect("it exists").steps[0].at, before);
    assert_eq!(verify(world.state.audit(), &world.head()), Ok(()));
}
