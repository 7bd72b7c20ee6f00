//! What the inventory judges and adds up by, and the Portainers it reads.

use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// `inventory:` of `stead.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// An image that is older is stale.
    pub image_max_age: Span,
    /// The label of a container, else of its node, that costs are told by.
    pub cost_label: String,
}

impl Default for Inventory {
    fn default() -> Inventory {
        Inventory {
            image_max_age: Span::days(30),
            cost_label: "product".to_string(),
        }
    }
}

impl Inventory {
    pub fn is_default(&self) -> bool {
        *self == Inventory::default()
    }
}

/// One of `portainer:` of `stead.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portainer {
    /// As seen from the server.
    pub url: String,
    /// `secret:NAME`: an access token.
    pub key: String,
}
