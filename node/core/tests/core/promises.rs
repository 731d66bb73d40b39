//! What people rely on, each promise by its name: the scenarios that show it kept, and what scenarios cannot say.

use confman_core::access::Role;
use confman_core::namespace::Governance;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::principal::Principal;
use confman_core::proposal::Command;
use confman_core::publish_request::{Decision, Operation, RequestSpec};
use confman_core::state::StateView as _;
use confman_core::value::ConfigValue;
use confman_core::verdict::Verdict;

use crate::builders::{caller, governance, path, reviewing_over_http, spec, subject, value, verdict, workflow};
use crate::scenario::{played, run};
use crate::scenarios;
use crate::world::{Entry, World};

/// Plays the scenarios of these files.
fn kept_by(names: &[&str]) {
    let all = scenarios::all();
    for name in names {
        let (_, text) = all
            .iter()
            .find(|(file, _)| file == name)
            .expect("a scenario of that name");
        assert_eq!(run(name, text), Ok(()));
    }
}

#[test]
fn whoever_had_a_hand_in_a_change_completes_no_quorum_by_any_login_or_role() {
    kept_by(&[
        "four-eyes.txt",
        "aliases.txt",
        "on-behalf-of.txt",
        "drafts.txt",
        "machines.txt",
    ]);
}

#[test]
fn an_approval_of_another_digest_is_refused() {
    kept_by(&["binding.txt", "manual-publish.txt"]);
}

#[test]
fn a_comment_changes_no_digest_and_voids_no_approval() {
    let mut world = World::with_payments(workflow(2));
    for (id, reason) in [("r1", None), ("r2", Some("in other words"))] {
        let asked = RequestSpec {
            reason: reason.map(str::to_owned),
            ..spec("payments", "rate", "1")
        };
        world.submit_spec("ada", id, asked).expect("a submission");
    }
    let digest = |world: &World, id| world.request(id).expect("a request").digest;
    assert_eq!(digest(&world, "r1"), digest(&world, "r2"));
    world.approve("bob", "r1").expect("an approval");
    world.approve("carol", "r1").expect("the last approval");
    assert_eq!(world.live("/payments", "rate").expect("it is live").number, 1);
}

#[test]
fn a_request_whose_base_moved_is_superseded_and_never_published() {
    kept_by(&["superseded.txt", "expected-version.txt", "governance-base.txt"]);
}

#[test]
fn what_breaks_a_schema_is_neither_submitted_nor_published_on_any_path() {
    kept_by(&["verdicts.txt", "schema-on-every-path.txt"]);
}

/// The judgement that the last approval of `world` carried.
fn last_verdict(world: &World) -> Option<Verdict> {
    let carried = |entry: &Entry| {
        if let Command::ApproveRequest(review) = &entry.proposal.command {
            review.verdict.clone()
        } else {
            None
        }
    };
    world.log.iter().rev().find_map(carried)
}

#[test]
fn a_schema_edited_while_a_request_is_open_forces_a_new_judgement_and_voids_no_approval() {
    let all = scenarios::all();
    let (_, text) = all
        .iter()
        .find(|(name, _)| name == "schema-edited.txt")
        .expect("a scenario of that name");
    let (before, edited) = text.split_once("# A new revision").expect("the schema is edited");
    let judged_before = last_verdict(&played("before", before).expect("it comes out as written"));
    let mut world = played("edited", &format!("{before}# {edited}")).expect("it comes out as written");
    let judged_now = last_verdict(&world);
    let mut approve = |verdict: Option<Verdict>| {
        let statement = world.review_statement("carol", "pr-4", Decision::Approve);
        let mut command = reviewing_over_http("pr-4", caller("carol"), &statement);
        if let Command::ApproveRequest(review) = &mut command {
            review.verdict = verdict;
        }
        world.apply(command)
    };
    assert_eq!(
        approve(judged_before),
        Err(Rejection::VerdictOutdated),
        "the last judgement was by the old schema"
    );
    let judged_anew = judged_now.map(|verdict| Verdict {
        violations: Vec::new(),
        ..verdict
    });
    approve(judged_anew).expect("the last approval");
    let live = world.live("/payments", "rate").expect("it is live");
    assert_eq!(
        live.approvers,
        ["bob", "carol"].map(Principal::user),
        "the approval from before counts"
    );
}

