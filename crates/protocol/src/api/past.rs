//! Time travel and backtests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far back `?at=` can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastSpan {
    /// What the log keeps begins here; absent while it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    pub now: String,
}

/// `POST /api/v1/policy/test`: which policy to try on what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTest {
    /// A whole `stead.yaml`; its `policy:` is tried.
    pub policy: String,
    /// A span ago (`30d`), a time of day (`yesterday 03:00`) or RFC 3339.
    pub since: String,
    /// The same; absent: now.
    #[serde(default)]
    pub until: Option<String>,
}

/// What the policy on trial would have done, beside what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTested {
    /// For people: `would have restarted 14, asked 3, paged 1, refused 2 by limit`.
    pub summary: String,
    pub since: String,
    pub until: String,
    /// Events of the period, and how many of them are observations or people's doing.
    pub events: u64,
    pub given: u64,
    pub would: PolicySum,
    pub was: PolicySum,
    /// The latest, oldest first; `would_unlisted` older ones are only counted.
    pub would_list: Vec<PolicyDecision>,
    pub would_unlisted: u64,
    pub was_list: Vec<PolicyDecision>,
    pub was_unlisted: u64,
}

/// Decisions, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicySum {
    /// Carried out without asking.
    pub automatic: u64,
    pub by_kind: std::collections::BTreeMap<String, u64>,
    /// Of those: the record shows that the trouble was over in time, or that it was not.
    pub verified: u64,
    pub failed: u64,
    pub asked: u64,
    /// Held by a limit and never carried out.
    pub refused: u64,
    pub by_limit: std::collections::BTreeMap<String, u64>,
    /// Free to begin, but over before there was room.
    pub waited: u64,
    /// Critical threads.
    pub paged: u64,
    pub messages: u64,
    /// How often the brake stopped all automatic repair.
    pub braked: u64,
}

/// One decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyDecision {
    pub at: String,
    pub subject: String,
    pub action: String,
    pub occurrence: u32,
    pub reason: String,
    /// `ready`, `ask`, `refused`.
    pub answer: String,
    pub rule: String,
    pub limit: Option<String>,
    /// `completed`, `failed`, `cancelled`, `rejected`; null where it was open at the end.
    pub outcome: Option<String>,
}

/// One line of the answer where `application/x-ndjson` was asked for: how far it is, then the answer or why there is
/// none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyTestLine {
    Progress { done: u64, total: u64, at: String },
    Tested(Box<PolicyTested>),
    Problem(super::Problem),
}
