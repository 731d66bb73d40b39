//! Trace context of a request (W3C Trace Context), its correlation id and its span, in and out. Whatever runs inside of
//! [`Trace::scope`] finds them as [`Trace::current`]: log lines carry the ids, parts of the work become parts of the span.

use std::sync::atomic::{AtomicU64, Ordering};

use confman_api::limits;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::spans::{Ids, Span};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

tokio::task_local! {
    static CURRENT: Trace;
}

/// The ids of one request.
#[derive(Clone)]
pub struct Trace {
    /// Text of `ids`: `00-TRACE-SPAN-FLAGS` with the span of this node.
    parent: String,
    correlation_id: Option<HeaderValue>,
    span: Span,
}

impl Trace {
    /// Continues the caller's trace, or begins one. `route` is a pattern, never a path.
    pub fn of(headers: &HeaderMap, method: &'static str, route: &'static str) -> Self {
        let callers = headers.get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        let correlation_id = headers.get(CORRELATION_ID).filter(|value| is_usable(value)).cloned();
        let span = Span::received(
            || format!("{method} {route}"),
            callers,
            &[("http.request.method", method), ("http.route", route)],
        );
        let ids = span.ids().unwrap_or_else(|| Ids {
            trace: callers.map_or_else(
                || u128::from(next_random()) << 64 | u128::from(next_random()),
                |ids| ids.trace,
            ),
            span: next_random(),
            flags: callers.map_or(0, |ids| ids.flags),
        });
        let parent = traceparent(ids);
        Self {
            parent,
            correlation_id,
            span,
        }
    }

    /// The request that this task works on; none outside of one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// The span of the request that this task works on; one that does nothing outside of a request.
    pub fn current_span() -> Span {
        CURRENT.try_with(|trace| trace.span.clone()).unwrap_or_default()
    }

    /// Runs `work` as a part of this request.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// 32 hex digits.
    pub fn id(&self) -> &str {
        &self.parent[3..35]
    }

    /// What the caller calls it; the trace id if it does not say.
    pub fn correlation_id(&self) -> &str {
        let given = self.correlation_id.as_ref().and_then(|value| value.to_str().ok());
        given.unwrap_or_else(|| self.id())
    }

    /// Its span.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Adds `traceparent` and `X-Correlation-Id` to an answer.
    pub fn answer(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(self.correlation_id()) {
            headers.insert(CORRELATION_ID, value);
        }
        if let Ok(value) = HeaderValue::from_str(&self.parent) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// `00-TRACE-SPAN-FLAGS`, as it goes to another node.
pub fn traceparent(ids: Ids) -> String {
    format!("00-{:032x}-{:016x}-{:02x}", ids.trace, ids.span, ids.flags)
}

/// Reads `00-TRACE-SPAN-FLAGS`; none for anything else, which is then ignored as the standard says.
pub fn parse(text: &str) -> Option<Ids> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let well_formed =
        is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    let whole = version != "00" || parts.next().is_none();
    if !well_formed || !whole {
        return None;
    }
    let ids = Ids {
        trace: u128::from_str_radix(trace, 16).ok()?,
        span: u64::from_str_radix(span, 16).ok()?,
        // Of the flags only "sampled" has a meaning that this version knows.
        flags: u8::from_str_radix(flags, 16).ok()? & 1,
    };
    (ids.trace != 0 && ids.span != 0).then_some(ids)
}

fn is_usable(value: &HeaderValue) -> bool {
    !value.is_empty()
        && value.len() <= limits::CORRELATION_ID.value
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// Unique in this process and, by its random start, very likely everywhere. Ids are no secrets, so no system call each.
fn next_random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    if STATE.load(Ordering::Relaxed) == 0 {
        let mut seed = [0; 8];
        // Without randomness ids are merely less unique.
        let _ = getrandom::fill(&mut seed);
        let seed = u64::from_le_bytes(seed) | 1;
        let _ = STATE.compare_exchange(0, seed, Ordering::Relaxed, Ordering::Relaxed);
    }
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut mixed = STATE.fetch_add(STEP, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_callers_trace_is_continued() {
        let headers = HeaderMap::from_iter([
            (TRACEPARENT, HeaderValue::from_static(PARENT)),
            (CORRELATION_ID, HeaderValue::from_static("order-17")),
        ]);
        let trace = Trace::of(&headers, "GET", "/");
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let mut answer = HeaderMap::new();
        trace.answer(&mut answer);
        assert_eq!(answer[CORRELATION_ID], "order-17");
        let parent = answer[TRACEPARENT].to_str().expect("ASCII");
        assert!(parent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && parent.ends_with("-01"));
        assert_ne!(parent, PARENT, "this node's part is a span of its own");
    }

    #[test]
    fn a_correlation_id_is_short_and_printable_or_ignored() {
        let long = "x".repeat(limits::CORRELATION_ID.value + 1);
        for bad in ["", "two words", "tab\there", "caf\u{e9}", &long] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).expect("a header may carry it");
            let trace = Trace::of(&HeaderMap::from_iter([(CORRELATION_ID, value)]), "GET", "/");
            assert_eq!(trace.correlation_id(), trace.id(), "{bad:?}");
        }
        let longest = &long[1..];
        let value = HeaderValue::from_str(longest).expect("text");
        let trace = Trace::of(&HeaderMap::from_iter([(CORRELATION_ID, value)]), "GET", "/");
        assert_eq!(trace.correlation_id(), longest);
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let ids = parse(PARENT).expect("well formed");
        assert_eq!(traceparent(ids), PARENT);
    }

    #[test]
    fn nonsense_is_ignored() {
        let long = format!("{PARENT}-more");
        let bad = [
            "",
            "00-0-0-00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &long,
        ];
        for text in bad {
            assert_eq!(parse(text), None, "{text:?}");
        }
        let first = Trace::of(&HeaderMap::new(), "GET", "/");
        let second = Trace::of(&HeaderMap::new(), "GET", "/");
        assert_ne!(first.id(), second.id());
        assert_eq!(first.correlation_id(), first.id(), "a caller without an id gets one");
        assert_eq!(first.id().len(), 32);
    }
}
