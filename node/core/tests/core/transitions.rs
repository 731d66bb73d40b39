//! What each thing that people do makes of a request in each state.

use std::fmt::Write as _;

use confman_core::publish_request::{Decision, RequestState};
use confman_core::state::Change;

use crate::builders::{action_name, reason, reviewing, sign, spec, workflow};
use crate::world::World;

/// Ada asked, carol has approved where two must; bob may review, eve may not, dan may review and rejected or approved last.
const TABLE: &str = "
PendingReview
  approve by requester: refused SelfApproval
  approve by approver: PendingReview [request.approved]
  approve by editor: refused Forbidden
  reject by requester: refused SelfApproval
  reject by approver: Rejected [request.rejected]
  reject by editor: refused Forbidden
  withdraw by requester: Withdrawn [request.withdrawn]
  withdraw by other: refused InvalidStamp
  object deleted: Withdrawn [request.withdrawn]
  resubmit same: PendingReview unchanged
  resubmit other: refused RequestIdReused
  approve again: PendingReview unchanged
  reject after approving: Rejected [request.rejected]
Approved
  approve by requester: refused SelfApproval
  approve by approver: PendingReview [request.approved]
  approve by editor: refused Forbidden
  reject by requester: refused SelfApproval
  reject by approver: Rejected [request.rejected]
  reject by editor: refused Forbidden
  withdraw by requester: Withdrawn [request.withdrawn]
  withdraw by other: refused InvalidStamp
  object deleted: Withdrawn [request.withdrawn]
  resubmit same: Approved unchanged
  resubmit other: refused RequestIdReused
  approve again: Approved unchanged
  reject after approving: Rejected [request.rejected]
Published
  approve by requester: refused RequestNotPending
  approve by approver: refused RequestNotPending
  approve by editor: refused RequestNotPending
  reject by requester: refused RequestNotPending
  reject by approver: refused RequestNotPending
  reject by editor: refused RequestNotPending
  withdraw by requester: refused RequestNotPending
  withdraw by other: refused InvalidStamp
  object deleted: Published unchanged
  resubmit same: Published unchanged
  resubmit other: refused RequestIdReused
  approve again: Published unchanged
  reject after approving: refused RequestNotPending
Rejected
  approve by requester: refused RequestNotPending
  approve by approver: refused RequestNotPending
  approve by editor: refused RequestNotPending
  reject by requester: refused RequestNotPending
  reject by approver: refused RequestNotPending
  reject by editor: refused RequestNotPending
  withdraw by requester: refused RequestNotPending
  withdraw by other: refused InvalidStamp
  object deleted: Rejected unchanged
  resubmit same: Rejected unchanged
  resubmit other: refused RequestIdReused
  approve again: Rejected unchanged
  reject after approving: refused RequestNotPending
Withdrawn
  approve by requester: refused RequestNotPending
  approve by approver: refused RequestNotPending
  approve by editor: refused RequestNotPending
  reject by requester: refused RequestNotPending
  reject by approver: refused RequestNotPending
  reject by editor: refused RequestNotPending
  withdraw by requester: Withdrawn unchanged
  withdraw by other: refused InvalidStamp
  object deleted: Withdrawn unchanged
  resubmit same: Withdrawn unchanged
  resubmit other: refused RequestIdReused
  approve again: Withdrawn unchanged
  reject after approving: refused RequestNotPending
Superseded
  approve by requester: refused RequestNotPending
  approve by approver: refused RequestNotPending
  approve by editor: refused RequestNotPending
  reject by requester: refused RequestNotPending
  reject by approver: refused RequestNotPending
  reject by editor: refused RequestNotPending
  withdraw by requester: refused RequestNotPending
  withdraw by other: refused InvalidStamp
  object deleted: Superseded unchanged
  resubmit same: Superseded unchanged
  resubmit other: refused RequestIdReused
  approve again: Superseded unchanged
  reject after approving: refused RequestNotPending
";

type Attempt = fn(&mut World);

const ATTEMPTS: [(&str, Attempt); 13] = [
    ("approve by requester", |world| _ = world.approve("ada", "r1")),
    ("approve by approver", |world| _ = world.approve("bob", "r1")),
    ("approve by editor", |world| _ = world.approve("eve", "r1")),
    ("reject by requester", |world| _ = world.reject("ada", "r1")),
    ("reject by approver", |world| _ = world.reject("bob", "r1")),
    ("reject by editor", |world| _ = world.reject("eve", "r1")),
    ("withdraw by requester", |world| _ = world.withdraw("ada", "r1")),
    ("withdraw by other", |world| _ = world.withdraw("bob", "r1")),
    ("object deleted", |world| _ = world.object_deleted("r1")),
    ("resubmit same", |world| _ = world.submit("ada", "r1", "1")),
    ("resubmit other", |world| _ = world.submit("ada", "r1", "2")),
    ("approve again", |world| _ = world.approve("carol", "r1")),
    ("reject after approving", |world| _ = world.reject("carol", "r1")),
];

