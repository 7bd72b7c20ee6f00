//! `policy:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Business, Date, Duration, Level, Percent, TimeWindow, Weekdays};

/// What may happen without asking.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What is automatic where no rule speaks.
    pub automatic: Automatic,
    /// Exceptions, tried in order; the first that matches decides.
    pub rules: Vec<Rule>,
    /// Bounds on automatic work.
    pub limits: Limits,
    /// Which trouble is answered by which action. Consulted before the built-in table.
    pub repairs: Vec<Repair>,
    /// Where you live and when you work.
    pub calendar: Calendar,
}

/// What is automatic where no rule speaks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Highest level that needs no approval: 0 observe, 1 locks, edge and DNS, 2 restarts. Default 1.
    pub max_level: Option<Level>,
}

/// One exception. It says exactly one of `automatic`, `max_level` and `earn`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What it applies to. All given keys must match; an empty match is refused.
    #[serde(rename = "match")]
    #[schemars(extend("x-must" = true))]
    pub matches: Option<Match>,
    /// Whether such an action runs without asking. What destroys always asks.
    pub automatic: Option<bool>,
    /// Highest level that needs no approval, in place of `automatic.max_level`.
    pub max_level: Option<Level>,
    /// Asks until this many in a row succeeded and were verified, then runs without; one failure takes it back.
    #[schemars(range(min = 1, max = 32))]
    pub earn: Option<u32>,
    /// Time of day in which the rule holds, in the calendar's time zone.
    pub between: Option<TimeWindow>,
    /// Days of the week on which it holds, `Mon-Fri` or a list. Default: every day.
    pub days: Option<Weekdays>,
    /// Whether it holds within or outside business hours. Default: both.
    pub hours: Option<Hours>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hours {
    Business,
    OutsideBusiness,
}

/// Where you live and when you work.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Calendar {
    /// Time zone, `Europe/Warsaw`. Default: the server's.
    pub timezone: Option<String>,
    /// Business hours. Default `Mon-Fri 09:00-17:00`.
    pub business: Option<Business>,
    /// Days on which nobody works.
    pub holidays: Vec<Date>,
}

/// What a rule applies to. Values may contain `*` and `?`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// An action kind: `container_restart`, `redeploy`, …
    pub action: Option<String>,
    /// A node.
    pub node: Option<String>,
    /// A service.
    pub service: Option<String>,
}

/// Bounds on automatic work.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Automatic repairs of one target within an hour. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub per_target_per_hour: Option<u32>,
    /// Actions running at the same time in the whole fleet. Default 4.
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent: Option<u32>,
    /// Actions running at the same time on one node. Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub concurrent_per_node: Option<u32>,
    /// When this share of a fleet of up to 50 nodes drifts at once, automatic repair stops. Default 55%.
    pub mass_drift: Option<Percent>,
    /// The same for a larger fleet. Default 20%.
    pub mass_drift_large: Option<Percent>,
    /// Wait after a failure before the same repair is proposed again; doubles with each. Default 2m.
    pub back_off: Option<Duration>,
}

/// One line of the table "which trouble is answered by which action".
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Repair {
    /// A drift kind: `unhealthy_service`, `missing_service`, `disk_pressure`, …
    #[schemars(extend("x-must" = true))]
    pub drift: Option<String>,
    /// What was seen: `containers_not_running`, `mqtt_unreachable`, …; absent: anything.
    pub trigger: Option<String>,
    /// A service kind; absent: any.
    pub kind: Option<super::service::Kind>,
    /// An action kind, or `none`: only tell.
    #[schemars(extend("x-must" = true))]
    pub action: Option<String>,
}
