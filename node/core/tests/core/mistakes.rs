//! Plants one mistake after the other: scenarios, judge and model are worth something only if they notice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confman_core::planted::{Mistake, plant};

use crate::invariants::sampled;
use crate::judge::Judge;
use crate::model;
use crate::scenario::run;
use crate::scenarios;

/// Who notices each mistake: at least this scenario, and whether the judge and the model do.
const NOTICED: [(Mistake, &str, bool, bool); 23] = [
    (Mistake::ApproveTwiceCountsTwice, "two-approvers.txt", true, true),
    (Mistake::DigestUnchecked, "binding.txt", true, true),
    (Mistake::ContributorMayApprove, "drafts.txt", true, true),
    (Mistake::BaseVersionUnchecked, "superseded.txt", true, true),
    (Mistake::ChildLoosensParent, "floors.txt", true, false),
    (Mistake::ServiceAccountCounts, "robots.txt", true, true),
    (Mistake::RejectedRequestApprovedLater, "resubmission.txt", true, true),
    (Mistake::RollbackSkipsApproval, "rollback.txt", true, false),
    (Mistake::AliasIgnored, "aliases.txt", true, true),
    (Mistake::LoginForgotten, "aliases.txt", false, false),
    (Mistake::VerdictIgnored, "verdicts.txt", false, false),
    (Mistake::BaseComesBack, "base.txt", true, false),
    (Mistake::LooseningUnnoticed, "loosening-by-detour.txt", false, false),
    (Mistake::AliasByOneAdmin, "aliases.txt", true, false),
    (Mistake::DeletionUnreviewed, "delete.txt", true, false),
    (Mistake::DeletionByOne, "delete.txt", true, false),
    (Mistake::ManualIgnored, "manual-publish.txt", true, false),
    (Mistake::ManualForgotten, "manual-publish.txt", true, false),
    (Mistake::AnyonePublishes, "manual-publish.txt", true, false),
    (Mistake::PublisherCountsNothing, "manual-publish.txt", true, false),
    (Mistake::HandsGoneWithDraft, "drafts.txt", true, false),
    (Mistake::FinalIgnored, "final-keys.txt", true, false),
    (Mistake::LoosenedByDescription, "final-keys.txt", true, false),
];

fn scenarios_that_notice() -> Vec<String> {
    let fails = |(name, text): &(String, String)| {
        let result = catch_unwind(AssertUnwindSafe(|| run(name, text)));
        !matches!(result, Ok(Ok(())))
    };
    scenarios::all()
        .into_iter()
        .filter(fails)
        .map(|(name, _)| name)
        .collect()
}

fn judge_notices() -> bool {
    let judged = catch_unwind(|| {
        for world in sampled(512) {
            let mut judge = Judge::default();
            world.log.iter().for_each(|entry| judge.judge(entry));
        }
    });
    judged.is_err()
}

#[test]
fn nothing_is_noticed_where_nothing_is_wrong() {
    assert_eq!(scenarios_that_notice(), Vec::<String>::new());
    assert!(!judge_notices());
    assert!(!model::notices());
}

#[test]
fn every_planted_mistake_is_noticed_by_name() {
    let mut missed = Vec::new();
    for (mistake, scenario, by_judge, by_model) in NOTICED {
        let name = mistake.name();
        assert_eq!(Mistake::named(name), Some(mistake));
        plant(Some(mistake));
        let scenarios = scenarios_that_notice();
        eprintln!("{name}: {}", scenarios.join(" "));
        let by_scenario = scenarios.iter().any(|file| file == scenario);
        if !by_scenario || (by_judge && !judge_notices()) || (by_model && !model::notices()) {
            missed.push(name);
        }
        plant(None);
    }
    assert_eq!(missed, Vec::<&str>::new());
    assert_eq!(NOTICED.map(|(mistake, ..)| mistake), Mistake::ALL);
}
