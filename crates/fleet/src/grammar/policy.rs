//! `policy:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Duration, Percent, TimeWindow};

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
}

/// What is automatic where no rule speaks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Highest level that needs no approval: 0 observe, 1 locks, edge and DNS, 2 restarts. Default 1.
    #[schemars(range(max = 2))]
    pub max_level: Option<u8>,
}

/// One exception.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What it applies to. All given keys must match; an empty match is refused.
    #[serde(rename = "match")]
    #[schemars(extend("x-must" = true))]
    pub matches: Option<Match>,
    /// Whether such an action runs without asking.
    #[schemars(extend("x-must" = true))]
    pub automatic: Option<bool>,
    /// Time of day in which the rule holds.
    pub between: Option<TimeWindow>,
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
    /// When this share of the fleet drifts at once, automatic repair stops. Default 55%.
    pub mass_drift: Option<Percent>,
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
