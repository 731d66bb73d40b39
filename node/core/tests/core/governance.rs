//! Who may declare what: governance tightens at once, loosens never, and an older declaration does not come back.

use confman_core::access::Role;
use confman_core::digest::Digest;
use confman_core::namespace::{Governance, Workflow, effective_workflow};
use confman_core::proposal::{Command, DeclareNamespace, ReleaseNamespace};
use confman_core::state::{Change, StateView as _};

use crate::builders::{
    KEY, UNREVIEWED, claim, governance, path, seconds, settings, sign, subject, verdict, workflow, writing,
};
use crate::world::World;

/// Governance of `/payments` in [`World::with_payments`], with a workflow.
fn payments(own: Option<Workflow>) -> Governance {
    Governance {
        workflow: own,
        ..governance(&[
            (Role::Editor, &["ada", "eve"]),
            (Role::Publisher, &["bob", "carol", "dan"]),
            (Role::Admin, &["ann"]),
        ])
    }
}

/// `/payments` asking for two approvers where `/` asks for one.
fn world() -> World {
    let mut world = World::new();
    let declared = world.declare("root", "/payments", "payments", payments(Some(workflow(2))));
    assert_eq!(verdict(&declared), "ok");
    world
}

fn with(own: Option<Workflow>, change: impl FnOnce(&mut Governance)) -> Governance {
    let mut governance = payments(own);
    change(&mut governance);
    governance
}

fn give(governance: &mut Governance, role: Role, name: &str) {
    governance.roles.entry(role).or_default().insert(subject(name));
}

fn take(governance: &mut Governance, role: Role, name: &str) {
    let held = governance.roles.get_mut(&role).expect("the role is held");
    assert!(held.remove(&subject(name)), "{name} holds it");
}

#[test]
fn loosening_waits_for_others_whoever_asks() {
    let two = Some(workflow(2));
    let looser = [
        ("fewer approvers", payments(Some(workflow(1)))),
        ("no workflow of its own", payments(None)),
        ("inherit is cut", with(two, |new| new.inherit = false)),
        ("a new viewer", with(two, |new| give(new, Role::Viewer, "zoe"))),
        ("a new group", with(two, |new| give(new, Role::Editor, "group:staff"))),
        ("a stronger role", with(two, |new| give(new, Role::Publisher, "ada"))),
        (
            "another realm's user",
            with(two, |new| give(new, Role::Editor, "user:oidc/ada")),
        ),
        (
            "a machine",
            with(two, |new| give(new, Role::Admin, "serviceaccount:ci/bot")),
        ),
    ];
    for (what, looser) in looser {
        for admin in ["root", "ann"] {
            let declared = world().declare(admin, "/payments", "payments", looser.clone());
            assert_eq!(verdict(&declared), "pending", "{what} by {admin}");
        }
    }
}

#[test]
fn cutting_inherit_waits_in_both_directions() {
    let mut world = World::new();
    let alone = with(None, |new| new.inherit = false);
    assert_eq!(verdict(&world.declare("root", "/payments", "payments", alone)), "ok");
    let declared = world.declare("root", "/payments", "payments", payments(None));
    assert_eq!(verdict(&declared), "pending");
}

#[test]
fn tightening_applies_at_once() {
    let two = Some(workflow(2));
    let tighter = [
        ("more approvers", payments(Some(workflow(3)))),
        ("an editor less", with(two, |new| take(new, Role::Editor, "eve"))),
        ("no admin of its own", with(two, |new| take(new, Role::Admin, "ann"))),
        (
            "a weaker role",
            with(two, |new| {
                take(new, Role::Publisher, "dan");
                give(new, Role::Viewer, "dan");
            }),
        ),
        (
            "a contact",
            with(two, |new| new.owner = Some("payments@example.com".to_owned())),
        ),
    ];
    for (what, tighter) in tighter {
        let mut world = world();
        let declared = world.declare("ann", "/payments", "payments", tighter.clone());
        assert_eq!(verdict(&declared), "ok", "{what}");
        let present = world
            .state
            .namespace(&path("/payments"))
            .expect("memory is always readable");
        assert_eq!(present.expect("it exists").settings.governance, tighter, "{what}");
    }
}

#[test]
fn approval_is_not_switched_off_again() {
    let mut world = World::with_floor(UNREVIEWED);
    assert_eq!(
        verdict(&world.declare("root", "/payments", "payments", payments(None))),
        "ok"
    );
    let reviewed = payments(Some(workflow(1)));
    assert_eq!(verdict(&world.declare("root", "/payments", "payments", reviewed)), "ok");
    for looser in [None, Some(UNREVIEWED)] {
        let declared = world.declare("root", "/payments", "payments", payments(looser));
        assert_eq!(verdict(&declared), "pending", "{looser:?}");
    }
}

/// What `root` makes of `/` through the object `root`.
fn declare_root(world: &mut World, own: Option<Workflow>) -> String {
    let governance = Governance {
        workflow: own,
        ..governance(&[(Role::Admin, &["root"])])
    };
    verdict(&world.declare("root", "/", "root", governance))
}

