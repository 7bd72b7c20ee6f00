//! Containers across nodes as people see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Container, Event, HealthDetail};

/// `GET /api/v1/containers`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Containers {
    /// Those the filters leave: unhealthy ones first, then by node and name.
    pub containers: Vec<Container>,
    /// Of all nodes and states, whatever the filters say.
    pub counts: ContainerCounts,
    /// Stacks there are, by name.
    pub stacks: Vec<Stack>,
}

/// How many containers are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContainerCounts {
    pub total: u64,
    pub unhealthy: u64,
    pub not_running: u64,
    /// Running without a memory limit.
    pub no_limit: u64,
    /// Of nodes whose evidence is not fresh: nobody knows how they are now.
    pub not_fresh: u64,
}

/// Containers that belong together: a compose project or a swarm stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stack {
    pub name: String,
    pub total: u64,
    pub unhealthy: u64,
}

/// `GET /api/v1/containers/{node}/{container}`: with the drill-down of row O3.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContainerDetail {
    #[serde(flatten)]
    pub container: Container,
    pub health_detail: HealthDetail,
    /// How it was over the time asked for, oldest first, without gaps; what nobody knows is `unknown`.
    pub health_history: Vec<HealthSpan>,
    /// What happened shortly before it fell ill: deploy, reboot, config; newest first.
    pub changed_before: Vec<Event>,
    /// Newest first, at most 30.
    pub events: Vec<Event>,
    /// Newest first, at most 20.
    pub actions: Vec<Action>,
}

/// A stretch of time in which a container was the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthSpan {
    pub from: String,
    pub to: String,
    /// A health (`healthy`, `failing`, `unhealthy`, `starting`), `running` where it has no health check, another state
    /// (`exited`, …), `absent`, or `unknown`.
    pub state: String,
}

/// `POST /api/v1/containers/restart`. A dry run says what it would touch, and names each target's plan; a restart wants
/// exactly those targets back, so that nobody restarts what was not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartContainers {
    /// Only say what it would touch: all unhealthy containers that the filters leave.
    #[serde(default)]
    pub dry_run: bool,
    /// Of this node only.
    #[serde(default)]
    pub node: Option<String>,
    /// Of this stack only.
    #[serde(default)]
    pub stack: Option<String>,
    /// What is to be restarted, as a dry run named it. Empty means nothing.
    #[serde(default)]
    pub targets: Vec<RestartTarget>,
    /// The rest waits once this many have failed; absent: 3.
    #[serde(default)]
    pub max_failures: Option<u32>,
    #[serde(default)]
    pub note: Option<String>,
}

/// One target of a restart, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestartTarget {
    /// `service/NODE/NAME`, or `container/NODE/NAME` where no file names it.
    pub subject: String,
    /// The plan that was read.
    pub digest: String,
}

/// Answer to `POST /api/v1/containers/restart`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestartPlan {
    /// The rollout that does it; null for a dry run.
    pub rollout: Option<String>,
    /// One sentence.
    pub sentence: String,
    pub targets: Vec<PlannedRestart>,
}

/// What a restart does to one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedRestart {
    pub subject: String,
    pub node: String,
    pub digest: String,
    /// Every container it restarts, by name and ID.
    pub containers: Vec<PlannedContainer>,
    /// Why it is among the targets.
    pub why: String,
    /// Why it is left out; null: it is restarted.
    pub left_out: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedContainer {
    pub name: String,
    pub id: String,
}

/// `GET /api/v1/logs/search`: lines of containers on all nodes, merged by time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogSearch {
    /// The newest that were found, oldest first.
    pub lines: Vec<LogFound>,
    /// How each node that was asked answered, by name.
    pub nodes: Vec<LogSearched>,
    /// Lines looked at, and bytes of them.
    pub looked_at: u64,
    pub bytes: u64,
    /// Why there may be more than is shown, a sentence each; empty: that is all.
    pub limits: Vec<String>,
}

/// A line that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogFound {
    pub at: String,
    pub node: String,
    pub container: String,
    /// Written to standard error.
    pub error: bool,
    pub text: String,
}

/// How far the search got on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogSearched {
    pub node: String,
    /// Containers it looked into, and those there are.
    pub containers: u32,
    pub of: u32,
    pub found: u64,
    /// Why it could not be searched; null: it was.
    pub problem: Option<String>,
}

/// One line of the same answer as `application/x-ndjson`: nodes as they answer, then the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogSearchLine {
    Progress {
        /// Nodes that have answered, and all that were asked.
        done: u32,
        of: u32,
        node: LogSearched,
    },
    Found(LogSearch),
}
