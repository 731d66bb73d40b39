//! Who may do what: the table of the domain's rules, written out, and every role trying every command.

use confman_core::access::{Action, Role, allows};
use confman_core::api_key::{ApiKeyRecord, KeyScope};
use confman_core::digest::Digest;
use confman_core::ids::NamespacePath;
use confman_core::namespace::{ConfigNamespace, Governance, may};
use confman_core::outcome::Rejection;
use confman_core::principal::{Actor, Principal};
use confman_core::proposal::{Command, IssueApiKey, Precondition, PutDraft, PutNamespace, PutSchema};
use confman_core::publish_request::Decision;
use confman_core::state::StateView as _;

use crate::builders::{
    UNREVIEWED, caller, governance, key, path, seconds, settings, spec, subject, user, value, verdict, writing,
};
use crate::world::World;

/// Where a role is held, seen from the namespace in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// There.
    Own,
    /// In its parent, which it inherits from.
    Parent,
    /// In its parent, which it does not inherit from.
    ParentCut,
    /// In `/`, which it inherits from by way of its parent.
    Top,
    /// In `/`, which it does not inherit from.
    TopCut,
}

const PLACES: [Place; 5] = [Place::Own, Place::Parent, Place::ParentCut, Place::Top, Place::TopCut];

/// Which of viewer, editor, publisher and admin may, by the place where the role is held, in the order of [`PLACES`].
#[rustfmt::skip]
const TABLE: [(Action, [&str; 5]); 9] = [
    (Action::ReadPublished,   ["VEPA", "VEPA", "----", "VEPA", "---A"]),
    (Action::ReadDrafts,      ["-EPA", "-EPA", "----", "-EPA", "---A"]),
    (Action::EditDraft,       ["-EPA", "-EPA", "----", "-EPA", "---A"]),
    (Action::Submit,          ["-EPA", "-EPA", "----", "-EPA", "---A"]),
    (Action::Review,          ["--PA", "--PA", "----", "--PA", "---A"]),
    (Action::Publish,         ["--PA", "--PA", "----", "--PA", "---A"]),
    (Action::Rollback,        ["--PA", "--PA", "----", "--PA", "---A"]),
    (Action::Govern,          ["---A", "---A", "----", "---A", "---A"]),
    (Action::DeleteNamespace, ["---A", "---A", "----", "---A", "---A"]),
];

/// The same, of what people try.
#[rustfmt::skip]
const COMMANDS: [(&str, [&str; 5]); 10] = [
    ("submit",        ["-EPA", "-EPA", "----", "-EPA", "---A"]),
    ("approve",       ["--PA", "--PA", "----", "--PA", "---A"]),
    ("reject",        ["--PA", "--PA", "----", "--PA", "---A"]),
    ("write",         ["--PA", "--PA", "----", "--PA", "---A"]),
    ("tighten",       ["---A", "---A", "----", "---A", "---A"]),
    ("declare below", ["---A", "---A", "----", "---A", "---A"]),
    ("draft",         ["-EPA", "-EPA", "----", "-EPA", "---A"]),
    ("make below",    ["---A", "---A", "----", "---A", "---A"]),
    ("store schema",  ["---A", "---A", "----", "---A", "---A"]),
    ("issue key",     ["---A", "---A", "----", "---A", "---A"]),
];

const LETTERS: [(Role, &str); 4] = [
    (Role::Viewer, "V"),
    (Role::Editor, "E"),
    (Role::Publisher, "P"),
    (Role::Admin, "A"),
];

/// Letters of the roles for which `holds`, a dash for the others.
fn letters(holds: impl Fn(Role) -> bool) -> String {
    LETTERS
        .iter()
        .map(|(role, letter)| if holds(*role) { letter } else { "-" })
        .collect()
}

/// What `/a/b` asks of a world in which nobody yet has the role under test: ada edits, bob publishes.
fn own(inherit: bool) -> Governance {
    Governance {
        inherit,
        ..governance(&[(Role::Editor, &["ada"]), (Role::Publisher, &["bob"])])
    }
}

