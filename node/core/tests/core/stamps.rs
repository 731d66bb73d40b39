//! A stamp counts for exactly what it was made for, once, while its key lives.

use confman_core::digest::Digest;
use confman_core::ids::Timestamp;
use confman_core::namespace::Claim;
use confman_core::proposal::{Command, DeclareNamespace, RegisterStampKey, Review, SubmitRequest};
use confman_core::publish_request::{Decision, RequestSpec};
use confman_core::stamp::{
    GovernanceStatement, RequesterStatement, ReviewStatement, Signed, StampKeyStatement, Statement,
};

use crate::builders::{
    KEY, KEY_DAYS, claim, cluster_id, governance, nonce, path, request_id, reviewing, seconds, settings, sign,
    signing_key, spec, stamp_key, value, verdict, workflow,
};
use crate::world::World;

/// `/payments`, and ada's request r1 for two approvals.
fn world() -> World {
    let mut world = World::with_payments(workflow(2));
    world.submit("ada", "r1", "1000").expect("a submission");
    world
}

fn submit(world: &mut World, spec: RequestSpec, requester: Signed<RequesterStatement>) -> String {
    let command = SubmitRequest {
        request_id: request_id("r2"),
        spec,
        requester,
        verdict: None,
    };
    verdict(&world.apply(Command::SubmitRequest(command)))
}

/// What comes of a submission whose statement was changed before it was signed.
fn submit_with(change: impl FnOnce(&mut RequesterStatement)) -> String {
    let mut world = world();
    let wanted = spec("payments", "limit", "5");
    let mut statement = world.requester_statement("ada", "r2", &wanted);
    change(&mut statement);
    submit(&mut world, wanted, sign(statement, KEY))
}

/// What comes of each review of r1 whose statement was changed before it was signed.
fn review_with(change: impl Fn(&mut ReviewStatement)) -> Vec<String> {
    let reviews = [
        ("bob", Decision::Approve),
        ("bob", Decision::Reject),
        ("ada", Decision::Withdraw),
    ];
    let outcome = |(name, decision)| {
        let mut world = world();
        let mut statement = world.review_statement(name, "r1", decision);
        change(&mut statement);
        verdict(&world.apply(reviewing("r1", sign(statement, KEY))))
    };
    reviews.into_iter().map(outcome).collect()
}

fn all(expected: &str) -> Vec<String> {
    vec![expected.to_owned(); 3]
}

#[test]
fn an_unchanged_stamp_holds() {
    assert_eq!(submit_with(|_| {}), "ok");
    assert_eq!(review_with(|_| {}), all("ok"));
}

#[test]
fn a_requesters_stamp_is_bound_to_its_cluster_and_spec() {
    assert_eq!(submit_with(|said| said.cluster_id = cluster_id("c2")), "InvalidStamp");
    assert_eq!(
        submit_with(|said| said.spec_digest = Digest::of(b"other")),
        "InvalidStamp"
    );
}

#[test]
fn a_requesters_stamp_is_bound_to_every_field_of_the_spec() {
    let changes: [fn(&mut RequestSpec); 6] = [
        |spec| spec.namespace_ref = "orders".to_owned(),
        |spec| spec.key = crate::builders::key("rate"),
        |spec| spec.value = Some(value("6")),
        |spec| spec.expected_version = Some(0),
        |spec| spec.reason = Some("because".to_owned()),
        |spec| _ = spec.on_behalf_of.insert("bob".to_owned()),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut world = world();
        let mut wanted = spec("payments", "limit", "5");
        let statement = world.requester_statement("ada", "r2", &wanted);
        change(&mut wanted);
        assert_eq!(
            submit(&mut world, wanted, sign(statement, KEY)),
            "InvalidStamp",
            "change {at}"
        );
    }
}

#[test]
fn a_review_is_bound_to_cluster_object_requester_and_digest() {
    assert_eq!(
        review_with(|said| said.cluster_id = cluster_id("c2")),
        all("InvalidStamp")
    );
    assert_eq!(
        review_with(|said| said.object_uid = "r2".to_owned()),
        all("InvalidStamp")
    );
    assert_eq!(
        review_with(|said| said.requester = "eve".to_owned()),
        all("InvalidStamp")
    );
    assert_eq!(
        review_with(|said| said.digest = Digest::of(b"other")),
        all("DigestMismatch")
    );
}

