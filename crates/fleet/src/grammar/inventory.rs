//! `inventory:` and `portainer:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::Duration;

/// What the inventory judges and adds up by.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Inventory {
    /// An image that is older is stale, which is an event once. Default 30d.
    pub image_max_age: Option<Duration>,
    /// The label of a container, else of its node, that costs are told by. Default `product`.
    pub cost_label: Option<String>,
}

/// A Portainer whose environments, stacks and containers stand in the inventory. It is only read.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Portainer {
    /// Its address as seen from the server: `https://portainer.home.arpa`.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    /// An access token, as `secret:NAME`.
    #[schemars(extend("x-must" = true))]
    pub key: Option<String>,
}