fn assigning(namespace: &mut ConfigNamespace, role: Role, holder: &str) {
    let roles = &mut namespace.settings.governance.roles;
    roles.entry(role).or_default().insert(subject(holder));
}

/// `/`, `/a` and `/a/b`, where `holder` has `role` at `place`, and ada's request r1 in `/a/b` is pending.
fn world(place: Place, role: Role, holder: &str) -> World {
    let mut world = World::with_floor(UNREVIEWED);
    let inherits = match place {
        Place::Own | Place::Parent | Place::Top => true,
        Place::ParentCut | Place::TopCut => false,
    };
    world
        .declare("root", "/a", "a", governance(&[]))
        .expect("a declaration");
    world
        .declare("root", "/a/b", "b", own(inherits))
        .expect("a declaration");
    let holding = match place {
        Place::Own => "/a/b",
        Place::Parent | Place::ParentCut => "/a",
        Place::Top | Place::TopCut => "/",
    };
    // Written straight into the state: nobody may widen the roles of a namespace that exists.
    let mut namespace = stored(&world, &path(holding));
    assigning(&mut namespace, role, holder);
    let change = confman_core::state::Change::PutNamespace(Box::new(namespace));
    world.state.commit(vec![change]);
    world
        .submit_spec("ada", "r1", spec("b", "rate", "1"))
        .expect("a submission");
    world
}

fn stored(world: &World, at: &NamespacePath) -> ConfigNamespace {
    let namespace = world.state.namespace(at).expect("memory is always readable");
    ConfigNamespace::clone(&namespace.expect("it exists"))
}

fn lineage(world: &World) -> Vec<ConfigNamespace> {
    ["/a/b", "/a", "/"].iter().map(|at| stored(world, &path(at))).collect()
}

#[test]
fn the_table_names_every_action() {
    let named: Vec<Action> = TABLE.iter().map(|(action, _)| *action).collect();
    assert_eq!(named, Action::ALL);
    assert_eq!(LETTERS.map(|(role, _)| role), Role::ALL);
}

#[test]
fn each_role_may_do_what_the_table_says() {
    for (action, expected) in TABLE {
        assert_eq!(letters(|role| allows(role, action)), expected[0], "{action}");
    }
}

#[test]
fn a_role_is_held_where_the_table_says() {
    for (at, place) in PLACES.into_iter().enumerate() {
        for holder in ["zoe", "group:staff", "serviceaccount:ci/bot", "key:reader"] {
            let mut actor = Actor::new(subject(holder));
            if holder == "group:staff" {
                actor = Actor::new(Principal::user("zoe"));
                actor.groups.insert(subject(holder));
            }
            let lineages = Role::ALL.map(|role| lineage(&world(place, role, holder)));
            for (action, expected) in TABLE {
                let holds = |role: Role| may(&lineages[role as usize], &actor, action);
                assert_eq!(letters(holds), expected[at], "{action} by {holder}, {place:?}");
            }
        }
    }
}

#[test]
fn roles_add_up_and_the_strongest_counts() {
    let mut world = world(Place::Own, Role::Viewer, "zoe");
    let zoe = Actor::new(Principal::user("zoe"));
    assert!(!may(&lineage(&world), &zoe, Action::Review));
    let mut parent = stored(&world, &path("/a"));
    assigning(&mut parent, Role::Publisher, "zoe");
    world
        .state
        .commit(vec![confman_core::state::Change::PutNamespace(Box::new(parent))]);
    assert!(
        may(&lineage(&world), &zoe, Action::Review),
        "a weaker role below takes nothing away"
    );
    assert!(
        !may(&lineage(&world), &zoe, Action::Govern),
        "two roles are no stronger one"
    );
}

#[test]
fn who_holds_nothing_may_do_nothing() {
    let world = world(Place::Own, Role::Admin, "zoe");
    for stranger in ["yan", "Zoe", "zoe ", "group:zoe", "user:oidc/zoe", "key:zoe"] {
        let actor = Actor::new(Principal::parse(stranger).unwrap_or_else(|_| Principal::user(stranger)));
        for action in Action::ALL {
            assert!(!may(&lineage(&world), &actor, action), "{stranger}: {action}");
        }
    }
}

