//! The fleet as a whole: summary, overview, session, version.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Alert, Brake, DidEntry, Event, Lock, Need, Node, Rollout};

/// `GET /summary` and `stead status --json`. Counts only; needs no token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    pub fleet: String,
    pub nodes: NodeCounts,
    pub services: ServiceCounts,
    pub actions: ActionCounts,
    /// 0–100; null until there is one.
    pub score: Option<f64>,
    /// RFC 3339.
    pub at: String,
    /// All automatic repair is stopped.
    #[serde(default)]
    #[schema(required = true)]
    pub brake: bool,
    #[serde(default)]
    #[schema(required = true)]
    pub locks: u64,
    #[serde(default)]
    #[schema(required = true)]
    pub alerts: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCounts {
    pub total: u64,
    pub fresh: u64,
    pub stale: u64,
    pub unknown: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceCounts {
    pub total: u64,
    pub healthy: u64,
    pub unhealthy: u64,
    pub missing: u64,
    pub unknown: u64,
    pub stale: u64,
    /// Starting, or failing for less than its patience.
    pub starting: u64,
}

/// Open actions by state, and those that ended in the last 24 hours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionCounts {
    pub pending: u64,
    pub approved: u64,
    pub running: u64,
    pub completed: u64,
    pub failed: u64,
    pub rejected: u64,
    pub cancelled: u64,
}

/// `GET /api/v1/overview`: the first page in one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    pub summary: Summary,
    /// "All 14 services on 4 nodes are well", "2 things need you".
    pub sentence: String,
    /// `well`, `attention`, `trouble`, `unknown`.
    pub mood: String,
    /// Pending actions and whatever else waits for a person, oldest first.
    pub needs_you: Vec<Action>,
    /// Drift that has no action, or whose action is running.
    pub drift: Vec<Drift>,
    /// Actions ended since `since` (query) or in the last 24 h, newest first.
    pub done: Vec<Action>,
    pub nodes: Vec<Node>,
    /// Newest first, at most 20, warnings and criticals.
    pub recent: Vec<Event>,
    /// What the fleet files ask for that this build does not act on.
    pub notices: Vec<String>,
    /// Trouble of Stead itself (log not writable, fleet directory broken): code, text, remedy.
    pub troubles: Vec<Trouble>,
    #[serde(default)]
    #[schema(required = true)]
    pub brake: Brake,
    /// Soonest to end first.
    #[serde(default)]
    #[schema(required = true)]
    pub locks: Vec<Lock>,
    #[serde(default)]
    #[schema(required = true)]
    pub alerts_open: u64,
    /// Open ones, worst first, at most 50.
    #[serde(default)]
    #[schema(required = true)]
    pub alerts: Vec<Alert>,
    /// Running and paused ones.
    #[serde(default)]
    #[schema(required = true)]
    pub rollouts: Vec<Rollout>,
    /// Containers that write far above their own past.
    #[serde(default)]
    #[schema(required = true)]
    pub write_anomalies: Vec<super::WriteAnomaly>,
    /// What Stead did since `since`.
    #[serde(default)]
    #[schema(required = true)]
    pub did: Did,
    /// All that needs a person, each with the next step: worst first, at most 50.
    #[serde(default)]
    #[schema(required = true)]
    pub needs: Vec<Need>,
    /// How many more there are.
    #[serde(default)]
    #[schema(required = true)]
    pub needs_unlisted: u64,
    /// Nodes beyond those listed; `/api/v1/nodes` has all.
    #[serde(default)]
    #[schema(required = true)]
    pub nodes_unlisted: u64,
}

