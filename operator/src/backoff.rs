//! How long an object that fails waits: 1 s, doubled with each failure up to 5 min, with jitter; forgotten on success.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// Failures in a row of each object, by UID. Cheap to clone.
#[derive(Clone, Default)]
pub struct Backoffs {
    failures: Arc<Mutex<HashMap<String, u32>>>,
}

impl Backoffs {
    /// The object failed: how long it should wait.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        let delay = delay(*count, jitter());
        *count = count.saturating_add(1);
        delay
    }

    /// Whether the object waits after a failure.
    pub fn has_failed(&self, uid: &str) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.contains_key(uid)
    }

    /// The object succeeded.
    pub fn succeeded(&self, uid: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(uid);
    }
}

/// The delay after `failures` earlier ones; `jitter` of 0 to 255 shortens it by up to a fifth.
fn delay(failures: u32, jitter: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.min(16));
    let full = doubled.min(LONGEST);
    full.saturating_sub(full / 5 * u32::from(jitter) / 255)
}

fn jitter() -> u8 {
    let mut byte = [0];
    // Without randomness everybody waits for the full time.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_minutes() {
        let seconds: Vec<_> = [0, 1, 2, 7, 8, 9, 1000]
            .map(|failures| delay(failures, 0).as_secs())
            .into();
        assert_eq!(seconds, [1, 2, 4, 128, 256, 300, 300]);
        assert_eq!(delay(0, 255), Duration::from_millis(800));
        assert_eq!(delay(1000, 255), Duration::from_mins(4));
    }

    #[test]
    fn success_forgets_failures() {
        let backoffs = Backoffs::default();
        assert!(backoffs.failed("a") <= Duration::from_secs(1));
        assert!(backoffs.failed("a") > Duration::from_secs(1));
        assert!(backoffs.failed("b") <= Duration::from_secs(1));
        backoffs.succeeded("a");
        assert_eq!(["a", "b"].map(|uid| backoffs.has_failed(uid)), [false, true]);
        assert!(backoffs.failed("a") <= Duration::from_secs(1));
    }
}
