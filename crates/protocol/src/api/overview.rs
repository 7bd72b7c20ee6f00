//! What the first page adds up: what needs a person, and what was done while nobody looked; and the page for everybody.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that needs a person, with the next step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Need {
    /// `question` an action waits for a decision · `failure` a repair failed and its trouble is still there ·
    /// `trouble` of Stead itself · `brake` · `silence` a node is not heard · `source` an engine or manager on a node does
    /// not answer · `level` a threshold is crossed · `drift` a difference that nothing is done about.
    pub kind: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    pub text: String,
    /// What to do next, in words.
    pub next: String,
    /// What this is about, as `service/NODE/NAME`; absent: Stead itself.
    pub subject: Option<String>,
    /// Where the UI shows it.
    pub page: Option<String>,
    /// The next step as a command, where there is one.
    pub command: Option<String>,
    /// RFC 3339.
    pub since: Option<String>,
}

/// One line of what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DidEntry {
    /// RFC 3339.
    pub at: String,
    /// `repair` policy approved it and it was verified · `chore` cleaning up, likewise · `for_people` a person approved or
    /// started it · `failure` · `resolved` the trouble was gone before anybody decided · `declined` a person said no ·
    /// `left_alone` seen, and nothing was done.
    pub kind: String,
    pub text: String,
    /// Why it failed, or why it was left alone.
    pub why: Option<String>,
    pub subject: String,
    /// The action's ID and occurrence, where there was one.
    pub action: Option<String>,
    pub occurrence: Option<u32>,
    /// Its event in the log.
    pub seq: Option<u64>,
}

/// `GET /status.json`: what anybody may read. Only what `status_page:` names is in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusPage {
    pub title: String,
    /// `operational`, `outage`, `unknown`.
    pub state: String,
    /// "All 3 services are up."
    pub sentence: String,
    /// By name.
    pub services: Vec<StatusService>,
    /// What is down now first, then the latest that was, at most 20.
    pub incidents: Vec<StatusIncident>,
    /// RFC 3339: when this was made.
    pub at: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusService {
    pub name: String,
    /// `up`, `down`, `unknown`.
    pub state: String,
    /// 0–100 over the days that are known; null where none is.
    pub uptime: Option<f64>,
    /// 90 days of UTC, the last one today: 0–100, null where nothing is known.
    pub days: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusIncident {
    pub name: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339; null while it lasts.
    pub until: Option<String>,
    pub minutes: u64,
}
