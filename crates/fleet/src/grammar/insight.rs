//! `insight:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Duration, Size};

/// How numbers are judged.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Insight {
    /// When a container's writing is out of the ordinary.
    pub writes: Writes,
    /// Which memory limits are proposed.
    pub memory: Memory,
}

/// When a container's writing is out of the ordinary: far above its own past.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Writes {
    /// Length of the stretches of time that are compared. Default 1h; at least 10s.
    pub bucket: Option<Duration>,
    /// Past that is needed for a verdict. Default 24h.
    pub past: Option<Duration>,
    /// At least so many times the usual. Default 4.
    #[schemars(range(min = 2, max = 1000))]
    pub times: Option<u32>,
    /// …and at least so many bytes an hour. Default 256m.
    pub floor: Option<Size>,
    /// Stretches in a row above the bound that begin it. Default 2.
    #[schemars(range(min = 1, max = 100))]
    pub begin: Option<u32>,
    /// Stretches in a row below half the bound that end it. Default 4.
    #[schemars(range(min = 1, max = 100))]
    pub end: Option<u32>,
}

/// Which memory limits are proposed, and for what never.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Measured time that is needed. Default 24h.
    pub least: Option<Duration>,
    /// Percent above the highest use. Default 30.
    #[schemars(range(min = 0, max = 1000))]
    pub headroom: Option<u32>,
    /// Names of containers or images with `*` for which nothing is proposed. Default: LLM runtimes, `*ollama*` and others.
    pub exclude: Option<Vec<String>>,
    /// How long a new limit is watched for kills. Default 48h.
    pub watch: Option<Duration>,
}
