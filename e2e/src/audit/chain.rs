//! The chain: each event names the hash of the one before, and nothing runs backwards.

use super::event::Position;

/// What the first event names.
const NOTHING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The events so far.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) count: u64,
    last: Option<Position>,
    /// Latest time that was seen; a hidden event has none.
    time: String,
}

impl Chain {
    /// Hash of the last event.
    pub(super) fn hash(&self) -> &str {
        self.last.as_ref().map_or(NOTHING, |last| &last.hash)
    }

    /// Takes the next event and says what is wrong with its place.
    pub(super) fn link(&mut self, next: &Position) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if next.previous_hash != self.hash() {
            wrong.push("does not follow the event before it: one was dropped, inserted or moved");
        }
        if next.id != format!("evt_{}_{}", next.index, next.seq) {
            wrong.push("has the id of another place");
        }
        // One entry of the log makes the events 0, 1, 2, … and none in between is left out.
        let expected_seq = match &self.last {
            Some(last) if last.index == next.index => last.seq + 1,
            Some(_) | None => 0,
        };
        if next.seq != expected_seq {
            wrong.push("is not the next of its log entry");
        }
        if let Some(last) = &self.last
            && (next.index < last.index || next.term < last.term)
        {
            wrong.push("is before the event above it in the log");
        }
        if let Some(time) = &next.time {
            // RFC 3339 in UTC with milliseconds sorts as text.
            if *time < self.time {
                wrong.push("is earlier than the event above it");
            }
            self.time.clone_from(time);
        }
        self.count += 1;
        self.last = Some(next.clone());
        wrong
    }
}