#[test]
fn a_review_counts_only_as_the_decision_that_it_says() {
    let said = [Decision::Approve, Decision::Reject, Decision::Withdraw];
    for carried in said {
        for decision in said {
            let mut world = world();
            let name = if carried == Decision::Withdraw { "ada" } else { "bob" };
            let mut statement = world.review_statement(name, "r1", carried);
            let mut command = reviewing("r1", sign(statement.clone(), KEY));
            statement.decision = decision;
            let stamp = sign(statement, KEY);
            if let Command::ApproveRequest(review) | Command::RejectRequest(review) = &mut command {
                review.review = Review::Stamped(Box::new(stamp));
            } else if let Command::WithdrawRequest(withdraw) = &mut command {
                withdraw.cause = confman_core::proposal::WithdrawCause::ByRequester(Box::new(stamp));
            }
            let expected = if carried == decision { "ok" } else { "WrongDecision" };
            assert_eq!(
                verdict(&world.apply(command)),
                expected,
                "{decision} carried as {carried}"
            );
        }
    }
}

/// One change of a statement.
type Forgery = fn(&mut GovernanceStatement);

#[test]
fn a_governance_stamp_is_bound_to_cluster_object_path_and_fields() {
    let changes: [(&str, Forgery); 5] = [
        ("cluster", |said| said.cluster_id = cluster_id("c2")),
        ("Kubernetes namespace", |said| {
            said.kubernetes_namespace = "apps".to_owned();
        }),
        ("name", |said| said.name = "other".to_owned()),
        ("path", |said| said.path = path("/other")),
        ("digest", |said| said.governance_digest = Digest::of(b"other")),
    ];
    for (what, change) in changes {
        let mut world = world();
        let mut statement = world.governance_statement("root", "/orders", "orders", &governance(&[]));
        change(&mut statement);
        let command = Command::DeclareNamespace(DeclareNamespace {
            claim: claim("orders"),
            path: path("/orders"),
            governance: sign(statement, KEY),
            settings: settings(governance(&[])),
        });
        assert_eq!(verdict(&world.apply(command)), "InvalidStamp", "{what}");
    }
}

#[test]
fn only_the_clusters_own_kubernetes_namespace_declares() {
    let mut world = world();
    let mut statement = world.governance_statement("root", "/orders", "orders", &governance(&[]));
    statement.kubernetes_namespace = "apps".to_owned();
    let command = Command::DeclareNamespace(DeclareNamespace {
        claim: Claim {
            kubernetes_namespace: "apps".to_owned(),
            ..claim("orders")
        },
        path: path("/orders"),
        governance: sign(statement, KEY),
        settings: settings(governance(&[])),
    });
    assert_eq!(verdict(&world.apply(command)), "NotDelegated");
}

/// The four commands that carry a stamp, each signed by `sign`.
fn stamped(world: &World, key_id: &str, signer: &str) -> Vec<(&'static str, Command)> {
    let wanted = spec("payments", "limit", "5");
    let requester = signed(world.requester_statement("ada", "r2", &wanted), key_id, signer);
    let declared = world.governance_statement("root", "/orders", "orders", &governance(&[]));
    let key = StampKeyStatement {
        cluster_id: cluster_id("c1"),
        key: stamp_key("k2", Timestamp::from_millis(world.now.as_millis() + 1000)),
    };
    let mut commands = vec![
        (
            "submit",
            Command::SubmitRequest(SubmitRequest {
                request_id: request_id("r2"),
                spec: wanted,
                requester,
                verdict: None,
            }),
        ),
        (
            "declare",
            Command::DeclareNamespace(DeclareNamespace {
                claim: claim("orders"),
                path: path("/orders"),
                governance: signed(declared, key_id, signer),
                settings: settings(governance(&[])),
            }),
        ),
        (
            "register",
            Command::RegisterStampKey(RegisterStampKey {
                key: signed(key, key_id, signer),
            }),
        ),
    ];
    let reviews = [
        ("bob", Decision::Approve),
        ("bob", Decision::Reject),
        ("ada", Decision::Withdraw),
    ];
    for (name, decision) in reviews {
        let review = signed(world.review_statement(name, "r1", decision), key_id, signer);
        commands.push(("review", reviewing("r1", review)));
    }
    commands
}

fn signed<S: Statement>(statement: S, key_id: &str, signer: &str) -> Signed<S> {
    Signed::sign(statement, key_id, &signing_key(signer))
}

fn verdicts(world: &World, key_id: &str, signer: &str) -> Vec<String> {
    let commands = stamped(world, key_id, signer).into_iter();
    commands
        .map(|(_, command)| verdict(&world.clone().apply(command)))
        .collect()
}

#[test]
fn every_stamp_needs_a_known_key_that_really_signed() {
    let world = world();
    assert_eq!(verdicts(&world, KEY, KEY), ["ok"; 6]);
    assert_eq!(verdicts(&world, KEY, "mallory"), ["InvalidStamp"; 6]);
    assert_eq!(verdicts(&world, "mallory", "mallory"), ["UnknownStampKey"; 6]);
    assert_eq!(verdicts(&world, "mallory", KEY), ["UnknownStampKey"; 6]);
}

