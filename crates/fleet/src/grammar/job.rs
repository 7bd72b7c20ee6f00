//! `hosts/<node>/jobs.yaml`: work on a schedule, and the backups that must exist.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::backup::Backup;
use super::scalar::{Duration, Pairs, Schedule, Words};

/// `hosts/<node>/jobs.yaml`: work on a schedule, and the backups that must exist.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobsFile {
    /// Jobs by name.
    pub jobs: BTreeMap<String, Job>,
    /// Backups by name.
    pub backups: BTreeMap<String, Backup>,
}

/// Work on a schedule. Exactly one of `run` and `cleanup`, and exactly one of `schedule` and `every`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Job {
    /// The program and its arguments, as a list of words or as one text. No shell is involved.
    pub run: Option<Words>,
    /// Make room on the node's disks.
    pub cleanup: Option<Cleanup>,
    /// A cron expression.
    pub schedule: Option<Schedule>,
    /// A fixed interval instead.
    pub every: Option<Duration>,
    /// Time zone of the schedule. Default UTC.
    pub timezone: Option<String>,
    /// Stopped when it takes longer. Default 1h.
    pub timeout: Option<Duration>,
    /// Further tries after a failure. Default 0.
    #[schemars(range(max = 100))]
    pub retries: Option<u32>,
    /// What to do when the last run has not ended. Default `skip`.
    pub overlap: Option<Overlap>,
    /// A random wait before each run, at most this long.
    pub jitter: Option<Duration>,
    /// `true`: it does not run until this is removed.
    pub paused: Option<bool>,
    /// Environment, as a map or as a list of `NAME=VALUE`.
    pub environment: Option<Pairs>,
    /// The user it runs as. Default: the agent's.
    pub user: Option<String>,
}

/// Make room on the node's disks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cleanup {
    /// How far it goes.
    #[schemars(extend("x-must" = true))]
    pub mode: Option<CleanupMode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CleanupMode {
    /// Only says what it would free.
    DryRun,
    /// What nothing uses.
    Standard,
    /// Also what would have to be fetched again.
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The new run is left out.
    Skip,
    /// The new run waits.
    Queue,
    /// Both run.
    Allow,
}