#[test]
fn approval_is_not_switched_off_at_the_top() {
    let mut world = World::new();
    assert_eq!(declare_root(&mut world, Some(UNREVIEWED)), "pending");
    let written = world.apply(writing("root", "/", "rate", "1"));
    assert_eq!(verdict(&written), "ApprovalRequired");
}

#[test]
fn the_top_asks_for_no_fewer_approvers_than_before() {
    let mut world = World::with_floor(workflow(2));
    assert_eq!(declare_root(&mut world, Some(workflow(1))), "pending");
    assert_eq!(declare_root(&mut world, None), "pending");
    assert_eq!(declare_root(&mut world, Some(workflow(2))), "ok");
    assert_eq!(declare_root(&mut world, Some(workflow(3))), "ok");
    assert_eq!(declare_root(&mut world, Some(workflow(2))), "pending");
}

#[test]
fn a_top_that_says_nothing_still_asks_for_approval_below() {
    let mut world = World::new();
    assert_eq!(declare_root(&mut world, None), "ok");
    let declared = world.declare("root", "/payments", "payments", payments(Some(UNREVIEWED)));
    assert_eq!(verdict(&declared), "BelowFloor");
}

#[test]
fn a_top_that_falls_silent_lifts_no_approval_below() {
    let mut world = World::with_floor(UNREVIEWED);
    let unreviewed = payments(Some(UNREVIEWED));
    assert_eq!(
        verdict(&world.declare("root", "/payments", "payments", unreviewed)),
        "ok"
    );
    assert_eq!(declare_root(&mut world, Some(workflow(1))), "ok");
    assert_eq!(verdict(&world.put("bob", "1")), "ApprovalRequired");
    assert_eq!(declare_root(&mut world, None), "ok");
    assert_eq!(verdict(&world.put("bob", "1")), "ApprovalRequired");
}

#[test]
fn the_top_keeps_an_admin() {
    let mut world = World::new();
    let declared = world.declare("root", "/", "root", governance(&[(Role::Publisher, &["root"])]));
    assert_eq!(verdict(&declared), "InvalidField");
    assert_eq!(declare_root(&mut world, Some(workflow(1))), "ok");
}

#[test]
fn a_child_goes_below_no_ancestors_floor_not_even_alone() {
    let mut world = World::with_floor(workflow(2));
    let three = payments(Some(workflow(3)));
    assert_eq!(verdict(&world.declare("root", "/payments", "payments", three)), "ok");
    let own = |own: Workflow, inherit: bool| Governance {
        inherit,
        workflow: Some(own),
        ..governance(&[])
    };
    for inherit in [true, false] {
        for (below, expected) in [
            (workflow(1), "BelowFloor"),
            (workflow(2), "BelowFloor"),
            (workflow(3), "ok"),
        ] {
            let mut world = world.clone();
            let declared = world.declare("root", "/payments/eu", "eu", own(below, inherit));
            assert_eq!(verdict(&declared), expected, "{below:?}, inherit: {inherit}");
        }
        let off = Workflow {
            require_approval: false,
            ..workflow(3)
        };
        let declared = world.declare("root", "/payments/eu", "eu", own(off, inherit));
        assert_eq!(verdict(&declared), "BelowFloor");
    }
    assert_eq!(
        verdict(&world.declare("root", "/payments/eu", "eu", governance(&[]))),
        "ok"
    );
    let below = path("/payments/eu/west");
    let mut lineage = Vec::new();
    for place in below.ancestors() {
        lineage.extend(world.state.namespace(&place).expect("memory is always readable"));
    }
    assert_eq!(effective_workflow(lineage.iter().map(AsRef::as_ref)), workflow(3));
}

#[test]
fn only_an_admin_declares() {
    for (name, expected) in [
        ("root", "ok"),
        ("ann", "ok"),
        ("bob", "Forbidden"),
        ("ada", "Forbidden"),
        ("zoe", "Forbidden"),
        ("", "InvalidStamp"),
    ] {
        let declared =
            World::with_payments(workflow(1)).declare(name, "/payments", "payments", payments(Some(workflow(2))));
        assert_eq!(verdict(&declared), expected, "update by {name:?}");
        let declared = World::with_payments(workflow(1)).declare(name, "/payments/eu", "eu", governance(&[]));
        assert_eq!(verdict(&declared), expected, "creation by {name:?}");
    }
    let declared = World::with_payments(workflow(1)).declare("ann", "/orders", "orders", governance(&[]));
    assert_eq!(verdict(&declared), "Forbidden", "an admin of a sibling");
}

