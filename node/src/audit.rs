//! `confman-node audit`: verifies exports of the audit trail, line by line, in the memory of one line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use confman_api::audit::{AuditEnd, AuditLine};
use confman_api::limits;
use confman_core::audit::{AuditHead, Chain, ChainError};
use confman_core::digest::Digest;
use confman_core::ids::Timestamp;

use crate::args::{AuditArgs, AuditCommand};

/// A head that was noted earlier and kept where who can write the export cannot: so many events, the last with this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of events; at least one.
    pub count: u64,
    /// Hash of the last of them.
    pub hash: Digest,
}

impl Anchor {
    /// Parses `COUNT:sha256:HEX`.
    ///
    /// # Errors
    /// What it must look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let parsed = parts.and_then(|(count, hash)| {
            let count = count.parse().ok().filter(|count| *count > 0)?;
            let hash = Digest::parse(hash).ok()?;
            Some(Self { count, hash })
        });
        parsed.ok_or_else(|| "a head is COUNT:sha256:HEX, with a count of at least 1 and 64 hex digits".to_owned())
    }
}

/// What a verified export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of events, hidden ones included.
    pub events: u64,
    /// Number of events that are not shown.
    pub hidden: u64,
    /// Hash of the last.
    pub hash: Digest,
    /// True if the export says how many events there are. Otherwise some may be missing at the end.
    pub has_end: bool,
}

/// Why an export does not verify.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// It cannot be read.
    #[error("line {line} cannot be read")]
    Read {
        /// From 1.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Longer than any line of an export.
    #[error("line {line} is longer than {}", limits::AUDIT_LINE.text())]
    TooLong {
        /// From 1.
        line: u64,
    },
    /// Not what an export is made of, or cut off.
    #[error("line {line} is no line of an export: {detail}")]
    Malformed {
        /// From 1.
        line: u64,
        /// Why.
        detail: String,
    },
    /// A line where there may be none of its kind.
    #[error("line {line} is out of place: {detail}")]
    Misplaced {
        /// From 1.
        line: u64,
        /// Why.
        detail: &'static str,
    },
    /// The chain does not hold.
    #[error("line {line}: {error}")]
    Chain {
        /// From 1.
        line: u64,
        /// How.
        error: ChainError,
    },
    /// The last line counts wrongly.
    #[error("line {line} says that {expected} events are hidden, {given} are")]
    HiddenCount {
        /// From 1.
        line: u64,
        /// As it says.
        expected: u64,
        /// As counted.
        given: u64,
    },
    /// The event that the anchor names has another hash: everything up to it may have been made anew.
    #[error("line {line}: event number {} has the hash {given}, the head given is {}", anchor.count, anchor.hash)]
    OtherHead {
        /// From 1.
        line: u64,
        /// As given.
        anchor: Anchor,
        /// As found.
        given: Digest,
    },
    /// Fewer events than the anchor names.
    #[error("the export has {given} events, the head given says that there were {expected}")]
    BeforeHead {
        /// As found.
        given: u64,
        /// As the anchor says.
        expected: u64,
    },
}

/// Runs `audit`.
pub fn run(args: &AuditArgs) -> anyhow::Result<()> {
    match &args.command {
        AuditCommand::Verify { file, head } => {
            let verified = verify(open(file)?, *head)?;
            report(&verified)?;
        }
    }
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn report(verified: &Verified) -> io::Result<()> {
    let Verified {
        events,
        hidden,
        hash,
        has_end,
    } = verified;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "verified: {events} events, {hidden} of them hidden\nhead: {events}:{hash}"
    )?;
    if *hidden > 0 {
        writeln!(
            out,
            "note: what hidden events say is not covered, only that they are in their place"
        )?;
    }
    if !has_end {
        writeln!(out, "note: the export has no last line; truncation cannot be excluded")?;
    }
    Ok(())
}

/// Verifies the export that `input` gives, and that `anchor` is a part of it.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(mut input: impl BufRead, anchor: Option<Anchor>) -> Result<Verified, Finding> {
    let mut walk = Walk {
        lines: 0,
        chain: Chain::default(),
        hidden: 0,
        end: None,
        anchor,
    };
    let mut line = Vec::new();
    while read_line(&mut input, &mut line, walk.lines + 1)? {
        walk.take(&line)?;
    }
    walk.finish()
}

/// Reads the next line, without its newline; false behind the last.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, number: u64) -> Result<bool, Finding> {
    line.clear();
    let limit = limits::AUDIT_LINE.value;
    let read = input.by_ref().take(limit as u64 + 1).read_until(b'\n', line);
    read.map_err(|source| Finding::Read { line: number, source })?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(true);
    }
    if line.len() > limit {
        return Err(Finding::TooLong { line: number });
    }
    Ok(!line.is_empty())
}

/// How far a verification is.
struct Walk {
    lines: u64,
    chain: Chain,
    hidden: u64,
    end: Option<AuditEnd>,
    anchor: Option<Anchor>,
}

impl Walk {
    fn take(&mut self, line: &[u8]) -> Result<(), Finding> {
        self.lines += 1;
        let line_number = self.lines;
        let malformed = |detail: String| Finding::Malformed {
            line: line_number,
            detail,
        };
        let misplaced = |detail| {
            Err(Finding::Misplaced {
                line: line_number,
                detail,
            })
        };
        if self.end.is_some() {
            return misplaced("the line before is the last of an export");
        }
        let text = std::str::from_utf8(line).map_err(|error| malformed(error.to_string()))?;
        let pushed = match AuditLine::parse(text).map_err(|error| malformed(error.to_string()))? {
            AuditLine::Begin(_) if line_number == 1 => return Ok(()),
            AuditLine::Begin(_) => return misplaced("it begins an export"),
            AuditLine::End(end) => return self.end(end),
            AuditLine::Event(event) => self.chain.push(&event),
            AuditLine::Hidden(stub) => {
                self.hidden += 1;
                self.chain.push_hidden(&stub)
            }
        };
        pushed.map_err(|error| Finding::Chain {
            line: line_number,
            error,
        })?;
        self.compare_with_anchor()
    }

    fn compare_with_anchor(&self) -> Result<(), Finding> {
        let given = self.chain.hash();
        match self.anchor {
            Some(anchor) if anchor.count == self.chain.count() && anchor.hash != given => Err(Finding::OtherHead {
                line: self.lines,
                anchor,
                given,
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn end(&mut self, end: AuditEnd) -> Result<(), Finding> {
        let line = self.lines;
        let head = AuditHead {
            count: end.count,
            hash: end.hash,
            time: Timestamp::default(),
        };
        let ended = self.chain.finish(&head);
        ended.map_err(|error| Finding::Chain { line, error })?;
        if end.hidden != self.hidden {
            return Err(Finding::HiddenCount {
                line,
                expected: end.hidden,
                given: self.hidden,
            });
        }
        self.end = Some(end);
        Ok(())
    }

    fn finish(self) -> Result<Verified, Finding> {
        let events = self.chain.count();
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.count > events) {
            return Err(Finding::BeforeHead {
                given: events,
                expected: anchor.count,
            });
        }
        Ok(Verified {
            events,
            hidden: self.hidden,
            hash: self.chain.hash(),
            has_end: self.end.is_some(),
        })
    }
}
