//! `audit-verifier`: judges an export of the audit trail from the export alone; see `confman_e2e::audit`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use confman_e2e::audit::{Anchor, Report, verify};

/// Verifies the chain, the versions and the approvals of an export.
#[derive(Debug, Parser)]
struct Arguments {
    /// The export, or `-` for standard input.
    file: PathBuf,
    /// `COUNT:sha256:HEX` of an earlier export.
    #[arg(long, value_parser = anchor)]
    head: Option<Anchor>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let report = verify(open(&arguments.file)?, arguments.head.as_ref())?;
    print(&report)?;
    Ok(ExitCode::from(u8::from(!report.objections.is_empty())))
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for objection in &report.objections {
        writeln!(out, "line {}: {}", objection.line, objection.what)?;
    }
    if report.more_objections > 0 {
        writeln!(out, "and {} more", report.more_objections)?;
    }
    writeln!(out, "events: {}, hidden: {}", report.events, report.hidden)?;
    writeln!(
        out,
        "changes: {} with enough approvals looked for, {} unreviewed, {} whose request is hidden",
        report.judged, report.unreviewed, report.unjudged
    )?;
    writeln!(out, "head: {}:{}", report.events, report.hash)?;
    if !report.has_end {
        writeln!(out, "there is no last line: truncation cannot be excluded")?;
    }
    Ok(())
}

fn anchor(text: &str) -> Result<Anchor, String> {
    let parts = text.split_once(':');
    let parsed = parts.and_then(|(count, hash)| {
        let count = count.parse().ok()?;
        let hash = hash.to_owned();
        Some(Anchor { count, hash })
    });
    parsed.ok_or_else(|| "a head is COUNT:sha256:HEX".to_owned())
}
