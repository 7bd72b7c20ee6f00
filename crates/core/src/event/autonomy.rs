//! What the events of self-restraint carry: locks, the brake, earned autonomy, leadership, messages, rolling work,
//! drills.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::action::{ActionKind, Principal};
use crate::ids::Seq;
use crate::lock::LockKind;
use crate::subject::Subject;
use crate::time::{Span, Time};

/// A mark that keeps repairs off the event's subject. Taking it again extends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTaken {
    pub lock: LockKind,
    pub by: Principal,
    pub until: Time,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whoever holds it gives a sign at least this often; absent: it holds until its time without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Span>,
}

/// Nobody has given a sign for longer than the lock's heartbeat allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockStale {
    pub lock: LockKind,
    pub last: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReleased {
    pub lock: LockKind,
    /// `expired`, `released`, `stale`, `window_ended`.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
}

/// So much drifts at once that the fault is probably here: automatic repair stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrakeEngaged {
    /// Services whose drift began within the window.
    pub drifting: u32,
    /// Services on nodes with fresh evidence.
    pub fresh: u32,
    /// Share at which it engages, 0–100.
    pub limit: f64,
    /// Some of them.
    pub subjects: Vec<Subject>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrakeReleased {
    /// `share_fell`, `released`.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
}

/// A service changes between well and ill so often that repairing it is no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flapping {
    pub changes: u32,
    pub within: Span,
}

/// A rule moved from asking to automatic, or back. Row R7.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earned {
    /// `policy.rules[N]` at the time.
    pub rule: String,
    /// Of the rule's content.
    pub digest: String,
    /// Verified successes in a row.
    pub successes: u32,
    /// The action whose end decided.
    pub action: String,
}

/// This server decides from here on; whoever decided before does not any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaderElected {
    pub epoch: u64,
    /// For people: host and process.
    pub holder: String,
}

/// One cause, one thread: what people are told about one trouble belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertOpened {
    /// Unique in the log.
    pub thread: String,
    /// The kind of event that began it: what routes match.
    pub kind: String,
    /// What of the subject it is about: `state`, `offline`, `disk:/`. A cause is a subject and its topic.
    #[serde(default)]
    pub topic: String,
    pub title: String,
    pub text: String,
    /// It is told then, unless it is over; absent where no route takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell_at: Option<Time>,
}

/// The thread has news: it got worse, something was done, more is affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertChanged {
    pub thread: String,
    /// `escalated`, `repaired`, `joined`, `left`, `asks`, `stuck`, `flapping`, `again`, `reminder`,
    /// `unrouted`.
    pub change: String,
    pub text: String,
    /// Subjects that belong to it from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Subject>,
    /// Subjects that do not any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Subject>,
    /// The action that is the news, and is no news a second time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// It is told then at the latest; absent: it is no reason to tell anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell_at: Option<Time>,
}

/// What began the thread is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertClosed {
    pub thread: String,
    /// `recovered`, `repaired` (by Stead), `absorbed` (another thread tells of the cause), `removed`.
    pub reason: String,
    pub text: String,
}

/// A message is to be delivered: the intent, logged before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageQueued {
    /// Unique; the receiver may see it twice and knows it by this.
    pub id: String,
    /// Absent for a test message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    pub channel: String,
    /// The route that sent it there; empty for a test.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// `opened`, `changed`, `closed`, `test`.
    pub sort: String,
    pub severity: Severity,
    pub title: String,
    pub text: String,
    pub ping: bool,
}

/// How the delivery of a message ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEnded {
    pub id: String,
    pub channel: String,
    pub attempts: u32,
    /// Why it was given up; empty when it was delivered. Never the receiver's body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Work on many targets, a batch at a time. Row R11.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStarted {
    pub rollout: String,
    pub kind: ActionKind,
    /// What was asked for, as it was written.
    pub selector: String,
    /// In the order they are worked on.
    pub targets: Vec<Subject>,
    /// At once, at most.
    pub batch: u32,
    /// Pauses once this many have failed.
    pub max_failures: u32,
    pub by: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `rollout_paused`, `rollout_resumed`, `rollout_cancelled`, `rollout_completed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutChanged {
    pub rollout: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A target of a rollout got its action, or could not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutTarget {
    pub rollout: String,
    pub action: String,
    pub occurrence: u32,
    /// Why there is no action for it; empty where there is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub skipped: String,
}

/// What a drill proved. Row R9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillEnded {
    pub action: String,
    pub occurrence: u32,
    pub ok: bool,
    pub within: Span,
    /// From the break to the event that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Span>,
    /// From the break to the verified repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Span>,
    /// From the break to the first message delivered; absent where no route takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Span>,
    /// For people.
    pub detail: String,
    /// The break.
    pub broken: Seq,
}
