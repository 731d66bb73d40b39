//! Lines of an export, taken apart.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::json::{self, Json};

/// One line.
pub(super) enum Line {
    Begin { cluster_id: String, filtered: bool },
    Event(Box<Event>),
    Hidden(Position),
    End { count: u64, hidden: u64, hash: String },
}

/// Place of an event in the chain.
#[derive(Clone)]
pub(super) struct Position {
    pub(super) id: String,
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) seq: u64,
    /// Of a shown event.
    pub(super) time: Option<String>,
    pub(super) previous_hash: String,
    pub(super) hash: String,
}

/// An event, as far as a rule is about it.
pub(super) struct Event {
    pub(super) place: Position,
    /// SHA-256 over the canonical form of everything but `hash`.
    pub(super) computed_hash: String,
    pub(super) action: String,
    pub(super) principal: String,
    /// Where it is another than the principal.
    pub(super) login: Option<String>,
    pub(super) namespace: String,
    pub(super) key: Option<String>,
    pub(super) change: Change,
    pub(super) workflow: Option<Workflow>,
}

/// What changed.
#[derive(Default)]
pub(super) struct Change {
    pub(super) previous_version: Option<u64>,
    pub(super) new_version: Option<u64>,
    pub(super) previous_digest: Option<String>,
    pub(super) new_digest: Option<String>,
}

/// Under which request.
pub(super) struct Workflow {
    pub(super) request_id: String,
    pub(super) state: String,
    pub(super) digest: String,
    pub(super) operation: Option<String>,
    pub(super) base_version: Option<u64>,
    pub(super) to_version: Option<u64>,
    pub(super) required_approvals: Option<u64>,
    pub(super) contributors: BTreeSet<String>,
}

impl Line {
    /// Reads a line; its newline may be there.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
        let text = text
            .strip_suffix('\n')
            .ok_or_else(|| "is cut off: it has no newline".to_owned())?;
        let line = json::parse(text)?;
        if let Some(begin) = line.member("begin") {
            if begin.number("format")? != 1 {
                return Err("has a format that is not known here".to_owned());
            }
            return Ok(Self::Begin {
                cluster_id: begin.text("clusterId")?,
                filtered: begin.member("filtered") == Some(&Json::Bool(true)),
            });
        }
        if let Some(hidden) = line.member("hidden") {
            return Position::read(hidden).map(Self::Hidden);
        }
        if let Some(end) = line.member("end") {
            return Ok(Self::End {
                count: end.number("count")?,
                hidden: end.number("hidden")?,
                hash: end.text("hash")?,
            });
        }
        Event::read(line).map(|event| Self::Event(Box::new(event)))
    }
}

impl Position {
    fn read(line: &Json) -> Result<Self, String> {
        let position = line.member("position").ok_or("has no position")?;
        Ok(Self {
            id: line.text("id")?,
            term: position.number("term")?,
            index: position.number("index")?,
            seq: line.number("seq")?,
            time: line.optional_text("time")?,
            previous_hash: line.text("previousHash")?,
            hash: line.text("hash")?,
        })
    }
}

impl Event {
    fn read(line: Json) -> Result<Self, String> {
        let place = Position::read(&line)?;
        if place.time.is_none() {
            return Err("has no time".to_owned());
        }
        let actor = line.member("actor").ok_or("has no actor")?;
        let resource = line.member("resource").ok_or("has no resource")?;
        let (principal, namespace) = (actor.text("principal")?, resource.text("namespace")?);
        let login = actor.optional_text("login")?;
        let key = resource.optional_text("key")?;
        let change = line.member("change").map(Change::read).transpose()?;
        let workflow = line.member("workflow").map(Workflow::read).transpose()?;
        Ok(Self {
            place,
            action: line.text("action")?,
            principal,
            login,
            namespace,
            key,
            change: change.unwrap_or_default(),
            workflow,
            computed_hash: hash(&line.without("hash")),
        })
    }
}

impl Change {
    fn read(change: &Json) -> Result<Self, String> {
        Ok(Self {
            previous_version: change.optional_number("previousVersion")?,
            new_version: change.optional_number("newVersion")?,
            previous_digest: change.optional_text("previousDigest")?,
            new_digest: change.optional_text("newDigest")?,
        })
    }
}

impl Workflow {
    fn read(workflow: &Json) -> Result<Self, String> {
        Ok(Self {
            request_id: workflow.text("requestId")?,
            state: workflow.text("state")?,
            digest: workflow.text("digest")?,
            operation: workflow.optional_text("operation")?,
            base_version: workflow.optional_number("baseVersion")?,
            to_version: workflow.optional_number("toVersion")?,
            required_approvals: workflow.optional_number("requiredApprovals")?,
            contributors: workflow.texts("contributors")?,
        })
    }
}

/// `sha256:HEX` of the canonical form.
pub(super) fn hash(json: &Json) -> String {
    let digest = Sha256::digest(json::canonical(json));
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}
