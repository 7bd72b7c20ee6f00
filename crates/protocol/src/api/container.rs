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
    /// Those that write far above their own past, of all nodes.
    pub write_anomalies: Vec<WriteAnomaly>,
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
    /// It writes far above its own past; null: it does not, or nobody can say.
    pub write_anomaly: Option<WriteAnomaly>,
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

/// `GET /api/v1/logs/search`: lines of containers and units on all nodes, merged by time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogSearch {
    /// The newest that were found, oldest first.
    pub lines: Vec<LogFound>,
    /// How each node that was asked answered, by name.
    pub nodes: Vec<LogSearched>,
    /// How the Loki that stead.yaml names answered; null: it names none.
    #[serde(default)]
    pub loki: Option<LokiSearched>,
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
    /// Whose line it is: one of the two, the other is empty.
    pub container: String,
    #[serde(default)]
    pub unit: String,
    /// Of a line that only Loki has and that is neither's: the file or job it is from.
    #[serde(default)]
    pub stream: String,
    /// Where it was read: `node` or `loki`.
    #[serde(default)]
    pub from: String,
    /// Written to standard error, or by a unit as an error.
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
    /// Whether the journals of its units were looked into.
    #[serde(default)]
    pub units: bool,
    pub found: u64,
    /// Why nothing of it could be searched; null: something was, and `limits` say what was not.
    pub problem: Option<String>,
}

/// What Loki had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LokiSearched {
    pub url: String,
    /// Lines of it that no node told.
    pub found: u64,
    /// Why it could not be asked, with what to do; null: it was.
    pub problem: Option<String>,
    /// The page of that problem: `loki-away`, `loki-refused`, `loki-answer`.
    pub code: Option<String>,
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

/// A container that writes far above its own past. Rates are bytes an hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriteAnomaly {
    pub subject: String,
    pub node: String,
    pub container: String,
    pub since: String,
    pub rate: u64,
    /// Before it began.
    pub usual: u64,
    /// What it went over.
    pub bound: u64,
    /// `rate` in times of `usual`; null where it usually writes nothing.
    pub factor: Option<f64>,
    /// The last thing that happened before it began. Before is not because.
    pub before: Option<super::Annotation>,
    /// Until the disk is full if everything it writes stays: the earliest it can be.
    pub full_in_ms: Option<u64>,
    /// One sentence.
    pub text: String,
    /// The event that says so.
    pub event: u64,
}

/// `GET /api/v1/advice/memory`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemoryAdvices {
    /// Measured time that advice takes.
    pub least_ms: u64,
    /// Percent above the highest use.
    pub headroom: u64,
    /// Never advised for: names of containers and images with `*`.
    pub exclude: Vec<String>,
    /// Changes first, then by node and name.
    pub containers: Vec<MemoryAdvice>,
}

/// What to do about one container's memory limit. Bytes; 0: none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemoryAdvice {
    pub node: String,
    pub container: String,
    pub image: String,
    pub service: Option<String>,
    pub stack: Option<String>,
    /// `change`, `fits`, `refused`.
    pub advice: String,
    pub limit: u64,
    pub reservation: u64,
    pub was_limit: u64,
    /// The highest use measured.
    pub peak: u64,
    /// Sentences, the deciding one first.
    pub why: Vec<String>,
    /// The lines of a compose file or of `services.yaml`; null where nothing changes.
    pub lines: Option<String>,
    /// A patch to its compose file can be asked for.
    pub compose: bool,
    /// How the latest change of its limit does.
    pub watch: Option<LimitWatch>,
}

/// Whether a new memory limit holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitWatch {
    /// `watching`, `held`, `killed`, `replaced`.
    pub verdict: String,
    /// When the limit came into force.
    pub since: String,
    /// When it ends or ended.
    pub at: String,
    pub limit: u64,
    pub kills: u32,
    /// For people.
    pub text: String,
}
