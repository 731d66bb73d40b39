//! Every limit: what is just within is taken, one more is refused.

use confman_core::access::Role;
use confman_core::namespace::{Claim, Governance, NamespaceSettings, Workflow};
use confman_core::principal::Principal;
use confman_core::proposal::{Command, DeclareNamespace, InitialiseCluster, RegisterStampKey};
use confman_core::publish_request::{Decision, RequestSpec};
use confman_core::stamp::{StampKeyStatement, StampedUser};
use confman_core::value::ConfigValue;

use crate::builders::{
    KEY, KEY_DAYS, cluster_id, governance, initialise, path, reviewing, seconds, settings, sign, spec, stamp_key,
    subject, user, value, verdict, workflow,
};
use crate::world::World;

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn submit(change: impl FnOnce(&mut RequestSpec)) -> String {
    let mut wanted = spec("payments", "rate", "1");
    change(&mut wanted);
    verdict(&World::with_payments(workflow(1)).submit_spec("ada", "r1", wanted))
}

fn declare(change: impl FnOnce(&mut NamespaceSettings)) -> String {
    let mut world = World::new();
    let mut settings = settings(governance(&[]));
    change(&mut settings);
    let mut command = world.declaration("root", "/payments", "payments", settings.governance.clone());
    command.settings = settings;
    verdict(&world.apply(Command::DeclareNamespace(command)))
}

fn comment(bytes: usize, decision: Decision) -> String {
    let mut world = World::with_payments(workflow(1));
    world.submit("ada", "r1", "1").expect("a submission");
    let name = if decision == Decision::Withdraw { "ada" } else { "bob" };
    let mut statement = world.review_statement(name, "r1", decision);
    statement.comment = Some(text(bytes));
    verdict(&world.apply(reviewing("r1", sign(statement, KEY))))
}

fn bootstrap(change: impl FnOnce(&mut InitialiseCluster)) -> String {
    let mut world = World::empty();
    let key = stamp_key(KEY, seconds(KEY_DAYS * 24 * 3600));
    let mut command = initialise("c1", &["root"], workflow(1), Some(key));
    if let Command::InitialiseCluster(initialise) = &mut command {
        change(initialise);
    }
    verdict(&world.apply(command))
}

/// `ok` at the limit and a refusal one above it.
fn assert_limit(limit: usize, outcome: impl Fn(usize) -> String) {
    assert_eq!(outcome(limit), "ok", "at the limit {limit}");
    assert_eq!(outcome(limit + 1), "InvalidField", "above the limit {limit}");
}

#[test]
fn a_requested_value_has_at_most_128_kib() {
    assert_limit(128 * 1024, |bytes| {
        submit(|spec| spec.value = Some(value(&"x".repeat(bytes))))
    });
    assert_limit(128 * 1024, |bytes| {
        submit(|spec| spec.value = Some(ConfigValue::from_bytes(vec![0; bytes]).expect("a value")))
    });
}

#[test]
fn a_put_needs_a_value_and_null_is_one() {
    assert_eq!(submit(|spec| spec.value = None), "InvalidField");
    assert_eq!(submit(|spec| spec.value = Some(value("null"))), "ok");
    assert_eq!(
        submit(|spec| spec.value = Some(ConfigValue::from_text("").expect("a value"))),
        "ok"
    );
}

#[test]
fn a_reason_and_a_comment_have_at_most_two_kib() {
    assert_limit(2048, |bytes| submit(|spec| spec.reason = Some(text(bytes))));
    for decision in [Decision::Approve, Decision::Reject, Decision::Withdraw] {
        assert_limit(2048, |bytes| comment(bytes, decision));
    }
}

#[test]
fn limits_count_bytes_not_characters() {
    assert_eq!(submit(|spec| spec.reason = Some("ü".repeat(1024))), "ok");
    assert_eq!(submit(|spec| spec.reason = Some("ü".repeat(1025))), "InvalidField");
}

#[test]
fn a_request_is_made_on_behalf_of_at_most_sixteen_people() {
    assert_limit(16, |people| {
        submit(|spec| spec.on_behalf_of = (0..people).map(|at| format!("u{at}")).collect())
    });
    assert_limit(256, |bytes| submit(|spec| spec.on_behalf_of.extend([text(bytes)])));
}

