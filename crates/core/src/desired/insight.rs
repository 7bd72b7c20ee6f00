//! How numbers are judged: when writing is out of the ordinary, and which memory limit fits.

use serde::{Deserialize, Serialize};

use crate::insight::anomaly::AnomalySettings;
use crate::insight::memory_advice::MemorySettings;
use crate::insight::oom_watch;
use crate::time::Span;

/// `insight:` of `stead.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Insight {
    pub writes: WriteInsight,
    pub memory: MemorySettings,
    /// How long a new memory limit is watched.
    pub oom_watch: Span,
}

/// When a container's writing is out of the ordinary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WriteInsight {
    /// Length of the stretches that are compared.
    pub bucket: Span,
    pub judged: AnomalySettings,
}

impl Default for Insight {
    fn default() -> Insight {
        Insight {
            writes: WriteInsight::default(),
            memory: MemorySettings::default(),
            oom_watch: oom_watch::WATCHED,
        }
    }
}

impl Default for WriteInsight {
    fn default() -> WriteInsight {
        WriteInsight {
            bucket: Span::hours(1),
            judged: AnomalySettings::default(),
        }
    }
}

impl Insight {
    pub fn is_default(&self) -> bool {
        *self == Insight::default()
    }
}
