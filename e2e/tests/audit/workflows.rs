//! As many workflows as are asked for, by people, machines and forgers: each history is judged by its export alone.

use std::sync::atomic::{AtomicU64, Ordering};

use confman_core::audit::{AuditAction, AuditEvent};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::acts::{History, any_history};
use crate::history::play;
use crate::{export, judge};

/// Requests that are followed to their end unless `CONFMAN_WORKFLOWS` says how many.
const WORKFLOWS: u64 = 3000;

/// The history of this number, which is the same wherever it is played.
fn history(number: u64) -> History {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    any_history().new_tree(&mut runner).expect("a history").current()
}

/// A thing that people do, by its name, and whether an event is of it.
type Deed = (&'static str, fn(&AuditEvent) -> bool);

/// What must have been done now and then: a run that did not try it proves nothing of it.
const DEEDS: [Deed; 6] = [
    ("deletions that people agreed to", |event| {
        event.action == AuditAction::ConfigPublished && is_deletion(event)
    }),
    ("deletions without review", |event| {
        event.action == AuditAction::ConfigUnreviewed && is_deletion(event)
    }),
    // The last approval comes first in its entry.
    ("publications by hand", |event| {
        event.action == AuditAction::ConfigPublished && event.seq == 0
    }),
    ("drafts thrown away", |event| event.action == AuditAction::DraftDeleted),
    ("keys described", |event| event.action == AuditAction::EntryDescribed),
    ("settings that another admin agreed to", |event| {
        event.action == AuditAction::NamespaceUpdated && event.workflow.is_some()
    }),
];

/// A version without a value.
fn is_deletion(event: &AuditEvent) -> bool {
    let change = event.change.as_ref();
    change.is_some_and(|change| change.new_version.is_some() && change.new_digest.is_none())
}

/// What came of some histories.
#[derive(Default)]
struct Played {
    histories: AtomicU64,
    workflows: AtomicU64,
    judged: AtomicU64,
    deeds: [AtomicU64; DEEDS.len()],
}

impl Played {
    /// Plays histories that nobody else plays until there are `wanted` workflows.
    fn play(&self, wanted: u64) {
        while self.workflows.load(Ordering::Relaxed) < wanted {
            let number = self.histories.fetch_add(1, Ordering::Relaxed);
            let world = play(&history(number));
            let report = judge(&export(&world, |_| true), None);
            assert_eq!(report.objections, [], "history {number}: {:#?}", history(number));
            let events = world.state.audit().iter();
            let asked = events.filter(|event| event.action == AuditAction::RequestSubmitted);
            self.workflows.fetch_add(asked.count() as u64, Ordering::Relaxed);
            self.judged.fetch_add(report.judged, Ordering::Relaxed);
            for ((_, is_of_it), count) in DEEDS.iter().zip(&self.deeds) {
                let done = world.state.audit().iter().filter(|event| is_of_it(event));
                count.fetch_add(done.count() as u64, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn of_however_many_workflows_none_leaves_a_trail_that_breaks_a_rule() {
    let given = std::env::var("CONFMAN_WORKFLOWS").ok();
    let wanted = given.map_or(WORKFLOWS, |text| text.parse().expect("CONFMAN_WORKFLOWS is a number"));
    let played = Played::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| played.play(wanted));
        }
    });
    let Played {
        histories,
        workflows,
        judged,
        deeds,
    } = &played;
    eprintln!("{workflows:?} workflows in {histories:?} histories, {judged:?} took effect");
    assert!(judged.load(Ordering::Relaxed) * 20 > wanted, "too few took effect");
    for ((deed, _), count) in DEEDS.iter().zip(deeds) {
        let count = count.load(Ordering::Relaxed);
        eprintln!("{count} {deed}");
        assert!(count * 500 > wanted, "too few {deed}");
    }
}
