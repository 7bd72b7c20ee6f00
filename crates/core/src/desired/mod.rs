//! Desired state: what the fleet directory says, already read, checked and resolved.
//!
//! The grammar of the files lives in `stead-fleet`; these types are what is left once every default is filled in. They
//! are serialisable because the log keeps each loaded fleet as a content-addressed document, and because an agent gets
//! its own node's part as a [`Bundle`]. Secrets never enter here, and the environment of a container only as the
//! definition the owner wrote.

mod calendar;
mod channel;
mod check;
mod drill;
mod insight;
mod inventory;
mod loki;
mod memo;
mod metrics;
mod page;
mod policy;
mod service;

pub use calendar::{Calendar, Days, Hours};
pub use channel::{Channel, Ping, Route, RouteMatch, Webhook};
pub use check::{Check, HttpProbe, LogSource, Probe};
pub use drill::{CANARY, CANARY_LABEL, Drill};
pub use insight::{Insight, WriteInsight};
pub use inventory::{Inventory, Portainer};
pub use loki::{Loki, LokiLabels};
pub use memo::Memo;
pub use metrics::{Door, Metrics, Source, Tier};
pub use page::StatusPage;
pub use policy::{Automatic, Limits, Match, Policy, RepairRule, Rule, Says, Window};
pub use service::{ContainerDef, DEFINITION_LABEL, Patience, Service, ServiceKind};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, ServiceName, digest};
use crate::time::Span;

/// The whole fleet as its files describe it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// `fleet:` in `stead.yaml`; `"fleet"` when no file says otherwise.
    pub name: String,
    /// Names that agents and old events use → the fleet's names.
    #[serde(default)]
    pub aliases: BTreeMap<NodeName, NodeName>,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub nodes: BTreeMap<NodeName, Node>,
    /// What the files ask for that this build does not act on yet, one line each.
    #[serde(default)]
    pub notices: Vec<String>,
    /// By name; those that this build can deliver to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Channel>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// The canary; its service is among those of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// How numbers are judged where the files say otherwise than the defaults.
    #[serde(default, skip_serializing_if = "Insight::is_default")]
    pub insight: Insight,
    /// Where samples are kept, read from and sent to.
    #[serde(default, skip_serializing_if = "Metrics::is_default")]
    pub metrics: Metrics,
    #[serde(default, skip_serializing_if = "Inventory::is_default")]
    pub inventory: Inventory,
    /// By name; read by the server for the inventory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub portainers: BTreeMap<String, Portainer>,
    /// Asked for log lines beside the nodes themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<Loki>,
    /// What anybody may read; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_page: Option<StatusPage>,
}

/// One machine as `hosts/<node>/` describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub access: Access,
    /// `unexpected_service` drift is raised only where this is set.
    #[serde(default)]
    pub strict: bool,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Weekly times in which nothing is repaired automatically.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Maintenance>,
    #[serde(default)]
    pub services: BTreeMap<ServiceName, Service>,
    /// The server of language models on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ollama: Option<Ollama>,
}

/// Where a node's model server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ollama {
    /// As seen from the node: `http://127.0.0.1:11434`.
    pub url: String,
    /// How long a model that Stead loads stays after its last use; `None`: the server's own rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_loaded: Option<Span>,
}

/// A weekly maintenance window. While it lasts the node is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub days: Days,
    /// `from > to`: it ends on the day after the one it began on.
    pub window: Window,
    /// IANA name; absent: the calendar's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// How far Stead may go on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads only.
    Inspector,
    #[default]
    Operator,
}

/// When a reading becomes a state. Percentages are of capacity, 0–100; sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    pub disk_note: f64,
    pub disk_warn: f64,
    pub disk_critical: f64,
    pub steal_warn: f64,
    pub steal_critical: f64,
    pub swap_used_warn: u64,
    pub swap_cached_warn: u64,
    /// A level is left only when the reading is this many percentage points (disk, steal) below it; sizes use 10 %.
    pub hysteresis: f64,
}

impl Default for Thresholds {
    /// The numbers of row O5.
    fn default() -> Self {
        Self {
            disk_note: 55.0,
            disk_warn: 70.0,
            disk_critical: 85.0,
            steal_warn: 5.0,
            steal_critical: 15.0,
            swap_used_warn: 1_500_000_000,
            swap_cached_warn: 200_000_000,
            hysteresis: 2.0,
        }
    }
}

/// What an agent needs to know of the fleet to observe and repair its own node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Content address of the rest; the agent reports it back so that the server knows what it judges by.
    pub digest: String,
    /// The fleet's own name for the node: orders name their targets by it, whatever the agent calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NodeName>,
    pub node: Node,
}

impl Bundle {
    /// The part of `fleet` that concerns `node`; an empty node where the fleet does not name it.
    pub fn of(fleet: &Fleet, node: &NodeName) -> Bundle {
        let name = Some(node.clone());
        let node = fleet.nodes.get(node).cloned().unwrap_or_default();
        let json = serde_json::to_vec(&(&name, &node)).unwrap_or_default();
        Bundle {
            digest: digest(&json),
            name,
            node,
        }
    }
}

impl Fleet {
    /// The fleet's own name for `name`: follows one alias.
    pub fn resolve<'a>(&'a self, name: &'a NodeName) -> &'a NodeName {
        self.aliases.get(name).unwrap_or(name)
    }

    pub fn service(&self, node: &NodeName, service: &ServiceName) -> Option<&Service> {
        self.nodes.get(node)?.services.get(service)
    }

    /// Content address of the whole document.
    pub fn digest(&self) -> String {
        digest(&serde_json::to_vec(self).unwrap_or_default())
    }
}
