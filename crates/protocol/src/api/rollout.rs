//! Rolling work, and drills.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Work on many targets, a batch at a time: an element of `GET /api/v1/rollouts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    pub id: String,
    /// A kind of action.
    pub kind: String,
    /// What was asked for, as it was written.
    pub selector: String,
    /// `running`, `paused`, `completed`, `cancelled`.
    pub state: String,
    /// Why it is paused or ended, for people.
    pub why: String,
    /// At once, at most.
    pub batch: u32,
    /// It pauses once this many have failed.
    pub max_failures: u32,
    pub by: String,
    pub note: Option<String>,
    pub started_at: String,
    pub updated_at: String,
    pub counts: RolloutCounts,
    /// In the order they are worked on.
    pub targets: Vec<RolloutTarget>,
}

/// How many targets stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutCounts {
    pub total: u64,
    pub waiting: u64,
    pub working: u64,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// One target of a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutTarget {
    pub subject: String,
    /// `waiting`, `working`, `done`, `failed`, `skipped`.
    pub state: String,
    /// Its action, as people read it: `ID#3`.
    pub action: Option<String>,
    /// Why it was left out or failed.
    pub why: String,
}

/// How many at once: `2`, or a share such as `"25%"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Batch {
    Count(u32),
    Share(String),
}

impl Default for Batch {
    fn default() -> Self {
        Batch::Count(1)
    }
}

/// `POST /api/v1/rollouts`: one action per target, a batch at a time, paused on failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewRollout {
    /// `container_restart`, `redeploy`, `unit_restart`, `disk_cleanup`, …
    pub kind: String,
    /// `service/*/web-*`, `node/pi*`, `label:site=home`: a space is "and", a comma is "or".
    pub selector: String,
    #[serde(default)]
    pub batch: Batch,
    /// It pauses once this many have failed; absent: 1.
    #[serde(default)]
    pub max_failures: Option<u32>,
    #[serde(default)]
    pub note: Option<String>,
    /// Only say what it would touch.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer to `POST /api/v1/rollouts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutPlan {
    /// Its name; null for a dry run.
    pub id: Option<String>,
    pub kind: String,
    /// At once, at most.
    pub batch: u32,
    pub max_failures: u32,
    /// In the order they are worked on; with why, where one would be left out.
    pub targets: Vec<RolloutTarget>,
}

/// `GET /api/v1/drills`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drills {
    /// What is broken on purpose; null: the fleet files name no drill.
    pub canary: Option<Canary>,
    /// The drill that runs now.
    pub running: Option<String>,
    /// Newest first.
    pub drills: Vec<Drill>,
}

/// A container Stead owns, to break.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Canary {
    pub node: String,
    pub subject: String,
    pub image: String,
    /// Cron expression; null: only when somebody runs it.
    pub schedule: Option<String>,
    /// Noticed, mended and said within this time.
    pub within_ms: u64,
}

/// What a drill proved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drill {
    pub action: String,
    pub occurrence: u32,
    pub at: String,
    pub ok: bool,
    pub within_ms: u64,
    /// From the break to the event that says so.
    pub detected_ms: Option<u64>,
    /// From the break to the verified repair.
    pub repaired_ms: Option<u64>,
    /// From the break to the first message delivered; null where no route takes it.
    pub told_ms: Option<u64>,
    /// For people.
    pub detail: String,
    /// The event of the break.
    pub broken: u64,
}
