//! A second verifier of audit exports, written after `docs/audit-format.md` alone: it shares no code with the product, so
//! that a mistake there is not repeated here.

mod chain;
mod event;
mod json;
mod rules;

use std::io::{self, BufRead, Read as _};

use self::chain::Chain;
use self::event::{Line, Position};
use self::rules::Rules;

/// Longest line in bytes.
const LINE_BYTES: usize = 1 << 20;
/// Most objections that are kept; the rest is counted.
const OBJECTIONS: usize = 100;

/// A head that was noted earlier and kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of events.
    pub count: u64,
    /// Hash of the last of them, `sha256:HEX`.
    pub hash: String,
}

/// Something that may not be in an unaltered export of a cluster that keeps its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Line, from 1; 0 if it is about the whole export.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of events, hidden ones included.
    pub events: u64,
    /// Number of events that are not shown.
    pub hidden: u64,
    /// Hash of the last event.
    pub hash: String,
    /// True if the export has its last line.
    pub has_end: bool,
    /// Changes whose approvals were counted.
    pub judged: u64,
    /// Changes that were made without a review, and say so.
    pub unreviewed: u64,
    /// Changes whose request is among the hidden events.
    pub unjudged: u64,
    /// What is wrong, at most 100.
    pub objections: Vec<Objection>,
    /// Number of objections beyond those.
    pub more_objections: u64,
}

/// Reads an export and looks for everything that may not be.
///
/// # Errors
/// Only if `input` cannot be read; what is wrong with the export is in the report.
pub fn verify(mut input: impl BufRead, anchor: Option<&Anchor>) -> io::Result<Report> {
    let mut walk = Walk::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        input
            .by_ref()
            .take(LINE_BYTES as u64 + 1)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        walk.line += 1;
        if line.len() > LINE_BYTES {
            walk.object("is too long");
            break;
        }
        walk.take(&line, anchor);
    }
    Ok(walk.finish(anchor))
}

#[derive(Default)]
struct Walk {
    line: u64,
    chain: Chain,
    rules: Rules,
    is_over: bool,
    report: Report,
}

impl Walk {
    fn object(&mut self, what: impl Into<String>) {
        if self.report.objections.len() == OBJECTIONS {
            self.report.more_objections += 1;
            return;
        }
        let (line, what) = (self.line, what.into());
        self.report.objections.push(Objection { line, what });
    }

    fn take(&mut self, bytes: &[u8], anchor: Option<&Anchor>) {
        if self.is_over {
            self.object("comes behind the end");
            return;
        }
        match Line::read(bytes) {
            Err(what) => self.object(what),
            Ok(Line::Begin { cluster_id, filtered }) => {
                if self.line != 1 {
                    self.object("begins an export in the middle of one");
                }
                self.rules.begin(cluster_id, filtered);
            }
            Ok(Line::Hidden(place)) => {
                self.report.hidden += 1;
                self.rules.hidden();
                self.link(&place, anchor);
            }
            Ok(Line::Event(event)) => {
                if event.computed_hash != event.place.hash {
                    self.object(format!("{} was altered: its hash is another", event.place.id));
                }
                self.link(&event.place, anchor);
                for what in self.rules.take(&event) {
                    self.object(format!("{}: {what}", event.place.id));
                }
            }
            Ok(Line::End { count, hidden, hash }) => {
                self.is_over = true;
                self.report.has_end = true;
                if (count, hash.as_str()) != (self.chain.count, self.chain.hash()) {
                    self.object(format!(
                        "says that there are {count} events, the last {hash}: some are missing"
                    ));
                }
                if hidden != self.report.hidden {
                    self.object(format!("says that {hidden} events are hidden"));
                }
            }
        }
    }

    fn link(&mut self, place: &Position, anchor: Option<&Anchor>) {
        for what in self.chain.link(place) {
            self.object(format!("{}: {what}", place.id));
        }
        if anchor.is_some_and(|anchor| anchor.count == self.chain.count && anchor.hash != place.hash) {
            self.object(format!("{} is not the head that was noted", place.id));
        }
    }

    fn finish(mut self, anchor: Option<&Anchor>) -> Report {
        self.line = 0;
        if anchor.is_some_and(|anchor| anchor.count > self.chain.count) {
            self.object("the export ends before the head that was noted");
        }
        self.report.events = self.chain.count;
        self.chain.hash().clone_into(&mut self.report.hash);
        self.report.judged = self.rules.judged;
        self.report.unreviewed = self.rules.unreviewed;
        self.report.unjudged = self.rules.unjudged;
        self.report
    }
}
