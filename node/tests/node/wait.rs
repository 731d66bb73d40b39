//! Waiting for conditions with a deadline.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Everything happens within this on a slow, busy machine, or it never does.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

/// Polls until `look` gives `Ok`; the last `Err` is shown when the deadline has passed.
pub(crate) async fn eventually<T, E: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) => assert!(
                Instant::now() < deadline,
                "{what}: not within {DEADLINE:?}; last: {last:?}"
            ),
        }
        tokio::time::sleep(POLL).await;
    }
}
