//! Conditions by the Kubernetes API conventions: the time moves only when the status does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::context::cut;

/// Longest message that is written; Kubernetes takes 32 KiB.
const MAX_MESSAGE_BYTES: usize = 4096;

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `Ready`, `Stalled` and so on.
    pub type_: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// One word.
    pub reason: String,
    /// A sentence that says what to do, where something is to be done.
    pub message: String,
}

impl Wanted {
    /// The condition `type_` with `status`.
    pub fn new(type_: &'static str, status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            type_,
            status,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// All is as it should be.
pub fn ready(reason: &str, message: impl Into<String>) -> Vec<Wanted> {
    vec![Wanted::new("Ready", "True", reason, message)]
}

/// Work is going on or waits for another object; nobody has to do anything about this one.
pub fn reconciling(reason: &str, message: impl Into<String>) -> Vec<Wanted> {
    let message = message.into();
    vec![
        Wanted::new("Ready", "False", reason, message.clone()),
        Wanted::new("Reconciling", "True", reason, message),
    ]
}

/// It goes no further unless somebody changes something.
pub fn stalled(reason: &str, message: impl Into<String>) -> Vec<Wanted> {
    let message = message.into();
    vec![
        Wanted::new("Ready", "False", reason, message.clone()),
        Wanted::new("Stalled", "True", reason, message),
    ]
}

/// `wanted` as conditions; one whose status is unchanged keeps its time.
pub fn merge(present: &[Condition], wanted: &[Wanted], generation: Option<i64>, now: &Time) -> Vec<Condition> {
    let same = |new: &Wanted| {
        let found = present
            .iter()
            .find(|old| old.type_ == new.type_ && old.status == new.status);
        found.map(|old| old.last_transition_time.clone())
    };
    wanted
        .iter()
        .map(|new| Condition {
            type_: new.type_.to_owned(),
            status: new.status.to_owned(),
            reason: new.reason.clone(),
            message: cut(&new.message, MAX_MESSAGE_BYTES),
            observed_generation: generation,
            last_transition_time: same(new).unwrap_or_else(|| now.clone()),
        })
        .collect()
}

/// Whether the condition `type_` is there and `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Now, in whole seconds, as Kubernetes stores it.
pub fn now() -> Time {
    let seconds = jiff::Timestamp::now().as_second();
    Time(jiff::Timestamp::from_second(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_with_the_status() {
        let at = |second| Time(jiff::Timestamp::from_second(second).expect("in range"));
        let first = merge(&[], &stalled("A", "a"), Some(1), &at(1));
        let second = merge(&first, &stalled("B", "b"), Some(2), &at(2));
        assert_eq!(second[0].last_transition_time, at(1));
        assert_eq!(
            (second[0].reason.as_str(), second[0].observed_generation),
            ("B", Some(2))
        );
        let third = merge(&second, &ready("C", "c"), Some(2), &at(3));
        assert_eq!(third.len(), 1, "conditions that no longer hold are gone");
        assert_eq!(third[0].last_transition_time, at(3));
    }
}
