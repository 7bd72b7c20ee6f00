//! Policy as data: what may happen without asking, and which action answers which drift.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Days, Hours};
use crate::time::Span;

/// What may happen without asking.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub automatic: Automatic,
    /// The first rule that matches decides.
    pub rules: Vec<Rule>,
    pub limits: Limits,
    /// Consulted before the built-in table of repairs.
    pub repairs: Vec<RepairRule>,
    /// The owner's time zone, business hours and holidays.
    pub calendar: Calendar,
}

/// What is automatic where no rule speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Automatic {
    /// 0–2; an action of a higher level asks.
    pub max_level: u8,
}

impl Default for Automatic {
    fn default() -> Self {
        Self { max_level: 1 }
    }
}

/// One rule: what it matches, when it holds, and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    #[serde(rename = "match")]
    pub matches: Match,
    #[serde(flatten)]
    pub says: Says,
    /// Local time of day in which the rule holds, in the calendar's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Window>,
    /// Days of the week on which it holds; absent: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Days>,
    /// Whether it holds within or outside business hours; absent: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// What a rule says about the actions it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// `true`: without asking, whatever its level and risk, but never what destroys. `false`: a person decides.
    Automatic(bool),
    /// In place of [`Automatic::max_level`]: without asking up to this level where the risk is low. 0–2.
    MaxLevel(u8),
    /// A person decides, until this many in a row succeeded and were verified; one failure takes it back. Row R7.
    Earn(u32),
}

impl Rule {
    /// Content address: what has been earned under a rule is not earned under another one.
    pub fn digest(&self) -> String {
        crate::ids::digest(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A time of day window in minutes since midnight; `from > to` wraps around midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: u16,
    pub to: u16,
}

impl Window {
    /// Whether minute-of-day `minute` lies in it; `from == to` is the whole day.
    pub fn contains(self, minute: u16) -> bool {
        if self.from == self.to {
            true
        } else if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// What a rule applies to. Every given field must match; texts are globs (`*`, `?`). An empty match matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// Bounds on automatic work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub per_target_per_hour: u32,
    pub concurrent: u32,
    pub concurrent_per_node: u32,
    /// Share of a fleet of up to [`Limits::SMALL_FLEET`] nodes that must drift at once for the brake, 0–100.
    pub mass_drift: f64,
    /// The same for a larger fleet.
    pub mass_drift_large: f64,
    /// Wait after a failure before the same repair is proposed again; doubles with each.
    pub back_off: Span,
}

impl Limits {
    /// A fleet of more nodes than this is a large one.
    pub const SMALL_FLEET: usize = 50;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_target_per_hour: 3,
            concurrent: 4,
            concurrent_per_node: 1,
            mass_drift: 55.0,
            mass_drift_large: 20.0,
            back_off: Span::mins(2),
        }
    }
}

/// One line of the table "which trouble is answered by which action".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRule {
    /// A drift kind (`unhealthy_service`, …).
    pub drift: String,
    /// A trigger (`containers_not_running`, …); absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// A service kind (`container`, …); absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// An action kind, or `none`: only tell.
    pub action: String,
}
