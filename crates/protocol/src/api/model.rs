//! Language models: what is on disk, what is in memory, what loading would leave.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/models`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Models {
    /// Those whose file names an Ollama, by name.
    pub nodes: Vec<ModelNode>,
    pub at: String,
}

/// One node's model server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelNode {
    pub node: String,
    /// Its address as seen from the node; empty where no file names it any more.
    pub url: String,
    /// `up`, `down`, `unknown` (nothing said yet).
    pub state: String,
    pub version: String,
    /// What is the matter and what to do, where it is not up.
    pub detail: String,
    /// `fresh`, `stale`, `unknown`: how sure all of this is.
    pub evidence: String,
    /// Bytes; null where the node's memory was not measured lately.
    pub memory_total: Option<u64>,
    pub memory_available: Option<u64>,
    pub gpus: Vec<ModelGpu>,
    /// For people: the processors, or `none: inference will be slow`.
    pub gpu_text: String,
    /// Why nobody knows when models leave memory; null where that is known.
    pub live_problem: Option<String>,
    /// By name.
    pub models: Vec<Model>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelGpu {
    pub name: String,
    pub driver: String,
    /// Bytes; null where the kernel does not say.
    pub memory: Option<u64>,
}

/// One model on one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// `model/NODE/NAME`
    pub subject: String,
    pub node: String,
    pub name: String,
    pub digest: String,
    /// Bytes on disk.
    pub size: u64,
    pub family: String,
    pub parameters: String,
    pub quantization: String,
    pub modified_at: Option<String>,
    /// Null: not in memory.
    pub loaded: Option<ModelLoaded>,
    /// Since the agent started, as far as it saw.
    pub last_used: Option<String>,
    /// What loading it would do; null where the node's memory was not measured lately.
    pub fit: Option<ModelFit>,
    /// The open action about it: `ID#3`.
    pub action: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelLoaded {
    /// Bytes in all, in the machine's own memory, in video memory.
    pub size: u64,
    pub ram: u64,
    pub vram: u64,
    /// Percent of the model that the CPU computes.
    pub cpu_percent: u8,
    /// Percent of the machine's memory that it takes.
    pub memory_share: Option<f64>,
    /// Tokens; 0: it does not say.
    pub context: u64,
    /// When it leaves memory by itself; null: not by itself, or `live_problem` says why that is not known.
    pub expires_at: Option<String>,
}

/// What loading would leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelFit {
    /// `fits`, `tight`, `too_large`, `loaded`.
    pub verdict: String,
    /// `gpu`, `shared`, `cpu`.
    pub speed: String,
    /// Bytes it needs in all, in the machine's own memory, in video memory.
    pub need: u64,
    pub ram: u64,
    pub vram: u64,
    /// Bytes of memory left available; negative: so much is missing.
    pub leaves: i64,
    /// `need` is what the model took when it was last in memory, and no estimate from its size.
    pub measured: bool,
    /// `leaves 1.2 GiB: swap pressure likely`
    pub text: String,
    pub speed_text: String,
    /// The node that fits it better.
    pub better: Option<ModelBetter>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelBetter {
    pub node: String,
    pub why: String,
}

/// `POST /api/v1/models/load` and `/unload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelOrder {
    pub node: String,
    pub model: String,
    #[serde(default)]
    pub note: Option<String>,
}