#[test]
fn fewer_approvers_a_wider_role_or_no_schema_wait_for_approval_under_the_old_rules() {
    kept_by(&[
        "governance-requests.txt",
        "governance-by-object.txt",
        "verdicts.txt",
        "tightening.txt",
    ]);
}

#[test]
fn releasing_a_namespace_keeps_what_is_published() {
    kept_by(&["release.txt", "claims.txt"]);
}

/// A value that goes through everything, with a target that hears of it.
const CANARY: &str = "
    at 0 operator initialises c1 admins=root
      => initialised c1 [cluster.initialised]
    at 1 root makes /payments editor=ada publisher=bob,carol hooks=hook
      => declared /payments [namespace.created]
    at 10 ada drafts /payments/rate value=canary
      => drafted [draft.updated]
    at 11 ada asks /payments/rate draft=canary called=r1
      => PendingReview [request.submitted]
    at 12 bob approves r1 http
      => Published 1 [request.approved config.published]
    live /payments rate
      => \"canary\" version 1
";

#[test]
fn no_event_and_no_delivery_holds_a_value() {
    let world = played("canary", CANARY).expect("it comes out as written");
    let deliveries: Vec<_> = world.state.deliveries().collect();
    assert_eq!(deliveries.len(), 3, "of the request, the approval and the publication");
    let told = format!("{deliveries:?} {:?}", world.state.audit());
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn going_back_to_any_version_even_of_a_deleted_key_gives_its_exact_bytes() {
    let texts = ["1", "{\"b\": [1, 2.50], \"a\": null}", "plain \u{1f980} text", "", "1"];
    let mut world = World::with_payments(workflow(1));
    let change = |world: &mut World, operation, value, to_version| {
        let id = format!("r{}", world.log.len());
        let asked = RequestSpec {
            operation,
            value,
            to_version,
            ..spec("payments", "rate", "0")
        };
        world.submit_spec("ada", &id, asked).expect("a submission");
        world.approve("bob", &id).expect("an approval");
        world.live("/payments", "rate")
    };
    let values = texts.map(value);
    for value in &values {
        change(&mut world, Operation::Put, Some(value.clone()), None).expect("it is live");
    }
    let gone = change(&mut world, Operation::Delete, None, None);
    assert!(gone.is_none_or(|version| version.value.is_none()), "the key is deleted");
    for (number, value) in (1..).zip(&values) {
        let live = change(&mut world, Operation::Rollback, None, Some(number)).expect("it is live");
        let bytes = live.value.as_ref().map(ConfigValue::canonical_bytes);
        assert_eq!(bytes, Some(value.canonical_bytes()), "version {number}");
        assert_eq!(live.number, values.len() as u64 + 1 + number, "a new version");
    }
}

#[test]
fn approved_settings_are_updated_by_who_asked_for_them() {
    let payments = |approvers| Governance {
        workflow: Some(workflow(approvers)),
        ..governance(&[(Role::Admin, &["ann"])])
    };
    let mut world = World::new();
    let declared = world.declare("root", "/payments", "payments", payments(2));
    assert_eq!(verdict(&declared), "ok");
    let declared = world.declare("ann", "/payments", "payments", payments(1));
    let Ok(Outcome::GovernancePending { request_id, .. }) = declared else {
        unreachable!("{declared:?}");
    };
    let statement = world.review_statement("root", request_id.as_str(), Decision::Approve);
    let approval = reviewing_over_http(request_id.as_str(), caller("root"), &statement);
    assert_eq!(verdict(&world.apply(approval)), "ok");
    let namespace = world.state.namespace(&path("/payments"));
    let namespace = namespace.expect("memory does not fail").expect("it was declared");
    assert_eq!(namespace.updated_by, subject("ann"));
}