#[test]
fn an_expected_version_of_any_size_is_answered() {
    for expected in [1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX] {
        assert_eq!(
            submit(|spec| spec.expected_version = Some(expected)),
            "VersionMismatch",
            "{expected}"
        );
    }
    assert_eq!(submit(|spec| spec.expected_version = Some(0)), "ok");
}

#[test]
fn expected_versions_too_large_for_a_double_are_told_apart() {
    let digest = |expected| {
        let mut wanted = spec("payments", "rate", "1");
        wanted.expected_version = Some(expected);
        confman_core::digest::spec_digest(&wanted)
    };
    assert_ne!(digest(1 << 53), digest((1 << 53) + 1));
}

#[test]
fn descriptive_settings_have_limits() {
    assert_limit(128, |bytes| {
        declare(|settings| settings.display_name = Some(text(bytes)))
    });
    assert_limit(2048, |bytes| {
        declare(|settings| settings.description = Some(text(bytes)))
    });
    assert_limit(256, |bytes| {
        declare(|settings| settings.governance.owner = Some(text(bytes)))
    });
}

#[test]
fn a_namespace_assigns_roles_to_at_most_256_subjects_in_all() {
    assert_limit(256, |count| {
        declare(|settings| {
            let subjects = |range: std::ops::Range<usize>| range.map(|at| subject(&format!("u{at}"))).collect();
            settings.governance.roles.insert(Role::Viewer, subjects(0..100));
            settings.governance.roles.insert(Role::Admin, subjects(100..count));
        })
    });
}

#[test]
fn between_one_and_sixteen_approvers_are_asked_for() {
    for (min, expected) in [
        (0, "InvalidField"),
        (1, "ok"),
        (16, "ok"),
        (17, "InvalidField"),
        (255, "InvalidField"),
    ] {
        assert_eq!(
            declare(|settings| settings.governance.workflow = Some(workflow(min))),
            expected,
            "{min}"
        );
        assert_eq!(
            bootstrap(|command| command.workflow = workflow(min)),
            expected,
            "{min} at bootstrap"
        );
    }
    assert_eq!(Workflow::MAX_APPROVERS, 16);
}

#[test]
fn a_cluster_begins_with_one_to_sixty_four_admins() {
    let admins = |count: usize| {
        (0..count)
            .map(|at| subject(&format!("u{at}")))
            .collect::<Vec<Principal>>()
    };
    assert_limit(64, |count| bootstrap(|command| command.root_admins = admins(count)));
    assert_eq!(bootstrap(|command| command.root_admins.clear()), "InvalidField");
}

#[test]
fn kubernetes_names_are_names() {
    let long = "n".repeat(253);
    for (name, expected) in [
        (long.as_str(), "ok"),
        (&format!("{long}n"), "InvalidField"),
        ("", "InvalidField"),
        ("a/b", "InvalidField"),
        ("a b", "InvalidField"),
        ("a\u{0}b", "InvalidField"),
        ("ü", "InvalidField"),
    ] {
        assert_eq!(
            bootstrap(|command| name.clone_into(&mut command.name)),
            expected,
            "cluster {name:?}"
        );
        let kubernetes_namespace = bootstrap(|command| name.clone_into(&mut command.kubernetes_namespace));
        assert_eq!(kubernetes_namespace, expected, "Kubernetes namespace {name:?}");
        assert_eq!(
            claim_with(|claim| name.clone_into(&mut claim.name)),
            expected,
            "object {name:?}"
        );
        assert_eq!(
            claim_with(|claim| name.clone_into(&mut claim.uid)),
            expected,
            "uid {name:?}"
        );
        let mut world = World::with_payments(workflow(1));
        let wanted = spec("payments", "rate", "1");
        let mut statement = world.requester_statement("ada", "r1", &wanted);
        name.clone_into(&mut statement.name);
        let mut command = world.submission("ada", "r1", wanted);
        command.requester = sign(statement, KEY);
        assert_eq!(
            verdict(&world.apply(Command::SubmitRequest(command))),
            expected,
            "request {name:?}"
        );
    }
}

