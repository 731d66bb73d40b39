//! Server-sent events out of the bytes of a stream (HTML Living Standard, section 9.2.6).

use std::collections::VecDeque;
use std::time::Duration;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its own id, where it has one.
    pub(super) id: Option<String>,
    /// Its name.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// Puts lines together that come in pieces, and events of lines.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: Event,
    retry: Option<Duration>,
}

impl Parser {
    /// How long the node asked to wait before the next connection.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The connection broke: what was begun on it will not be finished.
    pub(super) fn forget_unfinished(&mut self) {
        self.line.clear();
        self.event = Event::default();
    }

    /// Adds the events that `bytes` complete to `events`.
    pub(super) fn feed(&mut self, bytes: &[u8], events: &mut VecDeque<Event>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                self.take_line(line.trim_end_matches(['\n', '\r']), events);
            }
        }
    }

    fn take_line(&mut self, line: &str, events: &mut VecDeque<Event>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if !event.data.is_empty() {
                events.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis),
            // Comments, which keep the connection alive, and what is not known.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text = "retry: 1500\nid: 7\nevent: ready\ndata: {\"index\":7}\n\n:\n\nid: 9.0\r\nevent: values\r\ndata: {\ndata:}\n\nevent: none\n\n";
        let expected = [
            Event {
                id: Some("7".to_owned()),
                name: "ready".to_owned(),
                data: "{\"index\":7}".to_owned(),
            },
            Event {
                id: Some("9.0".to_owned()),
                name: "values".to_owned(),
                data: "{\n}".to_owned(),
            },
        ];
        for size in 1..=text.len() {
            let (mut parser, mut events) = (Parser::default(), VecDeque::new());
            for piece in text.as_bytes().chunks(size) {
                parser.feed(piece, &mut events);
            }
            assert_eq!(Vec::from(events), expected, "pieces of {size}");
            assert_eq!(parser.retry(), Some(Duration::from_millis(1_500)));
        }
    }

    #[test]
    fn an_unfinished_event_does_not_leak_into_the_next_connection() {
        let (mut parser, mut events) = (Parser::default(), VecDeque::new());
        parser.feed(b"id: 1.0\nevent: values\ndata: {\"key\"", &mut events);
        parser.forget_unfinished();
        parser.feed(b"event: ready\ndata: {}\n\n", &mut events);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].id.as_deref(), events[0].data.as_str()), (None, "{}"));
    }
}
