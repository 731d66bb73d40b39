//! Trace context of a request (W3C Trace Context) and its correlation id, in and out.

use std::sync::atomic::{AtomicU64, Ordering};

use confman_api::limits;
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The ids of one request.
#[derive(Clone, Debug)]
pub struct Trace {
    /// `00-TRACE-SPAN-FLAGS` with the span of this node.
    parent: String,
    correlation_id: Option<HeaderValue>,
}

impl Trace {
    /// Continues the caller's trace, or begins one.
    pub fn of(headers: &HeaderMap) -> Self {
        let callers = headers.get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        let span = next_random();
        let parent = match callers {
            Some((trace, flags)) => format!("00-{trace}-{span:016x}-{flags}"),
            None => format!("00-{:016x}{:016x}-{span:016x}-00", next_random(), next_random()),
        };
        let correlation_id = headers.get(CORRELATION_ID).filter(|value| is_usable(value)).cloned();
        Self { parent, correlation_id }
    }

    /// 32 hex digits.
    pub fn id(&self) -> &str {
        &self.parent[3..35]
    }

    /// Adds `traceparent` and `X-Correlation-Id` to an answer.
    pub fn answer(&self, headers: &mut HeaderMap) {
        let correlation_id = self.correlation_id.clone();
        if let Some(value) = correlation_id.or_else(|| HeaderValue::from_str(self.id()).ok()) {
            headers.insert(CORRELATION_ID, value);
        }
        if let Ok(value) = HeaderValue::from_str(&self.parent) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// Trace id and flags of `00-TRACE-SPAN-FLAGS`; none for anything else, which is then ignored as the standard says.
fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let well_formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let whole = version != "00" || parts.next().is_none();
    (well_formed && whole && !zero(trace) && !zero(span)).then_some((trace, flags))
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
        let trace = Trace::of(&headers);
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let mut answer = HeaderMap::new();
        trace.answer(&mut answer);
        assert_eq!(answer[CORRELATION_ID], "order-17");
        let parent = answer[TRACEPARENT].to_str().expect("ASCII");
        assert!(parent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && parent.ends_with("-01"));
        assert_ne!(parent, PARENT, "this node's part is a span of its own");
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
        let first = Trace::of(&HeaderMap::new());
        let second = Trace::of(&HeaderMap::new());
        assert_ne!(first.id(), second.id());
        assert_eq!(first.id().len(), 32);
    }
}