#[test]
fn every_stamp_holds_up_to_the_millisecond_in_which_its_key_ends() {
    let mut world = world();
    let end = seconds(KEY_DAYS * 24 * 3600);
    world.now = end;
    assert_eq!(verdicts(&world, KEY, KEY), ["ok"; 6]);
    world.now = Timestamp::from_millis(end.as_millis() + 1);
    assert_eq!(verdicts(&world, KEY, KEY), ["StampKeyExpired"; 6]);
}

#[test]
fn a_key_ends_by_the_time_of_the_log_even_if_a_leaders_clock_runs_back() {
    let mut world = world();
    let command = Command::RegisterStampKey(RegisterStampKey {
        key: sign(
            StampKeyStatement {
                cluster_id: cluster_id("c1"),
                key: stamp_key("k2", seconds(100)),
            },
            KEY,
        ),
    });
    world.apply(command).expect("a key");
    world.now = seconds(200);
    world.submit("ada", "r3", "3").expect("a submission");
    world.now = seconds(50);
    assert_eq!(verdicts(&world, "k2", "k2"), ["StampKeyExpired"; 6]);
}

#[test]
fn a_signature_that_was_touched_does_not_hold() {
    let statement = |world: &World| world.review_statement("bob", "r1", Decision::Approve);
    let touches: [fn(&mut Vec<u8>); 4] = [
        |signature| signature[0] ^= 1,
        |signature| signature[63] ^= 0x80,
        |signature| signature.truncate(63),
        Vec::clear,
    ];
    for touch in touches {
        let mut world = world();
        let mut review = sign(statement(&world), KEY);
        touch(&mut review.signature);
        assert_eq!(verdict(&world.apply(reviewing("r1", review))), "InvalidStamp");
    }
}

#[test]
fn nobody_puts_words_into_a_signed_statement() {
    let touches: [fn(&mut ReviewStatement); 5] = [
        |said| said.user.username = "carol".to_owned(),
        |said| said.user.groups.push("staff".to_owned()),
        |said| said.user.uid = Some("1".to_owned()),
        |said| said.comment = Some("fine".to_owned()),
        |said| said.time = seconds(1),
    ];
    for touch in touches {
        let mut world = world();
        let mut review = sign(world.review_statement("bob", "r1", Decision::Approve), KEY);
        touch(&mut review.statement);
        assert_eq!(verdict(&world.apply(reviewing("r1", review))), "InvalidStamp");
    }
}

#[test]
fn a_stamp_of_one_kind_never_passes_for_another() {
    let messages = [
        RequesterStatement::KIND,
        ReviewStatement::KIND,
        GovernanceStatement::KIND,
        StampKeyStatement::KIND,
    ];
    for (at, kind) in messages.iter().enumerate() {
        assert!(!messages[..at].contains(kind), "{kind} twice");
    }
    let statement = world().review_statement("bob", "r1", Decision::Approve);
    assert!(statement.message().starts_with(b"confman.io/review-stamp/v1\n{"));
}

#[test]
fn a_nonce_serves_one_object() {
    let mut world = world();
    let wanted = spec("payments", "limit", "5");
    let mut statement = world.requester_statement("ada", "r2", &wanted);
    statement.nonce = nonce("r1");
    assert_eq!(
        submit(&mut world, wanted.clone(), sign(statement, KEY)),
        "StampReplayed"
    );
    let same = sign(
        world.requester_statement("ada", "r1", &spec("payments", "rate", "1000")),
        KEY,
    );
    let replayed = submit(&mut world, spec("payments", "rate", "1000"), same);
    assert_eq!(replayed, "StampReplayed", "the very stamp of r1 under another uid");
    world.withdraw("ada", "r1").expect("a withdrawal");
    let mut statement = world.requester_statement("ada", "r2", &wanted);
    statement.nonce = nonce("r1");
    assert_eq!(
        submit(&mut world, wanted, sign(statement, KEY)),
        "StampReplayed",
        "after its request has ended"
    );
}

#[test]
fn a_nonce_is_thirty_two_hex_digits() {
    for (given, expected) in [
        ("0123456789abcdef0123456789abcdef", "ok"),
        ("0123456789abcdef0123456789abcde", "InvalidStamp"),
        ("0123456789abcdef0123456789abcdef0", "InvalidStamp"),
        ("0123456789abcdef0123456789abcdeg", "InvalidStamp"),
        ("", "InvalidStamp"),
    ] {
        assert_eq!(
            submit_with(|said| given.clone_into(&mut said.nonce)),
            expected,
            "{given:?}"
        );
    }
}
