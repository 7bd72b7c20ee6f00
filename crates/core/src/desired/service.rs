//! A service: something that should run on a node.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Check, Memo, Probe};
use crate::ids::{CheckName, ContainerName, ServiceName, UnitName};
use crate::time::Span;

/// Something that should run on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    #[serde(flatten)]
    pub kind: ServiceKind,
    /// `false`: silently skipped, as if the file did not name it, except that it is not unmanaged either.
    #[serde(default = "yes")]
    pub monitor: bool,
    /// Suspended by the owner: it should not run.
    #[serde(default)]
    pub suspended: bool,
    /// Services of the same node that must be well first.
    #[serde(default)]
    pub needs: Vec<ServiceName>,
    #[serde(default)]
    pub patience: Patience,
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// Name of the check that a `process` service is itself.
const PROCESS: &str = "process";

impl Service {
    /// The names of [`Service::effective_checks`], without making them.
    pub fn check_names(&self) -> impl Iterator<Item = CheckName> {
        let own = matches!(self.kind, ServiceKind::Process { .. })
            .then(|| CheckName::new(PROCESS).ok())
            .flatten()
            .filter(|name| !self.checks.iter().any(|c| c.name == *name));
        self.checks.iter().map(|c| c.name.clone()).chain(own)
    }

    /// The checks the files give, and the one that a `process` service is itself.
    pub fn effective_checks(&self) -> Vec<Check> {
        let mut checks = self.checks.clone();
        if let ServiceKind::Process {
            process,
            command_line,
        } = &self.kind
            && let Ok(name) = CheckName::new(PROCESS)
            && !checks.iter().any(|c| c.name == name)
        {
            let probe = Probe::Process {
                process: process.clone(),
                command_line: command_line.clone(),
                min: 1,
            };
            checks.push(Check {
                name,
                probe,
                every: Span::secs(5),
                timeout: Span::secs(5),
                failures: None,
            });
        }
        checks
    }
}

fn yes() -> bool {
    true
}

/// How a service runs, and so how it is found, judged and repaired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServiceKind {
    Container {
        container: ContainerName,
        /// What (re)creates it; absent where the file names the container only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<ContainerDef>,
    },
    Compose {
        /// Folder that holds the compose file, on the node.
        path: String,
        /// Service inside the compose file; absent: the service's own name if the file has it, else all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// Compose project name; absent: the folder's name, as compose does it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<String>,
        /// Compose file inside the folder; absent: compose's own search.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    Systemd {
        unit: UnitName,
    },
    Process {
        /// Name of the executable (`comm` or the last part of `exe`), compared exactly.
        process: String,
        /// Further text the command line must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_line: Option<String>,
    },
    Loop,
    Instance,
    /// Runs elsewhere: judged by its checks alone, never repaired.
    External,
}

impl ServiceKind {
    /// The word the files use.
    pub fn word(&self) -> &'static str {
        match self {
            ServiceKind::Container { .. } => "container",
            ServiceKind::Compose { .. } => "compose",
            ServiceKind::Systemd { .. } => "systemd",
            ServiceKind::Process { .. } => "process",
            ServiceKind::Loop => "loop",
            ServiceKind::Instance => "instance",
            ServiceKind::External => "external",
        }
    }
}

/// What (re)creates a container. Field names are Compose's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerDef {
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// `SOURCE:TARGET[:ro]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `no`, `always`, `unless-stopped`, `on-failure[:N]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    #[doc(hidden)]
    #[serde(skip)]
    pub memo: Memo,
}

/// Label that names the definition a container was created from: its [`ContainerDef::digest`].
pub const DEFINITION_LABEL: &str = "stead.definition";

impl ContainerDef {
    /// The same without the values of its environment.
    pub fn redacted(&self) -> ContainerDef {
        let hidden = |name: &String| (name.clone(), String::from("…"));
        ContainerDef {
            environment: self.environment.keys().map(hidden).collect(),
            ..self.clone()
        }
    }

    /// Content address. A container whose [`DEFINITION_LABEL`] differs was created from another definition.
    pub fn digest(&self) -> String {
        crate::ids::digest(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Whether `text` is its digest. Worked out once: every reconcile asks it of every container.
    pub fn has_digest(&self, text: &str) -> bool {
        self.memo.is(text, || self.digest())
    }
}

/// How long trouble must last before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patience {
    /// Consecutive failures; 0 and 1 mean at once.
    pub failures: u32,
    /// Least time of trouble, on top of the failures.
    pub time: Span,
    /// What fails this soon after it started is still starting.
    #[serde(skip_serializing_if = "Span::is_zero")]
    pub start: Span,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            failures: 3,
            time: Span::ZERO,
            start: Span::ZERO,
        }
    }
}
