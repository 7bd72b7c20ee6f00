//! Bugs planted on purpose, so that the simulator can prove that it would find them. None is in what ships: without the
//! feature `planted`, which only the simulator asks for, [`Planted::on`] is a constant and whatever hangs on it is gone.

/// A bug, named after what it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Neither server nor agent counts the repairs of an hour.
    LimitNotCounted,
    ConcurrencyIgnored,
    LevelIgnored,
    LockIgnored,
    BrakeIgnored,
    PersonsStopIgnored,
    /// Neither server nor agent keeps two orders off one target.
    TargetShared,
    /// The agent's journal forgets what it did.
    JournalForgets,
    /// What was not answered in time is ordered again without a look.
    ResentBlindly,
    /// The agent begins what it got long ago.
    LeaseIgnored,
    /// An approval counts for whatever plan there is.
    ApprovalUnbound,
    /// What was done is never verified.
    VerificationForgotten,
    /// A silent node's evidence stays fresh.
    StaleKept,
    /// A start of the server forgets nothing.
    StartKeepsEvidence,
    /// A snapshot of nothing means that everything is gone.
    EmptyMeansGone,
    /// Drift of a node is not brought up to date.
    DriftNotUpdated,
    /// Events are caused by later ones.
    CauseAhead,
    /// Replay decides anew.
    ReplayDecides,
    /// The server acknowledges before the commit.
    AckBeforeCommit,
    /// People are answered before the commit.
    AnswerBeforeCommit,
    /// After a reconnect the spool begins at its end.
    SpoolForgets,
    /// A session goes on under a name the fleet does not use any more.
    AliasKept,
    /// A deposed leader's epoch is not looked at.
    EpochIgnored,
    /// Who is linked is not told what changed in the fleet's files.
    BundleForgotten,
    /// Each gap in what an agent says is told at once, and a snapshot with it.
    GapsUnpaced,
}

impl Bug {
    pub const ALL: &'static [Bug] = &[
        Bug::LimitNotCounted,
        Bug::ConcurrencyIgnored,
        Bug::LevelIgnored,
        Bug::LockIgnored,
        Bug::BrakeIgnored,
        Bug::PersonsStopIgnored,
        Bug::TargetShared,
        Bug::JournalForgets,
        Bug::ResentBlindly,
        Bug::LeaseIgnored,
        Bug::ApprovalUnbound,
        Bug::VerificationForgotten,
        Bug::StaleKept,
        Bug::StartKeepsEvidence,
        Bug::EmptyMeansGone,
        Bug::DriftNotUpdated,
        Bug::CauseAhead,
        Bug::ReplayDecides,
        Bug::AckBeforeCommit,
        Bug::AnswerBeforeCommit,
        Bug::SpoolForgets,
        Bug::AliasKept,
        Bug::EpochIgnored,
        Bug::BundleForgotten,
        Bug::GapsUnpaced,
    ];
}

/// Which bug is planted in a world. It is no part of the world: equal, written and read as if it were not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    #[cfg(feature = "planted")]
    bug: Option<Bug>,
}

impl Planted {
    /// Whether `bug` is planted.
    #[cfg(feature = "planted")]
    pub fn on(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether `bug` is planted: never.
    #[cfg(not(feature = "planted"))]
    pub const fn on(self, _: Bug) -> bool {
        false
    }

    #[cfg(feature = "planted")]
    pub fn with(bug: Option<Bug>) -> Planted {
        Planted { bug }
    }
}

impl PartialEq for Planted {
    fn eq(&self, _: &Planted) -> bool {
        true
    }
}
