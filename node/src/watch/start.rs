//! Where a watch begins: after the position that was asked for, or with a reset where that position says nothing here.

use std::ops::Bound;

use confman_api::watch::ResetReason;
use confman_core::digest::Digest;
use confman_core::ids::NamespacePath;
use confman_core::state::StateView as _;
use confman_store::{AuditPosition, ReadError, SnapshotView};

use super::{change, history};

/// Parses `INDEX` (after all of that log entry) or `INDEX.SEQ` (after that change).
pub fn parse_position(text: &str) -> Option<AuditPosition> {
    // Numbers without a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    match text.split_once('.') {
        None => Some(end_of(text.parse().ok()?)),
        Some((index, seq)) => Some(AuditPosition {
            index: index.parse().ok()?,
            seq: seq.parse().ok()?,
        }),
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After this position.
    After(AuditPosition),
    /// After this log index, with a reset: something may have been missed.
    Reset(ResetReason, u64),
}

/// What the log has to say about a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// Last applied index.
    applied: u64,
    /// The position names a change.
    exists: bool,
    /// The position is of an entry that a recovery has lost.
    lost: bool,
    /// The oldest change that is kept, if there were older ones.
    oldest_kept: Option<AuditPosition>,
}

impl Start {
    /// Looks `asked` up; none asks for everything from now on.
    pub fn find(view: &SnapshotView<'_>, asked: Option<AuditPosition>) -> Result<Self, ReadError> {
        let applied = history::applied(view);
        let Some(asked) = asked else {
            return Ok(Self::After(end_of(applied)));
        };
        let root = NamespacePath::root();
        let first = |from, to| {
            let page = history::events(view, &root, (from, to), 1);
            page.map(|page| page.items.into_iter().next())
        };
        let cluster = view.cluster()?;
        let known = Known {
            applied,
            lost: cluster.is_some_and(|cluster| cluster.has_lost(asked.index)),
            exists: first(Bound::Included(asked), Bound::Included(asked))?.is_some(),
            oldest_kept: first(Bound::Unbounded, Bound::Unbounded)?
                .filter(|oldest| oldest.previous_hash != Digest::ZERO)
                .map(|oldest| change::position(&oldest)),
        };
        Ok(Self::decide(asked, known))
    }

    fn decide(asked: AuditPosition, known: Known) -> Self {
        let reset = |reason| Self::Reset(reason, known.applied);
        let names_a_change = asked.seq != u32::MAX;
        if asked.index > known.applied {
            reset(ResetReason::AheadOfLog)
        } else if known.lost {
            reset(ResetReason::Recovered)
        } else if !known.exists && known.oldest_kept.is_some_and(|oldest| asked < oldest) {
            reset(ResetReason::TooOld)
        } else if names_a_change && !known.exists {
            reset(ResetReason::Unknown)
        } else {
            Self::After(asked)
        }
    }

    /// The position after which changes come.
    pub fn position(self) -> AuditPosition {
        match self {
            Self::After(position) => position,
            Self::Reset(_, index) => end_of(index),
        }
    }
}

/// The end of a log entry.
pub(super) fn end_of(index: u64) -> AuditPosition {
    AuditPosition { index, seq: u32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(index: u64, seq: u32) -> AuditPosition {
        AuditPosition { index, seq }
    }

    #[test]
    fn positions_are_an_index_or_the_id_of_a_change() {
        assert_eq!(parse_position("0"), Some(at(0, u32::MAX)));
        assert_eq!(parse_position("17"), Some(at(17, u32::MAX)));
        assert_eq!(parse_position("17.2"), Some(at(17, 2)));
        for bad in [
            "",
            ".",
            "1.",
            ".1",
            "1.2.3",
            "+1",
            "-1",
            "1.+2",
            "x",
            "1 ",
            "99999999999999999999",
            "1.4294967296",
        ] {
            assert_eq!(parse_position(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_position_that_says_nothing_here_is_a_reset_with_the_reason() {
        let whole = Known {
            applied: 20,
            exists: false,
            lost: false,
            oldest_kept: None,
        };
        let pruned = Known {
            oldest_kept: Some(at(5, 0)),
            ..whole
        };
        let lost = Known { lost: true, ..whole };
        let found = |known| Known { exists: true, ..known };
        let cases = [
            (at(0, u32::MAX), whole, Start::After(at(0, u32::MAX))),
            (at(20, u32::MAX), whole, Start::After(at(20, u32::MAX))),
            (at(21, u32::MAX), whole, Start::Reset(ResetReason::AheadOfLog, 20)),
            (at(21, 0), whole, Start::Reset(ResetReason::AheadOfLog, 20)),
            (at(7, 0), whole, Start::Reset(ResetReason::Unknown, 20)),
            (at(7, u32::MAX), lost, Start::Reset(ResetReason::Recovered, 20)),
            (at(7, 1), lost, Start::Reset(ResetReason::Recovered, 20)),
            (at(21, 1), lost, Start::Reset(ResetReason::AheadOfLog, 20)),
            (at(7, 0), found(whole), Start::After(at(7, 0))),
            (at(4, u32::MAX), pruned, Start::Reset(ResetReason::TooOld, 20)),
            (at(4, 1), pruned, Start::Reset(ResetReason::TooOld, 20)),
            (at(5, 0), found(pruned), Start::After(at(5, 0))),
            (at(5, u32::MAX), pruned, Start::After(at(5, u32::MAX))),
        ];
        for (asked, known, expected) in cases {
            assert_eq!(Start::decide(asked, known), expected, "{asked:?} {known:?}");
        }
    }
}
