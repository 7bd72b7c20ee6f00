//! `status_page:` in `stead.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A page at `/status` that anybody may read. It shows what it names and nothing else; without it there is none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatusPage {
    /// Nothing is shown before this says `true`.
    pub enabled: bool,
    /// What stands above it. Default: the fleet's name.
    pub title: Option<String>,
    /// Which services it names, as a selector: `service/*/web-*, service/piha/blog`.
    #[schemars(extend("x-must" = true))]
    pub services: Option<String>,
    /// What it calls them, by the service's own name. Several services of one name are shown as one.
    pub names: BTreeMap<String, String>,
}
