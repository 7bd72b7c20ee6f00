//! What of a subject a thread is about. A subject and its topic are a cause.

use alloc::format;
use alloc::string::String;

use crate::action::ActionKind;

/// A service that is ill, missing or does not run.
pub const STATE: &str = "state";
/// A node that is silent.
pub const OFFLINE: &str = "offline";
/// Much of the fleet drifts at once.
pub const BRAKE: &str = "brake";
/// The fleet's files cannot be used.
pub const FILES: &str = "files";
/// A container that writes far above its own past.
pub const WRITES: &str = "writes";
const ACTION: &str = "action:";
const AUTONOMY: &str = "autonomy:";

/// An action that nothing else tells of. Levels are their own topics: `disk:/`.
pub fn action(kind: ActionKind) -> String {
    format!("{ACTION}{kind}")
}

/// The action that a topic is about.
pub fn action_of(topic: &str) -> Option<ActionKind> {
    ActionKind::from_word(topic.strip_prefix(ACTION)?)
}

/// A rule that may not act without asking any more.
pub fn autonomy(digest: &str) -> String {
    format!("{AUTONOMY}{digest}")
}

/// The rule's digest.
pub fn autonomy_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(AUTONOMY)
}
