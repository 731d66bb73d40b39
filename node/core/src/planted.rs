//! Mistakes that a test can plant in the rules, one at a time, to see that it would be noticed. Without the feature
//! `planted-mistakes` there are none, and nothing can plant one.

#[cfg(feature = "planted-mistakes")]
use std::cell::Cell;

/// One mistake in one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The same person's second approval counts again.
    ApproveTwiceCountsTwice,
    /// An approval may be of other content.
    DigestUnchecked,
    /// Only the requester may not approve; whoever wrote the draft may.
    ContributorMayApprove,
    /// What is published may have been made against another version than the live one.
    BaseVersionUnchecked,
    /// The floor of the ancestors does not bind a namespace.
    ChildLoosensParent,
    /// A service account approves like a person.
    ServiceAccountCounts,
    /// A rejection ends nothing.
    RejectedRequestApprovedLater,
    /// A rollback never needs a review.
    RollbackSkipsApproval,
    /// Each login is a person of its own.
    AliasIgnored,
    /// Who is behind a login is asked when it approves, and not again.
    LoginForgotten,
    /// What the schemas say does not matter.
    VerdictIgnored,
    /// A key that is gone is as if it had never been, so that an old request fits again.
    BaseComesBack,
    /// What loosens governance is not noticed.
    LooseningUnnoticed,
    /// One admin alone says that two logins are one person.
    AliasByOneAdmin,
    /// A key is deleted without review also where approval is required.
    DeletionUnreviewed,
    /// One approval is enough for a deletion.
    DeletionByOne,
    /// The last approval publishes also where a publisher is waited for.
    ManualIgnored,
    /// A request waits for a publisher only while the settings of now say so.
    ManualForgotten,
    /// Whoever sees what is approved may publish it.
    AnyonePublishes,
    /// What was enough once is not counted again when it is published.
    PublisherCountsNothing,
    /// Who wrote a draft is forgotten when it is thrown away.
    HandsGoneWithDraft,
    /// A namespace may have a key that one above keeps for itself.
    FinalIgnored,
    /// One admin alone clears what is said of a key.
    LoosenedByDescription,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Self; 23] = [
        Self::ApproveTwiceCountsTwice,
        Self::DigestUnchecked,
        Self::ContributorMayApprove,
        Self::BaseVersionUnchecked,
        Self::ChildLoosensParent,
        Self::ServiceAccountCounts,
        Self::RejectedRequestApprovedLater,
        Self::RollbackSkipsApproval,
        Self::AliasIgnored,
        Self::LoginForgotten,
        Self::VerdictIgnored,
        Self::BaseComesBack,
        Self::LooseningUnnoticed,
        Self::AliasByOneAdmin,
        Self::DeletionUnreviewed,
        Self::DeletionByOne,
        Self::ManualIgnored,
        Self::ManualForgotten,
        Self::AnyonePublishes,
        Self::PublisherCountsNothing,
        Self::HandsGoneWithDraft,
        Self::FinalIgnored,
        Self::LoosenedByDescription,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApproveTwiceCountsTwice => "approve-twice-counts-twice",
            Self::DigestUnchecked => "digest-unchecked",
            Self::ContributorMayApprove => "contributor-may-approve",
            Self::BaseVersionUnchecked => "base-version-unchecked",
            Self::ChildLoosensParent => "child-loosens-parent",
            Self::ServiceAccountCounts => "service-account-counts",
            Self::RejectedRequestApprovedLater => "rejected-request-approved-later",
            Self::RollbackSkipsApproval => "rollback-skips-approval",
            Self::AliasIgnored => "alias-ignored",
            Self::LoginForgotten => "login-forgotten",
            Self::VerdictIgnored => "verdict-ignored",
            Self::BaseComesBack => "base-comes-back",
            Self::LooseningUnnoticed => "loosening-unnoticed",
            Self::AliasByOneAdmin => "alias-by-one-admin",
            Self::DeletionUnreviewed => "deletion-unreviewed",
            Self::DeletionByOne => "deletion-by-one",
            Self::ManualIgnored => "manual-ignored",
            Self::ManualForgotten => "manual-forgotten",
            Self::AnyonePublishes => "anyone-publishes",
            Self::PublisherCountsNothing => "publisher-counts-nothing",
            Self::HandsGoneWithDraft => "hands-gone-with-draft",
            Self::FinalIgnored => "final-ignored",
            Self::LoosenedByDescription => "loosened-by-description",
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

/// Never true: the rules are as they should be.
#[cfg(not(feature = "planted-mistakes"))]
pub(crate) const fn is_planted(_: Mistake) -> bool {
    false
}
