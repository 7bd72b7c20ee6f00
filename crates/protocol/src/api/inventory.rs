//! Everything there is, in one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/inventory`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Inventory {
    /// By kind, node and name.
    pub items: Vec<InventoryItem>,
    /// The images that containers were made from, the oldest first.
    pub images: Vec<InventoryImage>,
    /// What each value of `cost_label` takes up, the most memory first.
    pub costs: Vec<InventoryCost>,
    /// What others than agents told, and whether they answer.
    pub sources: Vec<InventorySource>,
    /// The label that costs are told by.
    pub cost_label: String,
    /// An image that is older is stale.
    pub image_max_age_days: u64,
    pub at: String,
}

/// Somebody beside the agents who tells what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InventorySource {
    /// `portainer:NAME`
    pub name: String,
    pub url: String,
    /// `up`, `down`.
    pub state: String,
    /// Why it is down, or which part of it does not answer, and what to do.
    pub detail: String,
    /// When its answer was read; what is listed is as it was then.
    pub read_at: Option<String>,
}

/// One thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InventoryItem {
    /// `machine`, `environment` (of a Portainer), `stack`, `container`, `unit`, `model`.
    pub kind: String,
    pub node: String,
    pub name: String,
    /// Who told of it: `agent`, `docker`, `systemd`, `ollama`, `portainer:NAME`.
    pub source: String,
    /// Of a machine its system, of a container its image's tag, of a model its quantization.
    pub version: String,
    /// `fresh`, `running`, `active`, …; of what is not fresh: `stale` or `unknown`.
    pub state: String,
    /// The stack a container belongs to.
    pub stack: String,
    pub image: String,
    /// Whole days since the image was made; null where nobody can say.
    pub image_age_days: Option<u64>,
    /// The service of the fleet files that it belongs to.
    pub service: String,
    /// The value of the label that costs are told by.
    pub product: String,
    pub detail: String,
}

/// An image in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InventoryImage {
    /// As the creators of containers wrote it; the first by name where they wrote it differently.
    pub image: String,
    pub image_id: String,
    pub created_at: Option<String>,
    pub age_days: Option<u64>,
    pub stale: bool,
    pub nodes: Vec<String>,
    pub containers: u64,
}

/// What belongs to one value of a label.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InventoryCost {
    /// Empty: what has no such label.
    pub value: String,
    pub containers: u64,
    pub nodes: u64,
    /// Containers that run and are measured now; the sums are theirs.
    pub measured: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Of one core.
    pub cpu_percent: f64,
    /// Written a second.
    pub block_write_bytes: u64,
}
