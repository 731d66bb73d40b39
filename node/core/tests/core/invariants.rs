//! What must hold after any history, judged by the log alone and not by what the state says of itself.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::apply::apply;
use confman_core::audit;
use confman_core::memory::MemoryState;
use confman_core::outcome::Outcome;
use confman_core::proposal::{Command, Proposal};
use confman_core::publish_request::RequestState;
use confman_core::state::Change;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::acts::any_history;
use crate::builders::reason;
use crate::history::play;
use crate::judge::Judge;
use crate::world::{World, changes_something};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        // A failing history is printed; a test writes no files.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn published_had_enough_distinct_eligible_approvers(history in any_history()) {
        let mut judge = Judge::default();
        for entry in play(&history).log {
            judge.judge(&entry);
        }
    }

    #[test]
    fn rejected_changes_nothing(history in any_history()) {
        let world = play(&history);
        let mut state = MemoryState::default();
        for entry in &world.log {
            if entry.applied.result.is_err() {
                prop_assert!(entry.applied.changes.is_empty());
                continue;
            }
            let applied = apply(&state, entry.at, &entry.proposal).expect("memory is always readable");
            prop_assert_eq!(&applied, &entry.applied);
            state.commit(applied.changes);
        }
        prop_assert_eq!(state, world.state, "as if the refused had never been proposed");
    }

    #[test]
    fn same_log_same_state(history in any_history()) {
        let world = play(&history);
        let mut state = MemoryState::default();
        for entry in &world.log {
            let text = serde_json::to_string(&entry.proposal).expect("a proposal serialises");
            let read: Proposal = serde_json::from_str(&text).expect("what was written can be read");
            prop_assert_eq!(&read, &entry.proposal);
            let applied = apply(&state, entry.at, &read).expect("memory is always readable");
            prop_assert_eq!(&applied, &entry.applied);
            state.commit(applied.changes);
        }
        prop_assert_eq!(state, world.state);
    }

    #[test]
    fn proposing_everything_again_at_once_changes_nothing_more(history in any_history()) {
        let world = play(&history);
        let mut state = MemoryState::default();
        for entry in &world.log {
            let applied = apply(&state, entry.at, &entry.proposal).expect("memory is always readable");
            state.commit(applied.changes);
            let again = apply(&state, entry.at, &entry.proposal).expect("memory is always readable");
            prop_assert!(again.changes.is_empty(), "{:?}", entry.proposal.command);
        }
    }

    #[test]
    fn the_trail_tells_every_change_and_holds(history in any_history()) {
        let world = play(&history);
        prop_assert_eq!(audit::verify(world.state.audit(), &world.head()), Ok(()));
        let mut told = BTreeMap::new();
        for event in world.state.audit() {
            *told.entry(event.position.index).or_insert(0) += 1;
        }
        for entry in &world.log {
            let in_force = |change: &Change| {
                matches!(
                    change,
                    Change::PutEntry(_) | Change::PutNamespace(_) | Change::PutCluster(_)
                )
            };
            let published = entry.applied.changes.iter().any(in_force);
            let reviewed = matches!(entry.proposal.command, Command::ApproveRequest(_));
            // Newer settings withdraw those that still wait.
            let withdrawn = entry.applied.changes.iter().any(|change| {
                matches!(change, Change::PutRequest(request) if request.state == RequestState::Withdrawn)
            });
            let governed = matches!(entry.proposal.command, Command::DeclareNamespace(_));
            let expected = match (!changes_something(&entry.applied), (published && reviewed) || (governed && withdrawn)) {
                (true, _) => 0,
                (false, false) => 1,
                (false, true) => 2,
            };
            prop_assert_eq!(told.get(&entry.at.index).copied().unwrap_or(0), expected);
        }
    }

    #[test]
    fn versions_are_numbered_without_gaps_and_never_change(history in any_history()) {
        let world = play(&history);
        let mut last = BTreeMap::new();
        let mut written = Vec::new();
        for change in world.log.iter().flat_map(|entry| &entry.applied.changes) {
            if let Change::PutVersion(version) = change {
                let before = last.insert((version.namespace.clone(), version.key.clone()), version.number);
                prop_assert_eq!(version.number, before.unwrap_or(0) + 1);
                written.push(version.as_ref());
            }
        }
        written.sort_by_key(|version| (&version.namespace, &version.key, version.number));
        prop_assert_eq!(written, world.state.versions().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_final_stays_final(history in any_history()) {
        let mut ended: BTreeMap<String, RequestState> = BTreeMap::new();
        for change in play(&history).log.iter().flat_map(|entry| &entry.applied.changes) {
            if let Change::PutRequest(request) = change {
                let id = request.id.to_string();
                prop_assert_eq!(ended.get(&id), None, "{} is final", id);
                if request.state.is_final() {
                    ended.insert(id, request.state);
                }
            }
        }
    }
}

/// The worlds after `count` histories that are the same on every run.
pub(crate) fn sampled(count: usize) -> impl Iterator<Item = World> {
    let mut runner = TestRunner::deterministic();
    let strategy = any_history();
    (0..count).map(move |_| play(&strategy.new_tree(&mut runner).expect("a history").current()))
}

#[test]
fn histories_reach_publications_and_every_refusal_that_matters() {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut several = 0;
    for world in sampled(96) {
        for entry in &world.log {
            let name = match &entry.applied.result {
                Err(rejection) => reason(rejection),
                Ok(Outcome::Request(request)) if changes_something(&entry.applied) => {
                    several += usize::from(request.state == RequestState::Published && request.required_approvals > 1);
                    request.state.to_string()
                }
                Ok(Outcome::EntryWritten { .. }) => "EntryWritten".to_owned(),
                Ok(Outcome::GovernancePending { .. }) => "GovernancePending".to_owned(),
                Ok(_) => continue,
            };
            *outcomes.entry(name).or_default() += 1;
        }
    }
    for (name, least) in [
        ("Published", 64),
        ("PendingReview", 200),
        ("Superseded", 5),
        ("Rejected", 5),
        ("Withdrawn", 5),
        ("EntryWritten", 5),
        ("SelfApproval", 20),
        ("NotHuman", 20),
        ("Forbidden", 20),
        ("DigestMismatch", 5),
        ("InvalidStamp", 20),
        ("UnknownStampKey", 5),
        ("StampReplayed", 5),
        ("GovernancePending", 5),
        ("BelowFloor", 5),
        ("VersionMismatch", 5),
        ("RequestNotPending", 20),
        ("ApprovalRequired", 5),
    ] {
        let reached = outcomes.get(name).copied().unwrap_or(0);
        assert!(reached >= least, "{name} only {reached} times: {outcomes:?}");
    }
    assert!(several >= 20, "published with several approvers only {several} times");
}

#[test]
fn histories_lose_rights_between_an_approval_and_the_decision() {
    let approved_and_dropped = |world: &World| {
        let versions = world.state.versions();
        let mut counted = versions.filter_map(|version| {
            let request = world.request(version.request_id.as_ref()?.as_str())?;
            Some((version.approvers.len(), request.approvers().count()))
        });
        counted.any(|(counted, given)| counted < given)
    };
    let reached = sampled(2000).any(|world| approved_and_dropped(&world));
    assert!(reached, "an approval that did not count any more");
}

#[test]
fn the_judge_is_no_yes_man() {
    let worlds: Vec<World> = sampled(16).collect();
    let condemned = |change: fn(&mut Vec<crate::world::Entry>)| {
        let mut caught = 0;
        for world in &worlds {
            let mut log = world.log.clone();
            change(&mut log);
            let verdict = std::panic::catch_unwind(|| {
                let mut judge = Judge::default();
                for entry in &log {
                    judge.judge(entry);
                }
            });
            caught += usize::from(verdict.is_err());
        }
        caught
    };
    assert_eq!(condemned(|_| {}), 0);
    let without_first_approvals = |log: &mut Vec<crate::world::Entry>| {
        let mut seen = BTreeSet::new();
        log.retain(|entry| {
            let Command::ApproveRequest(review) = &entry.proposal.command else {
                return true;
            };
            let changes = &entry.applied.changes;
            let published = changes.iter().any(|change| matches!(change, Change::PutVersion(_)));
            changes.is_empty() || published || !seen.insert(review.request_id.clone())
        });
    };
    assert!(
        condemned(without_first_approvals) > 0,
        "an approval that is missing is missed"
    );
    let under_a_higher_floor = |log: &mut Vec<crate::world::Entry>| {
        if let Command::InitialiseCluster(initialise) = &mut log[0].proposal.command {
            initialise.workflow.min_approvers = 16;
        }
    };
    assert!(
        condemned(under_a_higher_floor) > 0,
        "a floor that was not met is missed"
    );
}