fn claim_with(change: impl FnOnce(&mut Claim)) -> String {
    let mut world = World::new();
    let mut claim = crate::builders::claim("payments");
    change(&mut claim);
    let governance: Governance = governance(&[]);
    let statement = world.governance_statement("root", "/payments", &claim.name, &governance);
    verdict(&world.apply(Command::DeclareNamespace(DeclareNamespace {
        claim,
        path: path("/payments"),
        governance: sign(statement, KEY),
        settings: settings(governance),
    })))
}

#[test]
fn a_stamp_key_has_a_short_name_and_thirty_two_good_bytes() {
    let register = |key_id: &str, public: Option<Vec<u8>>| {
        let mut key = stamp_key(key_id, seconds(100));
        key.public_key = public.unwrap_or(key.public_key);
        let statement = StampKeyStatement {
            cluster_id: cluster_id("c1"),
            key,
        };
        let key = sign(statement, KEY);
        verdict(&World::new().apply(Command::RegisterStampKey(RegisterStampKey { key })))
    };
    assert_limit(64, |length| register(&"k".repeat(length), None));
    assert_eq!(register("K-1._z", None), "ok");
    for bad in ["", "a b", "a/b", "ü"] {
        assert_eq!(register(bad, None), "InvalidField", "{bad:?}");
    }
    // The point of order one would accept signatures that nobody made; 2 is no y coordinate of a point.
    let mut identity = vec![0; 32];
    identity[0] = 1;
    let mut no_point = vec![0; 32];
    no_point[0] = 2;
    for bad in [Vec::new(), vec![1; 31], vec![1; 33], identity, no_point] {
        assert_eq!(register("k2", Some(bad.clone())), "InvalidField", "{bad:?}");
    }
    assert_eq!(register(KEY, None), "InvalidField", "the name is taken by another key");
}

#[test]
fn a_stamp_key_lives_ninety_days_at_most() {
    let day = 24 * 3600;
    for (name, end, expected) in [
        ("ended", 0, "StampKeyExpired"),
        ("short", 1, "ok"),
        ("longest", 90 * day, "ok"),
        ("too-long", 90 * day + 1, "InvalidField"),
    ] {
        let mut world = World::new();
        let statement = StampKeyStatement {
            cluster_id: cluster_id("c1"),
            key: stamp_key(name, seconds(end)),
        };
        let registered = world.apply(Command::RegisterStampKey(RegisterStampKey {
            key: sign(statement, KEY),
        }));
        assert_eq!(verdict(&registered), expected, "{name}");
    }
}

fn submit_as(user: StampedUser) -> String {
    let mut world = World::with_payments(workflow(1));
    let wanted = spec("payments", "rate", "1");
    let mut statement = world.requester_statement("ada", "r1", &wanted);
    statement.user = user;
    let mut command = world.submission("ada", "r1", wanted);
    command.requester = sign(statement, KEY);
    verdict(&world.apply(Command::SubmitRequest(command)))
}

#[test]
fn a_stamped_user_has_readable_names_and_at_most_sixty_four_groups() {
    let groups = |count: usize| (0..count).map(|at| format!("g{at}")).collect::<Vec<_>>();
    let with = |username: &str, groups: Vec<String>| StampedUser {
        groups,
        ..user(username)
    };
    let long = "g".repeat(256);
    let cases = [
        (with("ada", groups(64)), "ok"),
        (with("ada", groups(65)), "InvalidStamp"),
        (with("ada", vec![long.clone()]), "ok"),
        (with("ada", vec![format!("{long}g")]), "InvalidStamp"),
        (with("ada", vec![String::new()]), "InvalidStamp"),
        (with("ada", vec!["a\nb".to_owned()]), "InvalidStamp"),
        (with("", Vec::new()), "InvalidStamp"),
        (with("a\u{0}da", Vec::new()), "InvalidStamp"),
        (with(&"u".repeat(256), Vec::new()), "Forbidden"),
        (with(&"u".repeat(257), Vec::new()), "InvalidStamp"),
        (with("oidc/ada", Vec::new()), "Forbidden"),
    ];
    for (user, expected) in cases {
        assert_eq!(submit_as(user.clone()), expected, "{user:?}");
    }
}
