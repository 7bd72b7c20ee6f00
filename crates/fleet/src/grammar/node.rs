//! `hosts/<node>/node.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::scalar::{Duration, Maintenance, Percent, Size, Text};

/// `hosts/<node>/node.yaml`: one machine. The folder's name is the node's name; an empty file is a node with defaults.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeFile {
    /// Free words to select and show nodes by.
    pub labels: BTreeMap<String, Text>,
    /// How far Stead may go here. Default `operator`.
    pub access: Option<Access>,
    /// Whether people may open a shell on this node in the browser. Default false.
    pub console: Option<bool>,
    /// Whether what runs here but is in no file is drift. Default false: it is shown as unmanaged.
    pub strict: Option<bool>,
    /// Weekly times in which nothing is repaired automatically, because somebody is at work.
    pub maintenance: Vec<Maintenance>,
    /// When a reading becomes a state.
    pub thresholds: Thresholds,
    /// The server of language models on this machine. Default: none is asked. `ollama: {}` is the one on its usual port.
    pub ollama: Option<Ollama>,
}

/// A server of language models.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ollama {
    /// Its address as seen from the machine. Default `http://127.0.0.1:11434`.
    pub url: Option<String>,
    /// How long a model that Stead loads stays in memory after its last use: `30m`. Default: the server's own rule, which is
    /// five minutes unless it was told otherwise.
    pub keep_loaded: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Stead only looks.
    Inspector,
    /// Stead may repair.
    Operator,
}

/// When a reading becomes a state.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Space used. Default: note 55%, warn 70%, critical 85%.
    pub disk: DiskThresholds,
    /// CPU time taken by the hypervisor. Default: warn 5%, critical 15%.
    pub steal: StealThresholds,
    /// Swap in use. Default: warn 1500MB.
    pub swap_used: SizeThreshold,
    /// Pages that are in memory and in swap, an early sign of pressure. Default: warn 200MB.
    pub swap_cached: SizeThreshold,
    /// A level is left only when the reading is this far below it. Default 2%.
    pub hysteresis: Option<Percent>,
}

/// Space used.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskThresholds {
    pub note: Option<Percent>,
    pub warn: Option<Percent>,
    pub critical: Option<Percent>,
}

/// CPU time taken by the hypervisor.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StealThresholds {
    pub warn: Option<Percent>,
    pub critical: Option<Percent>,
}

/// One bound in bytes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SizeThreshold {
    pub warn: Option<Size>,
}
