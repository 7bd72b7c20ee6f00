//! Where samples are kept, read from and sent to. Rows G2, O9.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::NodeName;
use crate::time::Span;

/// What the fleet's files say of samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// How finely the server keeps what how long, the finest first; empty: as it does by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// Whether the server keeps samples at all.
    #[serde(default = "yes")]
    pub record: bool,
    /// Whose samples are read beside Stead's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Source>,
    /// Where what Stead records goes as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_write: Vec<Door>,
}

fn yes() -> bool {
    true
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            tiers: Vec::new(),
            record: true,
            read: None,
            remote_write: Vec::new(),
        }
    }
}

impl Metrics {
    /// For serde: the files say nothing of samples.
    pub fn is_default(&self) -> bool {
        *self == Metrics::default()
    }
}

/// One step and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    pub step: Span,
    pub keep: Span,
}

/// A Prometheus or VictoriaMetrics that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub door: Door,
    /// The label that says which machine a series is of.
    pub label: String,
    /// Values of that label, and the nodes they are. Names and aliases of nodes mean themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeName>,
}

/// An address, and what opens it: secrets by their names, `secret:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl Door {
    /// One that nothing has to open.
    pub fn open(url: impl Into<String>) -> Door {
        Door {
            url: url.into(),
            token: None,
            username: None,
            password: None,
        }
    }
}
