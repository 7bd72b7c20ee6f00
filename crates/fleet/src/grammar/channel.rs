//! `channels:` and `routes:` in `stead.yaml`: how Stead reaches people.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where messages go. Exactly one key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    pub discord: Option<Hook>,
    pub slack: Option<Hook>,
    pub telegram: Option<Telegram>,
    pub ntfy: Option<Ntfy>,
    pub matrix: Option<Matrix>,
    pub email: Option<Email>,
    pub webhook: Option<Webhook>,
}

/// A webhook that the service gives you.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    /// The webhook's address, as `secret:NAME`.
    #[schemars(extend("x-must" = true))]
    pub webhook: Option<String>,
}

/// A Telegram bot.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telegram {
    /// The bot's token, as `secret:NAME`.
    #[schemars(extend("x-must" = true))]
    pub token: Option<String>,
    /// The chat's ID.
    #[schemars(extend("x-must" = true))]
    pub chat: Option<super::scalar::Text>,
}

/// A topic of an ntfy server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ntfy {
    /// The server's address.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    #[schemars(extend("x-must" = true))]
    pub topic: Option<String>,
    /// Access token, as `secret:NAME`.
    pub token: Option<String>,
}

/// A Matrix room.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Matrix {
    /// The home server's address.
    #[schemars(extend("x-must" = true))]
    pub homeserver: Option<String>,
    /// The room's ID.
    #[schemars(extend("x-must" = true))]
    pub room: Option<String>,
    /// Access token, as `secret:NAME`.
    #[schemars(extend("x-must" = true))]
    pub token: Option<String>,
}

/// Mail through an SMTP server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Email {
    /// `smtps://HOST:465` or `smtp://HOST:587`.
    #[schemars(extend("x-must" = true))]
    pub server: Option<String>,
    #[schemars(extend("x-must" = true))]
    pub from: Option<String>,
    #[schemars(extend("x-must" = true))]
    pub to: Vec<String>,
    pub username: Option<String>,
    /// As `secret:NAME`.
    pub password: Option<String>,
}

/// Any address that takes a JSON body by POST.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// The address; `secret:NAME` where it holds a token.
    #[schemars(extend("x-must" = true))]
    pub url: Option<String>,
    /// Signs each body, as `secret:NAME`.
    pub secret: Option<String>,
    pub headers: BTreeMap<String, String>,
    /// Networks of yours that it may reach, as `192.168.0.0/16`. Default: public addresses only.
    pub allow: Vec<String>,
}

/// Which messages go where.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    #[schemars(extend("x-must" = true))]
    pub name: Option<String>,
    /// What it applies to. All given keys must match; an empty match is refused.
    #[serde(rename = "match")]
    #[schemars(extend("x-must" = true))]
    pub matches: Option<RouteMatch>,
    /// Names of channels.
    #[schemars(extend("x-must" = true))]
    pub to: Vec<String>,
    /// Whether the message makes a noise. Default `always` for critical ones.
    pub ping: Option<Ping>,
}

/// What a route applies to. Texts may contain `*` and `?`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteMatch {
    /// An event kind.
    pub kind: Option<String>,
    pub severity: Option<Severity>,
    pub node: Option<String>,
    pub service: Option<String>,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ping {
    Always,
    Never,
    OutsideBusinessHours,
}
