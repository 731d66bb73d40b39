//! Places where tests let the process die, to see what a crash exactly there leaves behind. Nothing in other builds.

/// Ends the process without any clean-up if the test that started it asked for a crash at `step`.
#[cfg(test)]
pub(crate) fn reach(step: &str) {
    if std::env::var("CONFMAN_STORE_CRASH_AT").is_ok_and(|wanted| wanted == step) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(test))]
pub(crate) const fn reach(_step: &str) {}
