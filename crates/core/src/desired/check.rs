//! A check: a question asked regularly about a service. Asked and judged on the agent.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::{CheckName, ContainerName, UnitName};
use crate::time::Span;

/// A question asked regularly about a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Unique within the service; by default the probe's kind (`http`, `http-2`, …).
    pub name: CheckName,
    pub probe: Probe,
    /// From one start to the next.
    pub every: Span,
    /// A probe that has not answered by then has failed.
    pub timeout: Span,
    /// Consecutive failures before the check counts as failing; absent: the service's patience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    Http(HttpProbe),
    /// A connection opens.
    Tcp {
        host: String,
        port: u16,
    },
    /// A name resolves, optionally to `expect` (one of the answers must equal it).
    Dns {
        name: String,
        /// `A`, `AAAA`, `CNAME`, `TXT`, `MX`, `SRV`, `NS`.
        record: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<String>,
        /// `ADDRESS[:PORT]` of the server to ask; absent: the node's own resolvers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
    },
    /// A broker accepts a connection (CONNACK 0); with `topic`, also a message within `timeout` (retained ones count).
    Mqtt {
        host: String,
        port: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// `secret:NAME` reference or text; never logged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
    /// The certificate served is valid for at least `days` more days.
    Tls {
        host: String,
        port: u16,
        days: u32,
        /// Also require a chain to a root this node trusts.
        #[serde(default)]
        verify: bool,
    },
    /// The host answers an echo request.
    Icmp {
        host: String,
    },
    /// A file (the newest that matches a glob) exists, is young enough and large enough.
    File {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_age: Option<Span>,
        /// Bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_size: Option<u64>,
    },
    /// A program (argv, never a shell) ends with `exit`.
    Command {
        run: Vec<String>,
        exit: i32,
    },
    /// At least `min` processes have this name.
    Process {
        process: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_line: Option<String>,
        min: u32,
    },
    /// The container runs and is not unhealthy.
    Container {
        container: ContainerName,
    },
    /// The unit is active.
    Unit {
        unit: UnitName,
    },
    /// A pattern appears in what was written lately. `absent`: failing when it appears, else failing when it does not.
    Log {
        source: LogSource,
        pattern: String,
        within: Span,
        absent: bool,
    },
}

impl Probe {
    /// The word the files use.
    pub fn word(&self) -> &'static str {
        match self {
            Probe::Http(_) => "http",
            Probe::Tcp { .. } => "tcp",
            Probe::Dns { .. } => "dns",
            Probe::Mqtt { .. } => "mqtt",
            Probe::Tls { .. } => "tls",
            Probe::Icmp { .. } => "icmp",
            Probe::File { .. } => "file",
            Probe::Command { .. } => "command",
            Probe::Process { .. } => "process",
            Probe::Container { .. } => "container",
            Probe::Unit { .. } => "unit",
            Probe::Log { .. } => "log",
        }
    }
}

/// An HTTP request and what its answer must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// `http` or `https`; other schemes are refused when the file is read.
    pub url: String,
    pub method: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Accepted status; absent: any below 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Text the first 64 KiB of the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Slower than this fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// Accept any certificate.
    #[serde(default)]
    pub insecure: bool,
}

/// Where a log check reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    File(String),
    Unit(UnitName),
    Container(ContainerName),
}