/// What `name` tries over HTTP, by the name of the command.
fn over_http_command(name: &str, command: &str) -> Command {
    let actor = caller(name);
    match command {
        "draft" => Command::PutDraft(PutDraft {
            actor,
            namespace: path("/a/b"),
            key: key("rate"),
            value: value("4"),
            expected: Precondition::Any,
            verdict: None,
        }),
        "make below" => Command::PutNamespace(PutNamespace {
            actor,
            path: path("/a/b/d"),
            settings: settings(governance(&[])),
            expected_revision: None,
        }),
        "store schema" => Command::PutSchema(PutSchema {
            actor,
            path: path("/a/b"),
            text: "{}".to_owned(),
            expected_revision: None,
        }),
        "issue key" => Command::IssueApiKey(IssueApiKey {
            key: ApiKeyRecord {
                name: "reader".to_owned(),
                hash: Digest::of(b"reader"),
                environment: "test".to_owned(),
                scope: KeyScope {
                    namespace: Some(path("/a/b")),
                    read_only: true,
                },
                created_by: actor.principal.clone(),
                created_at: seconds(0),
                expires_at: None,
                revoked_at: None,
            },
            actor,
        }),
        other => unreachable!("nobody tries to {other}"),
    }
}

/// What `name` tries in the world, by the name of the command.
fn attempt(world: &mut World, name: &str, command: &str) -> String {
    let result = match command {
        "submit" => world.submit_spec(name, "r2", spec("b", "limit", "2")),
        "approve" => world.review(name, "r1", Decision::Approve),
        "reject" => world.review(name, "r1", Decision::Reject),
        "write" => {
            let mut command = writing(name, "/a/b", "other", "3");
            if let Command::PutEntry(put) = &mut command {
                put.actor.groups = user(name).actor().groups;
            }
            world.apply(command)
        }
        "tighten" => {
            let mut tighter = stored(world, &path("/a/b")).settings.governance;
            tighter.workflow = Some(crate::builders::workflow(3));
            world.declare(name, "/a/b", "b", tighter)
        }
        "declare below" => world.declare(name, "/a/b/c", "c", governance(&[])),
        over_http => world.apply(over_http_command(name, over_http)),
    };
    if let Err(Rejection::Forbidden {
        principal, namespace, ..
    }) = &result
    {
        assert_eq!(
            (&principal.name, namespace),
            (&user(name).actor().principal.name, &path("/a/b"))
        );
    }
    verdict(&result)
}

#[test]
fn each_role_can_do_with_commands_what_the_table_says() {
    for (command, expected) in COMMANDS {
        for (at, place) in PLACES.into_iter().enumerate() {
            for (holder, name) in [("zoe", "zoe"), ("group:staff", "zoe+staff")] {
                let outcome = |role| match attempt(&mut world(place, role, holder), name, command).as_str() {
                    "ok" => true,
                    "Forbidden" => false,
                    other => unreachable!("{command} by {role} {name}, {place:?}: {other}"),
                };
                assert_eq!(letters(outcome), expected[at], "{command} by {name}, {place:?}");
            }
        }
    }
}

#[test]
fn a_requester_takes_back_what_they_asked_for_and_no_role_lets_another() {
    for role in Role::ALL {
        let mut world = world(Place::Own, role, "zoe");
        assert_eq!(verdict(&world.withdraw("zoe", "r1")), "InvalidStamp", "{role}");
    }
    let mut world = world(Place::Own, Role::Viewer, "zoe");
    let mut without_ada = stored(&world, &path("/a/b"));
    without_ada.settings.governance.roles.remove(&Role::Editor);
    world
        .state
        .commit(vec![confman_core::state::Change::PutNamespace(Box::new(without_ada))]);
    assert_eq!(verdict(&world.withdraw("ada", "r1")), "ok", "also without a role");
}
