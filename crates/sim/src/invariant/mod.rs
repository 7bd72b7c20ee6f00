//! What must hold, whatever goes wrong: each invariant a small pure function of what really happened, with a name and a
//! sentence. Nothing here changes anything, and nothing here asks Stead's own opinion where the truth is known.

pub mod effects;
pub mod ends;
pub mod evidence;
pub mod limits;
pub mod record;
pub mod restraint;

use std::collections::BTreeMap;

use stead_core::controller::Reply;
use stead_core::desired::Node;
use stead_core::drift;
use stead_core::event::Event;
use stead_core::ids::NodeName;
use stead_core::policy::Now;
use stead_core::world::World;

use crate::truth::{Effect, History};

/// When an invariant is asked.
#[derive(Debug)]
pub enum Moment<'a> {
    /// An event became durable. The history does not hold it yet.
    Event(&'a Event),
    /// A commit is durable; this is the live world right after it.
    Committed {
        world: &'a World,
        drift: &'a drift::Index,
    },
    /// An effect is about to begin at its machine. The history holds it already, at this place.
    Begun {
        effect: &'a Effect,
        place: usize,
    },
    Ended {
        effect: &'a Effect,
        place: usize,
    },
    /// An agent dropped everything up to here from its spool, because the server said that it is durable.
    Acknowledged {
        node: &'a NodeName,
        spool: &'a str,
        cursor: u64,
    },
    /// A person was answered: decided.
    Answered {
        reply: &'a Reply,
        decided: &'static str,
        /// The plan that was read, where one was.
        digest: Option<&'a str>,
    },
    /// The log was replayed from its beginning.
    Replayed {
        world: &'a World,
    },
    /// Faults are over for long; this is the live world, and its time.
    Quiet {
        world: &'a World,
        clock: Now,
        /// What each agent was told that the fleet wants of its node.
        told: &'a BTreeMap<NodeName, Node>,
    },
}

/// What an invariant may look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Milliseconds after the beginning, by a clock nobody can set.
    pub now: u64,
    pub history: &'a History,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub expected: String,
    pub found: String,
}

impl Breach {
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Breach {
        Breach {
            expected: expected.into(),
            found: found.into(),
        }
    }
}

pub type Verdict = Result<(), Breach>;

#[derive(Debug)]
pub struct Invariant {
    pub name: &'static str,
    pub sentence: &'static str,
    pub check: fn(&Scene<'_>, &Moment<'_>) -> Verdict,
}

/// A broken invariant, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub sentence: String,
    pub breach: Breach,
}

/// Every invariant.
pub const ALL: &[Invariant] = &[
    Invariant {
        name: "limit-per-hour",
        sentence: "A target gets no more automatic repairs in an hour than the limit, counted at the machine.",
        check: limits::per_hour,
    },
    Invariant {
        name: "concurrency",
        sentence: "No more actions run at once, in the fleet and on a node, than the limits say.",
        check: limits::concurrency,
    },
    Invariant {
        name: "level",
        sentence: "No repair is automatic above the level that policy permits, and what destroys never is.",
        check: limits::level,
    },
    Invariant {
        name: "locks-hold",
        sentence: "Under a lock no automatic repair starts, and under a backup or restore nothing does.",
        check: restraint::locks_hold,
    },
    Invariant {
        name: "brake-holds",
        sentence: "While the brake is on no automatic repair starts.",
        check: restraint::brake_holds,
    },
    Invariant {
        name: "persons-stop",
        sentence: "What a person stopped is never started again automatically.",
        check: limits::persons_stop,
    },
    Invariant {
        name: "one-executor",
        sentence: "Never two executors on one target at once.",
        check: effects::one_executor,
    },
    Invariant {
        name: "effect-once",
        sentence: "What is not idempotent is done at most once for one step of an action.",
        check: effects::once,
    },
    Invariant {
        name: "approved-plan",
        sentence: "Nothing is done that is not in the plan that was approved.",
        check: effects::approved_plan,
    },
    Invariant {
        name: "lease",
        sentence: "Nothing begins after the lease of its order has ended.",
        check: effects::lease,
    },
    Invariant {
        name: "newest-leader",
        sentence: "Of two servers on one store, an agent obeys the newer leader.",
        check: effects::newest_leader,
    },
    Invariant {
        name: "stale-is-never-drift",
        sentence: "Where evidence is stale or unknown nothing differs, but for the silence itself, marks in the log and what others report.",
        check: evidence::stale_is_never_drift,
    },
    Invariant {
        name: "drift-is-whole",
        sentence: "Drift kept up to date is the drift computed from nothing.",
        check: evidence::drift_is_whole,
    },
    Invariant {
        name: "empty-means-none",
        sentence: "A repair is proposed only for what really was in trouble: what is not seen is not gone.",
        check: evidence::empty_means_none,
    },
    Invariant {
        name: "healthy-was-seen",
        sentence: "Nothing is well that nobody has seen since the server began.",
        check: evidence::healthy_was_seen,
    },
    Invariant {
        name: "acknowledged-is-kept",
        sentence: "What an agent was told is durable is in the log.",
        check: record::acknowledged_is_kept,
    },
    Invariant {
        name: "answered-is-kept",
        sentence: "What a person was told is decided is in the log.",
        check: record::answered_is_kept,
    },
    Invariant {
        name: "replay-is-live",
        sentence: "The log folded is the live world, byte for byte.",
        check: record::replay_is_live,
    },
    Invariant {
        name: "causes-come-first",
        sentence: "Events are numbered without a gap, and caused by earlier ones only.",
        check: record::causes_come_first,
    },
    Invariant {
        name: "log-stays-small",
        sentence: "Whatever goes wrong, it does not flood the log.",
        check: record::log_stays_small,
    },
    Invariant {
        name: "approved-ends",
        sentence: "Once faults are over, every approved action comes to an end.",
        check: ends::approved_ends,
    },
    Invariant {
        name: "everybody-is-seen",
        sentence: "Once faults are over, every node is seen again.",
        check: ends::everybody_is_seen,
    },
    Invariant {
        name: "everybody-is-told",
        sentence: "Once faults are over, every agent knows what the fleet wants of its node.",
        check: ends::everybody_is_told,
    },
];

/// The first invariant that does not hold at `moment`.
pub fn first_broken(scene: &Scene<'_>, moment: &Moment<'_>) -> Option<Finding> {
    ALL.iter().find_map(|invariant| {
        let breach = (invariant.check)(scene, moment).err()?;
        Some(Finding {
            name: invariant.name.to_string(),
            sentence: invariant.sentence.to_string(),
            breach,
        })
    })
}
