//! The policy in force.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Verdict;

/// `GET /api/v1/policy`: what may happen without asking, now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Where no rule speaks: without asking up to this level, where the risk is low.
    pub max_level: u8,
    /// Every kind of action.
    pub kinds: Vec<PolicyKind>,
    /// In their order: the first that matches decides.
    pub rules: Vec<PolicyRule>,
    pub limits: PolicyLimits,
    pub calendar: PolicyCalendar,
}

/// A kind of action, and what policy says where no rule speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyKind {
    pub kind: String,
    /// How far it reaches, 0–3.
    pub level: u8,
    /// `low`, `guarded`, `destructive`.
    pub risk: String,
    /// What it says now of such an action anywhere; rules that name a node or service may say otherwise there.
    pub verdict: Verdict,
    /// Rules about it, by their number, whether they hold now or not.
    pub rules: Vec<u32>,
    /// This build can carry it out.
    pub available: bool,
}

/// One rule of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyRule {
    /// N of `policy.rules[N]`.
    pub index: u32,
    pub action: Option<String>,
    pub node: Option<String>,
    pub service: Option<String>,
    /// `automatic`, `ask`, `max_level`, `earn`.
    pub says: String,
    /// The level of `max_level`, or the successes that `earn` asks for.
    pub number: Option<u32>,
    /// When it holds, for people: `22:00-07:00, outside business hours`; null: always.
    pub when: Option<String>,
    /// It holds at this hour.
    pub holds_now: bool,
    /// Verified successes in a row; null where nothing is to be earned.
    pub earned: Option<u32>,
    /// It has earned its autonomy; null where nothing is to be earned.
    pub is_earned: Option<bool>,
    /// For people.
    pub text: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyLimits {
    pub per_target_per_hour: u32,
    pub concurrent: u32,
    pub concurrent_per_node: u32,
    /// Share of the fleet that must drift at once for the brake, as it applies to this fleet's size, 0–100.
    pub mass_drift: f64,
    /// Wait after a first failure; doubles with each.
    pub back_off_ms: u64,
    /// Failures in a row after which Stead stops trying.
    pub give_up_after: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCalendar {
    /// IANA name; null: the server's own.
    pub timezone: Option<String>,
    /// `Mon-Fri 09:00-17:00`.
    pub business: String,
    /// `2026-12-25`.
    pub holidays: Vec<String>,
    /// It is business time now.
    pub is_business: bool,
}
