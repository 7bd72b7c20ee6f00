//! `history:` and `prometheus:` in `stead.yaml`: where samples are kept, read from and sent to.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::scalar::Duration;

/// How long samples are kept how finely.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Whether the server keeps samples itself. Default yes; `false` only where `prometheus.read` names who does.
    pub record: Option<bool>,
    /// The finest first. Default 10s for 7d, 1m for 30d, 15m for 730d. Counts from the next start of the server.
    pub tiers: Vec<Tier>,
}

/// One step and how long it is kept.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// A whole multiple of the step before it; 10s at least, in whole 10s.
    #[schemars(extend("x-must" = true))]
    pub step: Option<Duration>,
    /// A hundred steps at least, and longer than the tier before it.
    #[schemars(extend("x-must" = true))]
    pub keep: Option<Duration>,
}

/// Other people's stores of samples.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    /// One that is read beside Stead's own history.
    pub read: Option<Read>,
    /// Where every sample that Stead records goes as well, at most four.
    pub remote_write: Vec<Write>,
}

/// A Prometheus or VictoriaMetrics that scrapes node-exporter, and cAdvisor where there are containers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Read {
    /// Its address, with the path under which `/api/v1` is, if any.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    /// Bearer token, as `secret:NAME`.
    pub token: Option<String>,
    pub username: Option<String>,
    /// As `secret:NAME`.
    pub password: Option<String>,
    /// The label that says which machine a series is of. Default `instance`.
    pub label: Option<String>,
    /// Values of that label, each with the node it is. Without a port a value also means the same with any port. Names and
    /// aliases of nodes need not stand here.
    pub nodes: BTreeMap<String, String>,
}

/// Where samples are sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Write {
    /// The whole address: `http://HOST:9090/api/v1/write`.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    /// Bearer token, as `secret:NAME`.
    pub token: Option<String>,
    pub username: Option<String>,
    /// As `secret:NAME`.
    pub password: Option<String>,
}
