//! Every limit of the HTTP interface in one table: checked by the node, printed in the docs.

use std::fmt::Write as _;

use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::value::ConfigValue;

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Stable name, as problems name it.
    pub name: &'static str,
    /// Its value.
    pub value: usize,
    /// Unit of the value.
    pub unit: &'static str,
    /// What it bounds.
    pub about: &'static str,
}

impl Limit {
    /// `1048576 bytes`, as problems print it.
    pub fn text(&self) -> String {
        format!("{} {}", self.value, self.unit)
    }
}

macro_rules! limits {
    ($($constant:ident = $name:literal, $value:expr, $unit:literal, $about:literal;)+) => {
        $(#[doc = $about] pub const $constant: Limit = Limit {
            name: $name, value: $value, unit: $unit, about: $about,
        };)+

        /// The table.
        pub const ALL: &[Limit] = &[$($constant,)+];
    };
}

limits! {
    PATH = "path", NamespacePath::MAX_BYTES, "bytes", "Longest path of a config namespace.";
    PATH_SEGMENTS = "path-segments", NamespacePath::MAX_SEGMENTS, "segments", "Most segments of a path.";
    KEY = "key", ConfigKey::MAX_BYTES, "bytes", "Longest key.";
    VALUE = "value", ConfigValue::MAX_BYTES, "bytes", "Largest value in canonical form.";
    VALUE_DEPTH = "value-depth", ConfigValue::MAX_DEPTH, "levels", "Deepest nesting of JSON in a body.";
    BODY = "body", 2 * 1024 * 1024, "bytes", "Largest body of a request; a value in base64 fits.";
    HEADER = "header", 16 * 1024, "bytes", "Largest header of a request, all lines together.";
    HEADER_LINES = "header-lines", 64, "lines", "Most header lines of a request.";
    HEADER_TIME = "header-time", 30_000, "ms", "Longest time until the header of a request is complete.";
    REQUEST_TIME = "request-time", 60_000, "ms", "Longest time for one request, its body and its answer.";
    LEADER_WAIT = "leader-wait", 3_000, "ms", "How long a write or a linearizable read waits for a leader.";
    WRITE_TIME = "write-time", 10_000, "ms", "How long a write waits for its commit before its outcome is unknown.";
    INDEX_WAIT = "index-wait", 10_000, "ms", "How long a read with `consistency=index=N` waits for N.";
    CONNECTIONS = "connections", 4_096, "connections", "Most open connections of a port.";
    REQUESTS = "requests", 2_048, "requests", "Most requests of a port at work at once.";
    LONG_POLL = "long-poll", 60_000, "ms", "Longest `wait` of a read, on top of the time for one request.";
    WATCHES = "watches", 16_384, "watches", "Most streams and waiting reads of a node at once.";
    WATCHES_OF_ONE = "watches-of-one", 1_024, "watches", "Most of them for one principal.";
    WATCH_VALUE = "watch-value", 64 * 1024, "bytes", "Largest value that a stream carries; larger ones are to be read.";
    HEARTBEAT = "heartbeat", 15_000, "ms", "Longest time that a stream is silent.";
    STANDSTILL = "standstill", 60_000, "ms", "Longest time that a client may take nothing of an answer.";
    WRITES = "writes", 4_096, "writes", "Most writes of a node waiting for their commit at once.";
    PAGE = "page", 1_000, "items", "Most items on a page.";
    PAGE_DEFAULT = "page-default", 100, "items", "Items on a page when no limit is given.";
    VIEW = "view", 10_000, "keys", "Most keys of an effective view that is not JSON, which does not come in pages.";
    VIEW_BYTES = "view-bytes", 4 * 1024 * 1024, "bytes", "Most bytes of values of such a view.";
    REQUESTS_LOOKED_AT = "requests-looked-at", 1_000, "requests",
        "Most publish requests that are looked at for one page of their list.";
    CURSOR = "cursor", 1_024, "bytes", "Longest cursor.";
    AUDIT_WALK = "audit-walk", 10_000, "events", "Most audit events looked at for one page; it may be empty and have a cursor.";
    AUDIT_VERIFY = "audit-verify", 100_000, "events", "Most audit events walked by one call of `audit:verify`.";
    AUDIT_WALKS = "audit-walks", 4, "walks", "Exports and verifications of a node that read at once; others wait.";
    AUDIT_LINE = "audit-line", 1024 * 1024, "bytes", "Longest line of an audit export that is verified.";
    API_KEY = "api-key", 256, "bytes", "Longest API key.";
    API_KEYS = "api-keys", 10_000, "keys", "Most API keys of a cluster.";
    TOKEN = "token", 12 * 1024, "bytes", "Longest bearer token.";
    GROUPS = "groups", 64, "groups", "Most groups of a login.";
    LOGIN_FAILURES = "login-failures", 20, "failures",
        "Failed logins of an address, or for a name, before it is slowed; one more is forgiven each 3 seconds.";
    CORRELATION_ID = "correlation-id", 128, "bytes", "Longest X-Correlation-Id.";
    MEMBERS = "members", 7, "members", "Most members of a cluster.";
}

/// The table as Markdown, for the docs.
///
/// # Panics
/// Never: writing to a string does not fail.
pub fn table() -> String {
    let mut text = String::from("| Limit | Value | What it bounds |\n|---|---|---|\n");
    for limit in ALL {
        let row = writeln!(
            text,
            "| `{}` | {} {} | {} |",
            limit.name, limit.value, limit.unit, limit.about
        );
        row.expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|limit| limit.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_value_of_the_largest_size_fits_a_body_in_base64() {
        assert!(VALUE.value.div_ceil(3) * 4 + 1024 <= BODY.value);
    }
}
