//! Which due deliveries start now: one at a time for each target, a few for each namespace, and nothing for a while to a
//! target that has just failed. So a slow or dead receiver delays its own messages alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use confman_core::ids::NamespacePath;
use confman_core::webhook::{Delivery, TargetName};

/// Most attempts at once.
pub const MAX_AT_ONCE: usize = 64;
/// Most attempts at once for the targets of one namespace.
pub const MAX_PER_NAMESPACE: usize = 8;
/// Rest after the first failure in a row; doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// A target, by where it is configured.
pub type Target = (NamespacePath, TargetName);

/// The state of every target that is not simply well.
#[derive(Debug, Default)]
pub struct Lanes {
    busy: BTreeSet<Target>,
    failing: BTreeMap<Target, Failing>,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    in_a_row: u32,
    rests_until: Instant,
}

impl Lanes {
    /// Takes out of `due` what starts at `now`, in its order, and marks it as started.
    pub fn start(&mut self, due: impl IntoIterator<Item = Delivery>, now: Instant) -> Vec<Delivery> {
        let mut started = Vec::new();
        for delivery in due {
            if self.busy.len() >= MAX_AT_ONCE {
                break;
            }
            let target = target_of(&delivery);
            if self.is_free(&target, now) {
                self.busy.insert(target);
                started.push(delivery);
            }
        }
        started
    }

    fn is_free(&self, target: &Target, now: Instant) -> bool {
        let of_namespace = self.busy.iter().filter(|(namespace, _)| *namespace == target.0).count();
        let rests = self
            .failing
            .get(target)
            .is_some_and(|failing| failing.rests_until > now);
        !rests && !self.busy.contains(target) && of_namespace < MAX_PER_NAMESPACE
    }

    /// An attempt for `target` has ended at `now`, well or not, and its result is written.
    pub fn ended(&mut self, target: &Target, went_well: bool, now: Instant) {
        self.busy.remove(target);
        if went_well {
            self.failing.remove(target);
            return;
        }
        let in_a_row = self.failing.get(target).map_or(0, |failing| failing.in_a_row) + 1;
        let rest = FIRST_REST.saturating_mul(1 << (in_a_row - 1).min(16)).min(LONGEST_REST);
        let rests_until = now + rest;
        self.failing.insert(target.clone(), Failing { in_a_row, rests_until });
    }

    /// Number of attempts under way.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    /// Number of targets whose last attempt failed.
    pub fn failing(&self) -> usize {
        self.failing.len()
    }

    /// Forgets targets that are well again or gone: those that have rested for long and have nothing `pending`.
    pub fn forget_all_but(&mut self, pending: &BTreeMap<Target, Delivery>, now: Instant) {
        self.failing
            .retain(|target, failing| failing.rests_until > now || pending.contains_key(target));
    }
}

/// The target of `delivery`.
pub fn target_of(delivery: &Delivery) -> Target {
    (delivery.namespace.clone(), delivery.target.clone())
}

#[cfg(test)]
mod tests {
    use confman_core::ids::Timestamp;
    use confman_core::webhook::DeliveryState;

    use super::*;

    fn delivery(namespace: &str, target: &str, number: u64) -> Delivery {
        Delivery {
            id: format!("msg_evt_{number}_0_1_{target}"),
            namespace: NamespacePath::parse(namespace).expect("it is valid"),
            target: TargetName::parse(target).expect("it is valid"),
            event_id: format!("evt_{number}_0"),
            event: confman_core::webhook::WebhookEvent::Published,
            created_at: Timestamp::from_millis(0),
            attempts: 0,
            next_attempt_at: Timestamp::from_millis(0),
            last_result: None,
            state: DeliveryState::Pending,
        }
    }

    #[test]
    fn a_target_has_one_attempt_at_a_time_and_others_are_not_delayed_by_it() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let flood: Vec<_> = (0..1000).map(|number| delivery("/a", "slow", number)).collect();
        let due = || flood.iter().cloned().chain([delivery("/b", "quick", 7)]);
        let started = lanes.start(due(), now);
        let targets: Vec<_> = started.iter().map(|one| one.target.as_str()).collect();
        assert_eq!(targets, ["slow", "quick"]);
        lanes.ended(&target_of(&started[1]), true, now);
        let again: Vec<_> = lanes.start(due(), now).iter().map(|one| one.id.clone()).collect();
        assert_eq!(again, ["msg_evt_7_0_1_quick"], "the slow one is still under way");
    }

    #[test]
    fn a_failing_target_rests_longer_each_time_up_to_five_minutes() {
        let (mut lanes, mut now) = (Lanes::default(), Instant::now());
        let due = || [delivery("/a", "dead", 1)];
        let mut rests = Vec::new();
        for _ in 0..11 {
            let started = lanes.start(due(), now);
            assert_eq!(started.len(), 1);
            lanes.ended(&target_of(&started[0]), false, now);
            let failed_at = now;
            while lanes.start(due(), now).is_empty() {
                now += Duration::from_secs(1);
            }
            lanes.busy.clear();
            rests.push((now - failed_at).as_secs());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let started = lanes.start(due(), now);
        lanes.ended(&target_of(&started[0]), true, now);
        assert_eq!(lanes.start(due(), now).len(), 1, "one success ends the rest");
    }

    #[test]
    fn one_namespace_cannot_take_every_place() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let many = (0..16).map(|number| delivery("/greedy", &format!("hook-{number}"), number));
        let due: Vec<_> = many.chain([delivery("/modest", "hook", 99)]).collect();
        let started = lanes.start(due, now);
        assert_eq!(started.len(), MAX_PER_NAMESPACE + 1);
        assert_eq!(started.last().map(|one| one.namespace.as_str()), Some("/modest"));
    }

    #[test]
    fn the_number_of_attempts_at_once_is_bounded() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let due = (0..500).map(|number| delivery(&format!("/n{number}"), "hook", number));
        assert_eq!(lanes.start(due, now).len(), MAX_AT_ONCE);
        assert_eq!(lanes.busy(), MAX_AT_ONCE);
    }
}
