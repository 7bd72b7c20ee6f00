//! Between server and agent.
//!
//! The agent dials `GET /agent/v1/tunnel` (WebSocket, bearer token, `x-stead-node`). Inside the tunnel roles turn
//! round: the server is the HTTP/2 client, the agent serves these routes, and the same ones on its local Unix socket.
//!
//! | route | what |
//! |---|---|
//! | `GET /v1/hello` | [`Hello`] |
//! | `GET /v1/frames?spool=S&after=N` | endless newline-delimited JSON [`Frame`]s after cursor N of spool S: first what was spooled, then a [`FrameBody::Snapshot`], then live |
//! | `POST /v1/ack` | [`Ack`]: everything up to there is durable at the server; the agent may forget it |
//! | `PUT /v1/bundle` | `stead_core::desired::Bundle`: what to check and judge by |
//! | `POST /v1/orders` | `stead_core::command::Order` → 202; the outcome comes back as a frame; a repeated order gets its first outcome again |
//! | `GET /v1/estimate/cleanup` | [`CleanupEstimate`] |
//! | `GET /v1/containers/{name}/health`, `/logs?tail=N&follow=true` | live drill-down, text |
//! | `GET /v1/containers/{name}/memory-patch?limit=N&reservation=N` | [`ComposePatch`] |
//! | `GET /v1/logs/search?text=T&containers=A,B&since=MS&most=N` | lines that hold a text, with the bounds that were met |
//! | `GET /v1/units/search?text=T&units=A,B&since=MS&most=N` | the same of units' journals; 404 where an agent is older than that |
//! | `GET /v1/units/{name}/logs?tail=N&follow=true` | text |
//! | `GET /v1/models` | [`ModelsNow`] |
//! | `GET /v1/history?match=S&from=MS&to=MS&step=MS` | [`Kept`]: seconds the node kept itself, by a PromQL selector |
//!
//! A route that an older agent does not have is its 404 `no-such-route`: whoever asks goes on without.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_core::command::Outcome;
use stead_core::event::{Kind, Severity};
use stead_core::facts::{Fact, FactKey, LoadedModel};
use stead_core::ids::{ModelName, NodeName};
use stead_core::subject::Subject;
use stead_core::time::Time;
use utoipa::ToSchema;

/// Header in which the server names the epoch it leads with, in every request. Agents remember the highest, and answer a
/// lower one with 409 `stale-epoch` and nothing else.
pub const EPOCH_HEADER: &str = "x-stead-epoch";

/// Protocol version spoken by this build.
pub const VERSION: u32 = 1;

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub node: NodeName,
    pub version: String,
    pub read_only: bool,
    /// Identity of the spool; a new one means cursors start again.
    pub spool: String,
    /// Oldest and newest cursor the spool can still give.
    pub first: u64,
    pub last: u64,
}

/// One line of the frame stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Position in the spool; 0 for frames that are not spooled (samples, heartbeats).
    pub cursor: u64,
    pub at: Time,
    #[serde(flatten)]
    pub body: FrameBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum FrameBody {
    /// Everything seen now. What it does not name is gone.
    Snapshot {
        facts: Vec<(FactKey, Fact)>,
        digest: String,
    },
    Delta {
        changed: Vec<(FactKey, Fact)>,
        gone: Vec<FactKey>,
    },
    /// Something that happened, not a state: an OOM kill, an agent start.
    Note {
        kind: Kind,
        subject: Subject,
        severity: Severity,
        data: serde_json::Value,
    },
    /// How an order ended.
    Result {
        action: String,
        occurrence: u32,
        step: u32,
        attempt: u32,
        outcome: Outcome,
    },
    /// Events were dropped because the spool was full; a snapshot follows.
    Gap {
        dropped: u64,
    },
    /// Live, never spooled.
    Sample {
        host: Box<stead_core::sample::HostSample>,
        containers: Vec<stead_core::container_sample::ContainerSample>,
    },
    Heartbeat,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub spool: String,
    pub cursor: u64,
}

/// What a node's model server has in memory now, and which models were used when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsNow {
    pub in_memory: Vec<ModelInMemory>,
    /// Since the agent started, as far as it saw.
    #[serde(default)]
    pub last_used: BTreeMap<ModelName, Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInMemory {
    pub name: ModelName,
    pub loaded: LoadedModel,
    /// When it leaves by itself; `None`: not by itself.
    pub expires_at: Option<Time>,
}

/// What a node kept of itself between two instants, each second for a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Between two points.
    pub step_ms: u64,
    pub series: Vec<KeptSeries>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptSeries {
    pub metric: String,
    /// Without the metric's name; `node` is what the agent is called.
    pub labels: BTreeMap<String, String>,
    pub points: Vec<KeptPoint>,
}

/// When, in milliseconds since 1970; then the lowest, average and highest until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KeptPoint(pub i64, pub f64, pub f64, pub f64);

/// What a cleanup would free, in bytes, per kind. An estimate: never part of a plan's digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupEstimate {
    pub build_cache: u64,
    pub dangling_images: u64,
    pub images: u32,
}

/// A memory limit as a change to the compose file on the node. What looks like a secret is masked, in the diff too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComposePatch {
    /// Where the file lies.
    pub file: String,
    pub service: String,
    /// For `git apply` and `patch -p1`; empty where a person has to write it.
    pub diff: String,
    /// Why it is left to a person, and what to write; empty where there is a diff.
    pub why: String,
    pub put: String,
}
