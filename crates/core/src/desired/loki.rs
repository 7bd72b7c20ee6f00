//! A Loki that is asked for lines beside the nodes themselves. Row O7, O9.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::Door;
use crate::ids::NodeName;

/// `loki:` of `stead.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loki {
    pub door: Door,
    /// What it is told as `X-Scope-OrgID`; `None`: it has one tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "LokiLabels::is_default")]
    pub labels: LokiLabels,
    /// Values of the label of machines, and the nodes they are. Names and aliases of nodes mean themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeName>,
}

/// Which labels say what. `None`: whichever of the usual ones it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LokiLabels {
    pub node: Option<String>,
    pub container: Option<String>,
    pub unit: Option<String>,
}

impl LokiLabels {
    /// For serde: the files say nothing of labels.
    pub fn is_default(&self) -> bool {
        *self == LokiLabels::default()
    }
}