#[test]
fn a_namespace_put_between_others_only_tightens() {
    let mut world = World::new();
    world
        .declare("root", "/a", "a", governance(&[(Role::Admin, &["ann"])]))
        .expect("a declaration");
    let alone = Governance {
        inherit: false,
        ..governance(&[(Role::Admin, &["amy"])])
    };
    world.declare("root", "/a/b/c", "c", alone).expect("a declaration");
    let between = [
        ("root", governance(&[]), "ok"),
        (
            "root",
            Governance {
                workflow: Some(workflow(2)),
                ..governance(&[])
            },
            "ok",
        ),
        ("ann", governance(&[]), "Forbidden"),
        (
            "root",
            governance(&[(Role::Viewer, &["zoe"])]),
            "LooseningNeedsApproval",
        ),
        (
            "root",
            Governance {
                inherit: false,
                ..governance(&[])
            },
            "LooseningNeedsApproval",
        ),
    ];
    for (name, governance, expected) in between {
        let mut world = world.clone();
        assert_eq!(
            verdict(&world.declare(name, "/a/b", "b", governance.clone())),
            expected,
            "{name}: {governance:?}"
        );
    }
}

#[test]
fn an_older_declaration_does_not_come_back() {
    let mut world = World::new();
    let first = world.declaration("root", "/payments", "payments", payments(Some(workflow(2))));
    world
        .apply(Command::DeclareNamespace(first.clone()))
        .expect("a declaration");
    world.now = seconds(10);
    let second = with(Some(workflow(2)), |new| take(new, Role::Editor, "eve"));
    let second = world.declaration("root", "/payments", "payments", second);
    world
        .apply(Command::DeclareNamespace(second.clone()))
        .expect("a declaration");
    let replayed = world.apply(Command::DeclareNamespace(first.clone()));
    assert_eq!(verdict(&replayed), "StaleGovernanceStamp");
    let recreated = DeclareNamespace {
        claim: confman_core::namespace::Claim {
            uid: "another".to_owned(),
            ..claim("payments")
        },
        ..first
    };
    let replayed = world.apply(Command::DeclareNamespace(recreated.clone()));
    assert_eq!(
        verdict(&replayed),
        "StaleGovernanceStamp",
        "in the name of a new object"
    );
    let released = ReleaseNamespace {
        path: path("/payments"),
        claim: claim("payments"),
    };
    world.now = seconds(20);
    world.apply(Command::ReleaseNamespace(released)).expect("a release");
    let replayed = world.apply(Command::DeclareNamespace(recreated));
    assert_eq!(verdict(&replayed), "StaleGovernanceStamp", "after the object is gone");
    let applied = world.propose(Command::DeclareNamespace(second));
    assert_eq!(verdict(&applied.result), "ok", "the one in force may always come again");
}

#[test]
fn a_new_objects_first_stamp_is_later_than_the_settings_it_changes() {
    for (stamped, expected) in [(9, "StaleGovernanceStamp"), (10, "StaleGovernanceStamp"), (11, "ok")] {
        let mut world = World::new();
        world.now = seconds(10);
        world
            .declare("root", "/payments", "payments", payments(None))
            .expect("a declaration");
        world.now = seconds(30);
        let tighter = payments(Some(workflow(2)));
        let mut statement = world.governance_statement("root", "/payments", "payments", &tighter);
        statement.previous = None;
        statement.time = seconds(stamped);
        let mut command = DeclareNamespace {
            claim: claim("payments"),
            path: path("/payments"),
            governance: sign(statement, KEY),
            settings: settings(tighter),
        };
        let same_object = world.apply(Command::DeclareNamespace(command.clone()));
        assert_eq!(
            verdict(&same_object),
            "StaleGovernanceStamp",
            "the object knows the stamp in force"
        );
        command.claim.uid = "another".to_owned();
        let declared = world.apply(Command::DeclareNamespace(command));
        assert_eq!(verdict(&declared), expected, "stamped at {stamped}");
    }
}

#[test]
fn a_stamp_that_follows_another_is_refused() {
    let mut world = World::with_payments(workflow(1));
    let tighter = payments(Some(workflow(2)));
    for previous in [None, Some(Digest::of(b"another"))] {
        let mut statement = world.governance_statement("root", "/payments", "payments", &tighter);
        statement.previous = previous;
        let declared = world.apply(Command::DeclareNamespace(DeclareNamespace {
            claim: claim("payments"),
            path: path("/payments"),
            governance: sign(statement, KEY),
            settings: settings(tighter.clone()),
        }));
        assert_eq!(verdict(&declared), "StaleGovernanceStamp");
    }
}

#[test]
fn a_description_changes_without_a_new_stamp_and_in_nobodys_name() {
    let mut world = World::new();
    let mut command = world.declaration("root", "/payments", "payments", payments(None));
    world
        .apply(Command::DeclareNamespace(command.clone()))
        .expect("a declaration");
    command.settings.description = Some("what we charge".to_owned());
    let applied = world.propose(Command::DeclareNamespace(command));
    assert_eq!(verdict(&applied.result), "ok");
    let by_courier = applied.changes.iter().any(
        |change| matches!(change, Change::AppendAudit(event) if event.actor.principal.name == "system:confman-courier"),
    );
    assert!(by_courier, "the stamped person said nothing about descriptions");
}
