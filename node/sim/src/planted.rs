//! Mistakes that a test can plant in what the simulation stands in for, one at a time: storage, reads, identity. Those in the
//! rules themselves are in `confman_core::planted`. Without the feature `planted-mistakes` there are none.

#[cfg(feature = "planted-mistakes")]
use std::cell::Cell;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Entries are acknowledged before they are synced.
    AcknowledgedBeforeSync,
    /// A vote is only kept in memory.
    VoteNotKept,
    /// What is cut off the end of the log is there again after a crash.
    TruncationNotKept,
    /// What was purged is gone, but not that it was.
    PurgeNotKept,
    /// The state is written without how far it is applied, so that entries are applied again after a crash.
    AppliedOutsideTheBatch,
    /// What came of calls is not written with the state.
    CallsOutsideTheBatch,
    /// How far a snapshot goes is written before its content.
    SnapshotHalfInstalled,
    /// A state that is ahead of its log is opened with a snapshot that is behind.
    SnapshotBehindTheState,
    /// An entry that cannot be read is passed over.
    DamagedEntrySkipped,
    /// A member that lost its volume comes back under its old id.
    IdUsedAgain,
    /// Who believes to lead reads its own state without asking anybody.
    LeaderReadsAlone,
    /// A read takes the index that an earlier one was given.
    ReadIndexUsedAgain,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Self; 12] = [
        Self::AcknowledgedBeforeSync,
        Self::VoteNotKept,
        Self::TruncationNotKept,
        Self::PurgeNotKept,
        Self::AppliedOutsideTheBatch,
        Self::CallsOutsideTheBatch,
        Self::SnapshotHalfInstalled,
        Self::SnapshotBehindTheState,
        Self::DamagedEntrySkipped,
        Self::IdUsedAgain,
        Self::LeaderReadsAlone,
        Self::ReadIndexUsedAgain,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgedBeforeSync => "acknowledged-before-sync",
            Self::VoteNotKept => "vote-not-kept",
            Self::TruncationNotKept => "truncation-not-kept",
            Self::PurgeNotKept => "purge-not-kept",
            Self::AppliedOutsideTheBatch => "applied-outside-the-batch",
            Self::CallsOutsideTheBatch => "calls-outside-the-batch",
            Self::SnapshotHalfInstalled => "snapshot-half-installed",
            Self::SnapshotBehindTheState => "snapshot-behind-the-state",
            Self::DamagedEntrySkipped => "damaged-entry-skipped",
            Self::IdUsedAgain => "id-used-again",
            Self::LeaderReadsAlone => "leader-reads-alone",
            Self::ReadIndexUsedAgain => "read-index-used-again",
        }
    }

    /// The mistake of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mistake| mistake.name() == name)
    }
}

#[cfg(feature = "planted-mistakes")]
thread_local! {
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Plants `mistake`, and no other, for this thread; none takes it away again.
#[cfg(feature = "planted-mistakes")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}

/// True if `mistake` is planted.
#[cfg(feature = "planted-mistakes")]
pub(crate) fn is_planted(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

/// Never true.
#[cfg(not(feature = "planted-mistakes"))]
pub(crate) const fn is_planted(_: Mistake) -> bool {
    false
}
