//! Nodes as people see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Drift, Event, Held, Service};

/// `GET /api/v1/nodes`, one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    pub name: String,
    /// `fresh`, `stale`, `unknown`.
    pub evidence: String,
    /// Connected right now.
    pub connected: bool,
    pub last_seen: Option<String>,
    /// In the fleet directory.
    pub desired: bool,
    pub labels: std::collections::BTreeMap<String, String>,
    /// `inspector` or `operator`.
    pub access: String,
    pub hostname: String,
    pub os: String,
    pub kernel: String,
    pub arch: String,
    pub virtualization: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub swap_bytes: u64,
    pub agent_version: String,
    pub read_only: bool,
    pub boot_id: String,
    pub booted_at: Option<String>,
    pub services: super::ServiceCounts,
    pub containers: u64,
    /// Docker, compose, systemd: whether the agent can use them.
    pub sources: Vec<Source>,
    /// Thresholds crossed now.
    pub levels: Vec<Level>,
    /// Newest live sample, null while none came.
    pub sample: Option<Sample>,
    pub score: Option<f64>,
    /// The lock that keeps repairs off it.
    #[serde(default)]
    pub held: Option<Held>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// `docker`, `compose`, `systemd`.
    pub name: String,
    /// `up`, `absent`, `down`.
    pub state: String,
    pub version: String,
    /// What to know or do when it is not up.
    pub detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Level {
    /// `disk:/srv`, `steal`, `swap_used`, `swap_cached`.
    pub metric: String,
    /// `ok`, `noted`, `warning`, `critical`.
    pub level: String,
    pub value: f64,
    pub what: String,
    pub since: Option<String>,
}

/// What a node measured last. Percent are 0–100 of the whole machine; rates are per second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    pub at: String,
    pub cpu_percent: f64,
    pub steal_percent: f64,
    pub iowait_percent: f64,
    pub user_percent: f64,
    pub system_percent: f64,
    pub load1: f64,
    pub load5: f64,
    pub load15: f64,
    pub psi_cpu: Option<f64>,
    pub psi_memory: Option<f64>,
    pub psi_io: Option<f64>,
    pub memory_total: u64,
    pub memory_available: u64,
    pub memory_used: u64,
    pub swap_total: u64,
    pub swap_used: u64,
    pub swap_cached: u64,
    pub disk_read_bytes: f64,
    pub disk_write_bytes: f64,
    pub disk_busy_percent: f64,
    pub net_rx_bytes: f64,
    pub net_tx_bytes: f64,
    pub processes: u64,
    pub filesystems: Vec<Filesystem>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Filesystem {
    pub mount: String,
    pub fs: String,
    pub total: u64,
    pub used: u64,
    pub used_percent: f64,
    pub inodes_percent: Option<f64>,
}

/// `GET /api/v1/nodes/{node}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeDetail {
    #[serde(flatten)]
    pub node: Node,
    pub services_list: Vec<Service>,
    pub containers_list: Vec<Container>,
    pub units_list: Vec<Unit>,
    pub drift: Vec<Drift>,
    /// Containers that write far above their own past.
    #[serde(default)]
    #[schema(required = true)]
    pub write_anomalies: Vec<super::WriteAnomaly>,
    /// Newest first, at most 30.
    pub events: Vec<Event>,
    pub reboots: Vec<Event>,
}

/// `GET /api/v1/nodes/{node}/samples`: the last minutes, oldest first, one a second, from the server's memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Samples {
    pub node: String,
    pub samples: Vec<Sample>,
}

/// A container on a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Container {
    pub node: String,
    pub name: String,
    pub id: String,
    pub image: String,
    pub image_id: String,
    pub stack: Option<String>,
    /// `running`, `exited`, …
    pub state: String,
    /// `none`, `starting`, `healthy`, `failing`, `unhealthy`.
    pub health: String,
    pub created_at: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub restart_count: u32,
    pub ports: Vec<String>,
    pub labels: std::collections::BTreeMap<String, String>,
    pub memory_limit: u64,
    pub restart_policy: String,
    pub stopped_by_person: bool,
    /// The service of the fleet it belongs to; null: unmanaged.
    pub service: Option<String>,
    pub cpu_percent: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub net_rx_bytes: Option<f64>,
    pub net_tx_bytes: Option<f64>,
    pub block_write_bytes: Option<f64>,
    /// How sure its state is: `fresh`, `stale`, `unknown`, as its node's.
    #[serde(default)]
    #[schema(required = true)]
    pub evidence: String,
    /// It fails its own health check for longer than its patience, restarts again and again, or is dead; on fresh evidence
    /// only.
    #[serde(default)]
    #[schema(required = true)]
    pub unhealthy: bool,
    /// When its image was made.
    #[serde(default)]
    pub image_created_at: Option<String>,
    /// What a restart of it is asked of: its service where it has one.
    #[serde(default)]
    #[schema(required = true)]
    pub restarts_as: String,
}

/// A systemd unit on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unit {
    pub node: String,
    pub name: String,
    pub description: String,
    pub load: String,
    pub active: String,
    pub sub: String,
    pub result: String,
    pub enabled: String,
    pub restarts: u32,
    pub active_since: Option<String>,
    pub service: Option<String>,
}
