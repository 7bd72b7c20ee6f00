//! `loki:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A Loki that is asked for log lines beside the nodes themselves: of nodes that are away, of containers that are gone, of longer ago.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Loki {
    /// Its address, with the path under which `/loki/api` is, if any.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    /// Bearer token, as `secret:NAME`.
    pub token: Option<String>,
    pub username: Option<String>,
    /// As `secret:NAME`.
    pub password: Option<String>,
    /// Whose lines, where it has several tenants: sent as `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// Labels that say what a line is of. Default: those that promtail, Alloy, Docker's driver, Vector and Fluent Bit give.
    pub labels: Labels,
    /// Values of the node's label, each with the node it is. Without a port a value also means the same with any port. Names and
    /// aliases of nodes need not stand here.
    pub nodes: BTreeMap<String, String>,
}

/// One label for each.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// The machine. Default: `host`, `hostname`, `node`, `nodename`, `node_name`, `instance`, whichever there are.
    pub node: Option<String>,
    /// The container. Default: `container`, `container_name`.
    pub container: Option<String>,
    /// The systemd unit. Default: `unit`, `systemd_unit`, `_SYSTEMD_UNIT`.
    pub unit: Option<String>,
}
