//! Events: immutable facts in one append-only log.
//!
//! Known kinds are typed in [`Body`]; unknown ones from outside are kept as they came. Applying an event can therefore
//! never fail. The encoded form has a version; older ones are upcast when they are read.

mod autonomy;
mod body;
mod insight;
mod kind;
mod record;

pub use autonomy::{
    AlertChanged, AlertClosed, AlertOpened, BrakeEngaged, BrakeReleased, DrillEnded, Earned,
    Flapping, LeaderElected, LockReleased, LockStale, LockTaken, MessageEnded, MessageQueued,
    RolloutChanged, RolloutStarted, RolloutTarget,
};
pub use body::{
    ActionEnded, AgentSpool, Approved, Body, Cancelled, DesiredLoaded, DesiredRejected, LevelNote,
    NodeRebooted, NodeSynced, PlanChanged, Proposed, Rejected, ServiceNote, Started, StepEnded,
    StepStarted,
};
pub use insight::{ImageAged, WritesAnomalous, WritesUsual};
pub use kind::{Kind, Severity};
pub use record::{Damaged, Encoded, VERSION, decode, encode};

use alloc::string::String;

use crate::ids::{NodeName, Seq};
use crate::subject::Subject;
use crate::time::Time;

/// One immutable fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub seq: Seq,
    /// Unique in the log; derived from content for events from outside, so that the same one is recorded once.
    pub id: String,
    /// When it happened, by the clock of whoever saw it.
    pub at: Time,
    pub subject: Subject,
    pub severity: Severity,
    /// The event that led to this one.
    pub cause: Option<Seq>,
    pub source: Source,
    /// Place in the agent's spool that this came from: how far of it is recorded. 0: not from a spool.
    pub cursor: u64,
    pub body: Body,
}

impl Event {
    pub fn node(&self) -> Option<&NodeName> {
        self.subject.node()
    }
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }
}

/// Who recorded an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Stead's own decisions and derivations.
    #[default]
    Server,
    Agent,
    /// A file that others wrote.
    Inbox,
    Api,
}

impl Source {
    pub fn word(self) -> &'static str {
        match self {
            Source::Server => "server",
            Source::Agent => "agent",
            Source::Inbox => "inbox",
            Source::Api => "api",
        }
    }
    /// Came from somebody else: a report, not one of Stead's own statements.
    pub fn is_foreign(self) -> bool {
        matches!(self, Source::Inbox | Source::Api)
    }
}
