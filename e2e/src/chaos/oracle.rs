//! The judge of a history: what clients were told, held against what the cluster has in the end.

mod linearizable;
mod reads;
mod writes;

#[cfg(test)]
mod stories;

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Operation, by_key};

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// A write that was acknowledged is not there (I1).
    LostWrite,
    /// The versions of a key are not 1, 2, 3 … in the order of the log (I5).
    VersionGap,
    /// Two writes were told the same version, or one was told another than it has (I5).
    DuplicatedVersion,
    /// There is a value that nobody wrote.
    Phantom,
    /// A write that was refused is there (I11).
    RefusedWriteHappened,
    /// A write came before one that was acknowledged before it was sent (I2).
    WritesReordered,
    /// A linearizable read was older than what was acknowledged or seen before it was sent (I2).
    StaleRead,
    /// A read was of a version that nobody had sent yet (I2).
    ReadFromTheFuture,
    /// A read was of no version that there is, or of another value than that version has.
    WrongValue,
    /// A read was of an older state than that of the log index that it named.
    OlderThanItsIndex,
    /// A node answered with an older index than before (stale reads).
    IndexWentBack,
    /// No order of the operations explains the answers.
    NotLinearizable,
    /// Two nodes led in one term (I3).
    TwoLeaders,
    /// Two nodes have different states at the same index (I4).
    ReplicasDiffer,
    /// The audit trail does not verify, or is not that of the accepted changes (I9).
    AuditBroken,
    /// A watch did not tell of each change once and in order (I10).
    WatchBroken,
    /// After a restart of all nodes the state is another (I12).
    RestartChangedState,
    /// A node whose disk failed went on.
    SurvivedFailedSync,
}

/// A broken promise, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub broken: Broken,
    /// The evidence.
    pub evidence: String,
}

impl Violation {
    /// Says that `broken` is shown by `evidence`.
    pub fn new(broken: Broken, evidence: impl Into<String>) -> Self {
        let evidence = evidence.into();
        Self { broken, evidence }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.broken, self.evidence)
    }
}

/// A version that the cluster has in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// 1, 2, 3 … per key.
    pub version: u64,
    /// Log index of it.
    pub index: u64,
    /// The value; none of a deletion.
    pub value: Option<String>,
}

/// What the cluster has in the end: the versions of each key, oldest first.
pub type Record = BTreeMap<String, Vec<Change>>;

/// What became of judging.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Every broken promise that was found.
    pub violations: Vec<Violation>,
    /// Keys whose history was put in order by search.
    pub ordered: usize,
    /// Keys whose history was too long for that.
    pub undecided: usize,
}

/// Judges `operations` by what the cluster has in the end.
pub fn judge(operations: &[Operation], record: &Record) -> Judgement {
    let mut judgement = Judgement::default();
    let keys = by_key(operations);
    let nothing = Vec::new();
    for (key, of_key) in &keys {
        let changes = record.get(*key).unwrap_or(&nothing);
        judgement.violations.extend(writes::check(of_key, changes));
        judgement.violations.extend(reads::check(of_key, changes));
        match linearizable::is_linearizable(of_key) {
            Some(true) => judgement.ordered += 1,
            Some(false) => judgement.violations.push(Violation::new(
                Broken::NotLinearizable,
                format!("no order explains the {} operations of {key}", of_key.len()),
            )),
            None => judgement.undecided += 1,
        }
    }
    for key in record.keys().filter(|key| !keys.contains_key(key.as_str())) {
        let evidence = format!("nobody ever wrote {key}");
        judgement.violations.push(Violation::new(Broken::Phantom, evidence));
    }
    judgement.violations.extend(reads::check_nodes(operations));
    judgement
}
