//! What happened at an instant: drawn on a trend, and named as what came before something began.
//!
//! Made by the caller from the log; nothing here reads events. Before is not because: the words never say that an
//! annotation is the cause.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::time::{Span, Time};

/// What kind of happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationKind {
    Deploy,
    Restart,
    Reboot,
    Update,
    Repair,
    Cleanup,
    Config,
}

impl AnnotationKind {
    pub fn word(self) -> &'static str {
        match self {
            AnnotationKind::Deploy => "deploy",
            AnnotationKind::Restart => "restart",
            AnnotationKind::Reboot => "reboot",
            AnnotationKind::Update => "update",
            AnnotationKind::Repair => "repair",
            AnnotationKind::Cleanup => "cleanup",
            AnnotationKind::Config => "config commit",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    pub at: Time,
    pub kind: AnnotationKind,
    /// For people: `web 1.4.2 → 1.5.0`, `commit 3f2a1c9`.
    pub what: String,
    /// The event it is made from, to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Seq>,
}

/// The last annotation not after `at` and at most `within` before it. They need not be in order; of two at one instant the
/// later in the list is taken.
pub fn last_before(annotations: &[Annotation], at: Time, within: Span) -> Option<&Annotation> {
    annotations
        .iter()
        .filter(|a| a.at <= at && at.since(a.at) <= within)
        .max_by_key(|a| a.at)
}
