//! Places where tests let the process die, to see what a crash exactly there leaves behind. Nothing in other builds.

/// Ends the process without any clean-up if the test that started it asked for a crash at `step`: the first time, or the
/// Nth with `step:N`.
#[cfg(test)]
pub(crate) fn reach(step: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static REACHED: AtomicU64 = AtomicU64::new(0);

    let Ok(wanted) = std::env::var("CONFMAN_STORE_CRASH_AT") else {
        return;
    };
    let (name, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if name == step && time.parse() == Ok(REACHED.fetch_add(1, Ordering::SeqCst) + 1) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(test))]
pub(crate) const fn reach(_step: &str) {}
