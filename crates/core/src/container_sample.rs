//! One reading of a container, taken each second: travels beside the log, never in it.

use serde::{Deserialize, Serialize};

use crate::ids::ContainerName;

/// What a container used between two readings. Rates are per second over the time since the reading before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSample {
    pub name: ContainerName,
    /// Of one core: 200 is two cores busy.
    pub cpu_percent: f64,
    /// In use, without the page cache that can be dropped.
    pub memory_bytes: u64,
    /// Bytes; 0: none.
    pub memory_limit: u64,
    /// `None` where the container shares the host's network: those bytes are the host's.
    pub net_rx_per_s: Option<f64>,
    pub net_tx_per_s: Option<f64>,
    pub block_read_per_s: f64,
    pub block_write_per_s: f64,
}
