//! `hosts/<node>/services.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::check::Check;
use super::scalar::{Duration, Pairs, Size, Text, Words};

/// `hosts/<node>/services.yaml`: what should run on a node.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServicesFile {
    /// Services by name.
    pub services: BTreeMap<String, Service>,
}

/// Something that should run on a node. Which keys it takes beside the general ones depends on `kind`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// How it runs.
    #[schemars(extend("x-must" = true))]
    pub kind: Option<Kind>,
    /// The node's name again, for the reader; it must be the folder's.
    pub node: Option<String>,
    /// `false`: known, but neither watched nor repaired. Default true.
    pub monitor: Option<bool>,
    /// `true`: it should not run. Default false.
    pub suspended: Option<bool>,
    /// Services of the same node that must be well first.
    pub needs: Vec<String>,
    /// How long trouble must last before it counts.
    pub patience: Patience,
    /// Questions asked regularly.
    pub checks: Vec<Check>,

    /// container: the container's name. Default: the service's name.
    pub container: Option<String>,
    /// container: the image. With it, Stead can also create the container.
    pub image: Option<String>,
    /// container: the command, as a list of words or as one text.
    pub command: Option<Words>,
    /// container: published ports, `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.
    pub ports: Vec<Text>,
    /// container: mounts, `SOURCE:TARGET[:ro]`.
    pub volumes: Vec<String>,
    /// container: environment, as a map or as a list of `NAME=VALUE`.
    pub environment: Option<Pairs>,
    /// container: labels, as a map or as a list of `NAME=VALUE`.
    pub labels: Option<Pairs>,
    /// container: `no`, `always`, `unless-stopped` or `on-failure[:N]`.
    pub restart: Option<Text>,
    /// container: most memory it may use.
    pub mem_limit: Option<Size>,
    /// container: `USER[:GROUP]`.
    pub user: Option<Text>,
    /// container: `bridge`, `host`, `none` or a network's name.
    pub network_mode: Option<String>,

    /// compose: the folder that holds the compose file, on the node.
    pub path: Option<String>,
    /// compose: the service inside the compose file. Default: this service's name if the file has it, else all of them.
    pub service: Option<String>,
    /// compose: the project's name. Default: as Compose does it.
    pub project: Option<String>,
    /// compose: the compose file inside the folder. Default: Compose's own search.
    pub file: Option<String>,

    /// systemd: the unit, `.service` when it has no suffix.
    pub unit: Option<String>,

    /// process: the executable's name.
    pub process: Option<String>,
    /// process: further text that its command line must contain.
    pub command_line: Option<String>,

    /// loop: the command to keep running.
    pub run: Option<Words>,
    /// instance: where it lives.
    pub provider: Option<String>,
    /// instance: its name there. Default: the service's name.
    pub instance: Option<String>,
}

/// How a service runs, and so how it is found, judged and repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One container of Docker or Podman.
    Container,
    /// A compose file, or one service of it.
    Compose,
    /// A systemd unit.
    Systemd,
    /// A process somebody else starts; watched, not repaired.
    Process,
    /// A long-running command that Stead keeps running.
    Loop,
    /// A virtual machine or system container.
    Instance,
    /// Something that runs elsewhere; judged by its checks alone.
    External,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::Container,
        Kind::Compose,
        Kind::Systemd,
        Kind::Process,
        Kind::Loop,
        Kind::Instance,
        Kind::External,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Compose => "compose",
            Kind::Systemd => "systemd",
            Kind::Process => "process",
            Kind::Loop => "loop",
            Kind::Instance => "instance",
            Kind::External => "external",
        }
    }

    /// The keys it takes beside the general ones.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Kind::Container => &[
                "container",
                "image",
                "command",
                "ports",
                "volumes",
                "environment",
                "labels",
                "restart",
                "mem_limit",
                "user",
                "network_mode",
            ],
            Kind::Compose => &["path", "service", "project", "file"],
            Kind::Systemd => &["unit"],
            Kind::Process => &["process", "command_line"],
            Kind::Loop => &["run"],
            Kind::Instance => &["provider", "instance"],
            Kind::External => &[],
        }
    }

    /// The key without which it says nothing.
    pub fn must(self) -> Option<&'static str> {
        match self {
            Kind::Compose => Some("path"),
            Kind::Systemd => Some("unit"),
            Kind::Process => Some("process"),
            Kind::Loop => Some("run"),
            Kind::Instance => Some("provider"),
            Kind::Container | Kind::External => None,
        }
    }
}

/// Keys every kind takes.
pub const GENERAL: [&str; 7] = [
    "kind",
    "node",
    "monitor",
    "suspended",
    "needs",
    "patience",
    "checks",
];

/// How long trouble must last before it counts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// Consecutive failures; 0 and 1 mean at once. Default 3.
    #[schemars(range(max = 1000))]
    pub failures: Option<u32>,
    /// Least time of trouble, on top of the failures. Default 0s.
    pub time: Option<Duration>,
    /// What fails this soon after it started is still starting. Default 0s.
    pub start: Option<Duration>,
}
