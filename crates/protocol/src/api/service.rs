//! Services as people see them: desired beside actual.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Container, Drift, Event, Held, Unit};

/// `GET /api/v1/services`, one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    pub node: String,
    pub name: String,
    /// `container`, `compose`, `systemd`, `process`, `loop`, `instance`, `external`.
    pub kind: String,
    /// `healthy`, `unhealthy`, `missing`, `starting`, `unknown`, `stale`; shown as held where `held` is, as working
    /// where `action` runs.
    pub state: String,
    /// What decided the state: `container_unhealthy`, `containers_not_running`, …; null when healthy.
    pub trigger: Option<String>,
    /// For people: "exited (137) 3 minutes ago".
    pub detail: String,
    /// Since when it is in this state.
    pub since: Option<String>,
    pub monitored: bool,
    /// False: runs on the node, but no file names it.
    pub managed: bool,
    pub drift: Vec<String>,
    /// Its open action.
    pub action: Option<String>,
    pub action_state: Option<String>,
    pub image: Option<String>,
    pub needs: Vec<String>,
    pub checks_total: u32,
    pub checks_failing: u32,
    /// The lock that keeps repairs off it.
    #[serde(default)]
    pub held: Option<Held>,
    /// It has been changing between well and ill too often since then.
    #[serde(default)]
    pub flapping: Option<String>,
    /// Services of `needs` that are in trouble: they come first.
    #[serde(default)]
    #[schema(required = true)]
    pub needs_ill: Vec<String>,
}

/// `GET /api/v1/services/{node}/{service}`: with the drill-down of row O3.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceDetail {
    #[serde(flatten)]
    pub service: Service,
    /// What the files say, as YAML-shaped JSON; null for unmanaged ones.
    pub desired: Option<serde_json::Value>,
    pub containers: Vec<Container>,
    pub units: Vec<Unit>,
    pub checks: Vec<CheckState>,
    pub health: Option<HealthDetail>,
    pub drift_list: Vec<Drift>,
    /// What happened shortly before it fell ill: deploy, reboot, config; newest first.
    pub changed_before: Vec<Event>,
    /// Newest first, at most 30.
    pub events: Vec<Event>,
    /// Newest first, at most 20.
    pub actions: Vec<Action>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckState {
    pub name: String,
    pub probe: String,
    pub asked: String,
    /// `passing`, `failing`, `unknown`, `waiting` (no answer yet).
    pub verdict: String,
    pub since: Option<String>,
    pub answer: String,
    pub every_ms: u64,
}

/// O3: why is it unhealthy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthDetail {
    pub unhealthy_since: Option<String>,
    pub failing_streak: u32,
    /// Last three, newest first.
    pub outputs: Vec<HealthOutput>,
    pub restart_count: u32,
    pub last_oom: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthOutput {
    pub at: String,
    pub exit_code: i64,
    pub output: String,
}
