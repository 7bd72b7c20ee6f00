//! `stead.yaml`: what concerns the fleet as a whole.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::channel::{Channel, Route};
use super::drill::Drill;
use super::insight::Insight;
use super::inventory::{Inventory, Portainer};
use super::loki::Loki;
use super::metrics::{History, Prometheus};
use super::page::StatusPage;
use super::policy::Policy;

/// `stead.yaml`: the fleet's name, its policy, and how it reaches people.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SteadFile {
    /// The fleet's name, shown on every page.
    pub fleet: Option<String>,
    /// Names that agents and old events use, each with the fleet's own name for that node. One step is followed.
    pub aliases: BTreeMap<String, String>,
    /// What may happen without asking.
    pub policy: Policy,
    /// Where messages go, by name.
    pub channels: BTreeMap<String, Channel>,
    /// Which messages go where; every route that matches is used.
    pub routes: Vec<Route>,
    /// A container of Stead's own, broken and mended as a proof.
    pub drill: Option<Drill>,
    /// How numbers are judged.
    pub insight: Insight,
    /// How finely samples are kept how long.
    pub history: Option<History>,
    /// A Prometheus that is read, and where samples are sent.
    pub prometheus: Option<Prometheus>,
    /// A Loki that is asked for log lines beside the nodes themselves.
    pub loki: Option<Loki>,
    /// What the inventory judges and adds up by.
    pub inventory: Inventory,
    /// Portainers whose environments stand in the inventory, by a name for each.
    pub portainer: BTreeMap<String, Portainer>,
    /// A page that anybody may read, at `/status`.
    pub status_page: Option<StatusPage>,
}