/// What Stead did while nobody looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Did {
    /// "Stead mended 3 things by itself and asked about 1."
    pub sentence: String,
    pub since: String,
    /// Repairs that policy approved and that were verified.
    pub mended: u64,
    /// Of those a person approved or started.
    pub done_for_people: u64,
    pub failed: u64,
    /// Gone by themselves before anybody decided.
    pub cancelled: u64,
    /// Messages delivered.
    pub told: u64,
    /// Where the time ends, RFC 3339; absent: now.
    #[serde(default)]
    pub until: Option<String>,
    /// Cleanups that policy approved and that were verified.
    #[serde(default)]
    #[schema(required = true)]
    pub chores: u64,
    /// Bytes freed by all that was done.
    #[serde(default)]
    #[schema(required = true)]
    pub freed: u64,
    /// What a person said no to.
    #[serde(default)]
    #[schema(required = true)]
    pub declined: u64,
    /// Differences that began and that nothing is done about.
    #[serde(default)]
    #[schema(required = true)]
    pub left_alone: u64,
    /// Newest first, at most 100.
    #[serde(default)]
    #[schema(required = true)]
    pub entries: Vec<DidEntry>,
    /// More was done than is counted here; `/api/v1/events` has all.
    #[serde(default)]
    #[schema(required = true)]
    pub truncated: bool,
}

/// Something wrong with Stead itself, shown as a banner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trouble {
    pub code: String,
    pub text: String,
    pub remedy: String,
    pub since: String,
}

/// `GET /api/v1/drift`, one difference between desired state and world.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    pub subject: String,
    pub node: Option<String>,
    pub service: Option<String>,
    /// `missing_service`, `unhealthy_service`, `unexpected_service`, `changed_service`, `disk_pressure`, `agent_offline`, …
    pub kind: String,
    /// `containers_not_running`, `container_unhealthy`, `mqtt_unreachable`, `unit_failed`, `check_failed`, `absent`, …
    pub trigger: String,
    /// For people.
    pub detail: String,
    pub since: String,
    /// The open action that answers it.
    pub action: Option<String>,
    /// Why there is no action, or why it does not run: for people.
    pub why_not: Option<String>,
    /// What to add to the fleet files so that Stead could mend it.
    pub remedy: Option<String>,
}

/// `GET /api/v1/desired`: where the desired state comes from and how its last reading went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DesiredInfo {
    pub source: String,
    pub commit: Option<String>,
    pub dirty: bool,
    pub digest: String,
    pub loaded_at: Option<String>,
    pub problems: Vec<FleetProblem>,
    pub notices: Vec<String>,
}

/// One problem in a fleet file, also of `stead check --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetProblem {
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    pub message: String,
    pub help: Option<String>,
}

/// `POST /api/v1/session`: a one-time login secret (from the printed link) or an access token, for a cookie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignIn {
    /// One-time secret of the login link's fragment, or an access token (`<data>/admin.token`).
    pub secret: String,
}

/// `GET /api/v1/session`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub user: String,
    pub role: String,
    pub fleet: String,
    pub version: String,
    /// RFC 3339; null for tokens.
    pub expires_at: Option<String>,
}

/// `GET /api/v1/version` and `stead version --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    pub version: String,
    pub protocol: u32,
    pub schema: u32,
    pub commit: Option<String>,
}

/// `POST /api/v1/login-link`: a fresh one-time link for a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginLink {
    /// Put the server's address in front: `/login#…`. The fragment never reaches a server's log.
    pub path: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// `GET /healthz`. Needs no token; answers 503 while the event log cannot be written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthStatus {
    /// `ok`, or `trouble`.
    pub status: String,
    pub version: String,
    /// Sequence of the newest event.
    pub head: u64,
    pub at: String,
    pub troubles: Vec<Trouble>,
}

/// `GET /api/v1/table`: which trouble is answered by which action. The first line that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepairLine {
    /// A drift kind.
    pub drift: String,
    /// A trigger; null: any.
    pub trigger: Option<String>,
    /// A kind of service; null: any.
    pub kind: Option<String>,
    /// An action kind, or `none`: only tell.
    pub action: String,
    /// `stead.yaml` or `built-in`.
    pub from: String,
}
