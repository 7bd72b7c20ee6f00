//! How Stead reaches people: channels, and which messages go where.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::Severity;

/// A way to reach people. Only what this build can deliver enters the fleet; the rest of the files' channels is said in
/// a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Webhook(Webhook),
}

/// A JSON body by POST, signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// `http` or `https`, or `secret:NAME` where the address itself lets somebody in.
    pub url: String,
    /// `secret:NAME`: the key of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Networks (`192.168.0.0/16`) it may reach although they are private; without them only public addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// Which messages go where. Every route that matches is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub name: String,
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// Names of channels that the fleet has.
    pub to: Vec<String>,
    pub ping: Ping,
}

/// What a route takes. Every given field must match; texts are globs. An empty match takes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// At least this severe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Labels of the node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Whether a message makes a noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ping {
    Always,
    #[default]
    Never,
    OutsideBusinessHours,
}