/// A world in which carol has approved ada's request r1, and which then came to be in `state`.
fn world(state: RequestState) -> World {
    let mut world = World::with_payments(workflow(3));
    world.submit("ada", "r1", "1").expect("a submission");
    world.approve("carol", "r1").expect("an approval");
    match state {
        RequestState::PendingReview => {}
        RequestState::Approved => {
            // Passed through within one log entry, so it is written here by hand.
            let mut request = world.request("r1").expect("it exists");
            request.state = RequestState::Approved;
            world.state.commit(vec![Change::PutRequest(Box::new(request))]);
        }
        RequestState::Published => {
            world.approve("dan", "r1").expect("an approval");
            world.approve("root", "r1").expect("a publication");
        }
        RequestState::Rejected => _ = world.reject("dan", "r1").expect("a rejection"),
        RequestState::Withdrawn => _ = world.withdraw("ada", "r1").expect("a withdrawal"),
        RequestState::Superseded => {
            world.submit("ada", "r0", "0").expect("a submission");
            for name in ["ann", "dan", "root"] {
                world.approve(name, "r0").expect("an approval");
            }
            world.approve("dan", "r1").expect("supersedes");
        }
    }
    assert_eq!(world.request("r1").expect("it exists").state, state);
    world
}

/// What came of the last thing that was tried.
fn outcome(world: &World) -> String {
    let last = world.log.last().expect("something was tried");
    if let Err(rejection) = &last.applied.result {
        return format!("refused {}", reason(rejection));
    }
    let state = world.request("r1").expect("it exists").state;
    let events: Vec<String> = world.last_events().into_iter().map(action_name).collect();
    if last.applied.changes.is_empty() {
        return format!("{state} unchanged");
    }
    format!("{state} [{}]", events.join(" "))
}

#[test]
fn every_attempt_in_every_state_comes_out_as_in_the_table() {
    let mut table = String::from("\n");
    for state in RequestState::ALL {
        writeln!(table, "{state}").expect("a String grows as needed");
        for (name, attempt) in ATTEMPTS {
            let mut world = world(state);
            attempt(&mut world);
            writeln!(table, "  {name}: {}", outcome(&world)).expect("a String grows as needed");
        }
    }
    assert_eq!(table, TABLE);
}

#[test]
fn what_is_final_stays_as_it_is() {
    for state in RequestState::ALL.into_iter().filter(|state| state.is_final()) {
        let before = world(state).request("r1");
        for (name, attempt) in ATTEMPTS {
            let mut world = world(state);
            attempt(&mut world);
            assert_eq!(world.request("r1"), before, "{name} when {state}");
        }
    }
}

#[test]
fn the_last_approval_needed_publishes_at_once_in_the_name_of_the_last_approver() {
    let mut world = World::with_payments(workflow(2));
    world.submit("ada", "r1", "1").expect("a submission");
    world.approve("carol", "r1").expect("an approval");
    assert_eq!(world.live("/payments", "rate"), None);
    world.approve("bob", "r1").expect("a publication");
    assert_eq!(outcome(&world), "Published [request.approved config.published]");
    let version = world.live("/payments", "rate").expect("it is live");
    let names: Vec<&str> = version
        .approvers
        .iter()
        .map(|approver| approver.name.as_str())
        .collect();
    assert_eq!(
        (version.number, version.published_by.name.as_str(), names),
        (1, "bob", vec!["carol", "bob"])
    );
    assert_eq!(version.request_id.expect("a request").as_str(), "r1");
}

#[test]
fn a_rejection_that_comes_after_the_base_moved_is_still_a_rejection() {
    let mut world = World::with_payments(workflow(1));
    world.submit("ada", "r1", "1").expect("a submission");
    world.submit("ada", "r2", "2").expect("a submission");
    world.approve("bob", "r2").expect("a publication");
    world.reject("carol", "r1").expect("a rejection");
    assert_eq!(outcome(&world), "Rejected [request.rejected]");
}

#[test]
fn a_superseded_request_counts_no_approval_and_names_both_versions() {
    let mut world = World::with_payments(workflow(1));
    world.submit("ada", "r1", "1").expect("a submission");
    world.submit("ada", "r2", "2").expect("a submission");
    world.approve("bob", "r2").expect("a publication");
    world.approve("carol", "r1").expect("supersedes");
    let request = world.request("r1").expect("it exists");
    assert_eq!(request.approvers().count(), 0);
    let note = request
        .steps
        .last()
        .and_then(|step| step.comment.clone())
        .expect("a note");
    assert!(note.contains("version 0") && note.contains("version 1"), "{note}");
}

#[test]
fn the_digest_under_review_changes_with_every_part_of_the_content() {
    let mut world = World::with_payments(workflow(1));
    let mut seen = Vec::new();
    let specs = [
        spec("payments", "rate", "1"),
        spec("payments", "rate", "2"),
        spec("payments", "limit", "1"),
    ];
    for (at, wanted) in specs.into_iter().enumerate() {
        let id = format!("r{at}");
        world.submit_spec("ada", &id, wanted).expect("a submission");
        seen.push(world.request(&id).expect("it exists").digest);
    }
    world.approve("bob", "r2").expect("a publication");
    world
        .submit_spec("ada", "r3", spec("payments", "limit", "2"))
        .expect("a submission");
    world.approve("bob", "r3").expect("a publication");
    world
        .submit_spec("ada", "r4", spec("payments", "limit", "1").clone())
        .expect("a submission");
    seen.push(world.request("r4").expect("it exists").digest);
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "also by the version it was made against");
    let mut statement = world.review_statement("bob", "r4", Decision::Approve);
    statement.digest = seen[2];
    world
        .apply(reviewing("r4", sign(statement, crate::builders::KEY)))
        .expect_err("r2's content");
    assert_eq!(outcome_of_last(&world), "refused DigestMismatch");
}

fn outcome_of_last(world: &World) -> String {
    let last = world.log.last().expect("something was tried");
    last.applied.result.as_ref().map_or_else(
        |rejection| format!("refused {}", reason(rejection)),
        |_| "ok".to_owned(),
    )
}
