//! `checks:` of a service: questions asked regularly.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::scalar::{Duration, Size, Text, Words};

/// One question. Exactly one key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Check {
    /// An HTTP request and what its answer must be.
    pub http: Option<Http>,
    /// A connection opens.
    pub tcp: Option<Tcp>,
    /// A name resolves.
    pub dns: Option<Dns>,
    /// An MQTT broker accepts a connection.
    pub mqtt: Option<Mqtt>,
    /// A certificate stays valid long enough.
    pub tls: Option<Tls>,
    /// A host answers an echo request.
    pub icmp: Option<Icmp>,
    /// A file is there, young and large enough.
    pub file: Option<FileCheck>,
    /// A program ends with the right exit code.
    pub command: Option<Command>,
    /// A process runs.
    pub process: Option<Process>,
    /// A container runs and is not unhealthy.
    pub container: Option<Container>,
    /// A systemd unit is active.
    pub unit: Option<Unit>,
    /// A pattern appears in a log, or does not.
    pub log: Option<Log>,
}

/// What every check takes beside its own keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing<'a> {
    pub name: Option<&'a str>,
    pub every: Option<Duration>,
    pub timeout: Option<Duration>,
    pub failures: Option<u32>,
}

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Unique within the service. Default: the word of the check, with a number from the second on.
            pub name: Option<String>,
            /// From one start to the next.
            pub every: Option<Duration>,
            /// An answer that takes longer is a failure. Default 5s.
            pub timeout: Option<Duration>,
            /// Consecutive failures before it counts. Default: the service's patience.
            #[schemars(range(max = 1000))]
            pub failures: Option<u32>,
        }

        impl $name {
            pub fn timing(&self) -> Timing<'_> {
                Timing {
                    name: self.name.as_deref(),
                    every: self.every,
                    timeout: self.timeout,
                    failures: self.failures,
                }
            }
        }
    )*};
}

checks! {
    /// An HTTP request and what its answer must be.
    Http {
        /// `http://` or `https://`.
        #[schemars(extend("x-must" = true))]
        url: Option<String>,
        /// The status it must have. Default: any below 400.
        #[schemars(range(min = 100, max = 599))]
        status: Option<u16>,
        /// Text that the first 64 KiB of the body must contain.
        body: Option<Text>,
        /// Default `GET`.
        method: Option<String>,
        /// Request headers.
        headers: BTreeMap<String, Text>,
        /// A slower answer is a failure.
        latency: Option<Duration>,
        /// Accept any certificate. Default false.
        insecure: Option<bool>,
    }
    /// A connection opens.
    Tcp {
        /// Default `127.0.0.1`.
        host: Option<String>,
        #[schemars(range(min = 1), extend("x-must" = true))]
        port: Option<u16>,
    }
    /// An MQTT broker accepts a connection; with `topic`, it also delivers a message.
    Mqtt {
        /// Default `127.0.0.1`.
        host: Option<String>,
        /// Default 1883.
        #[schemars(range(min = 1))]
        port: Option<u16>,
        /// A message must arrive on this topic within the timeout; a retained one counts.
        topic: Option<String>,
        username: Option<Text>,
        /// `secret:NAME`.
        password: Option<Text>,
    }
    /// The certificate served stays valid long enough.
    Tls {
        /// Default `127.0.0.1`.
        host: Option<String>,
        /// Default 443.
        #[schemars(range(min = 1))]
        port: Option<u16>,
        /// Days it must still be valid. Default 14.
        #[schemars(range(max = 3650))]
        days: Option<u32>,
        /// Also require a chain to a root that the node trusts. Default false.
        verify: Option<bool>,
    }
    /// A host answers an echo request.
    Icmp {
        #[schemars(extend("x-must" = true))]
        host: Option<String>,
    }
    /// A file (the newest that matches) is there, young and large enough.
    FileCheck {
        /// Absolute path on the node; may contain `*` and `?`.
        #[schemars(extend("x-must" = true))]
        path: Option<String>,
        /// Oldest it may be.
        max_age: Option<Duration>,
        /// Smallest it may be.
        min_size: Option<Size>,
    }
    /// A program ends with the right exit code. No shell is involved.
    Command {
        /// The program and its arguments, as a list of words or as one text.
        #[schemars(extend("x-must" = true))]
        run: Option<Words>,
        /// Default 0.
        exit: Option<i32>,
    }
    /// A process runs.
    Process {
        /// The executable's name.
        #[schemars(extend("x-must" = true))]
        process: Option<String>,
        /// Further text that its command line must contain.
        command_line: Option<String>,
        /// How many must run at least. Default 1.
        #[schemars(range(min = 1))]
        min: Option<u32>,
    }
    /// A container runs and is not unhealthy.
    Container {
        /// Its name.
        #[schemars(extend("x-must" = true))]
        container: Option<String>,
    }
    /// A systemd unit is active.
    Unit {
        /// Its name, `.service` when it has no suffix.
        #[schemars(extend("x-must" = true))]
        unit: Option<String>,
    }
    /// A pattern appears in what was written lately, or does not. Exactly one of `file`, `unit`, `container`.
    Log {
        /// Absolute path on the node.
        file: Option<String>,
        /// A systemd unit's journal.
        unit: Option<String>,
        /// A container's output.
        container: Option<String>,
        /// A regular expression.
        #[schemars(extend("x-must" = true))]
        pattern: Option<String>,
        /// How far back to look. Default 5m.
        within: Option<Duration>,
        /// `true`: failing when the pattern appears. Default false: failing when it does not.
        absent: Option<bool>,
    }
}

/// A name resolves. Here `name` is the name to ask for, so such a check is always called `dns`, `dns-2`, …
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// The name to ask for.
    #[schemars(extend("x-must" = true))]
    pub name: Option<String>,
    /// The record's type. Default `A`.
    pub record: Option<Record>,
    /// One of the answers must be this.
    pub expect: Option<Text>,
    /// `ADDRESS[:PORT]` of the server to ask. Default: as the node resolves names.
    pub server: Option<String>,
    /// From one start to the next.
    pub every: Option<Duration>,
    /// An answer that takes longer is a failure. Default 5s.
    pub timeout: Option<Duration>,
    /// Consecutive failures before it counts. Default: the service's patience.
    #[schemars(range(max = 1000))]
    pub failures: Option<u32>,
}

impl Dns {
    pub fn timing(&self) -> Timing<'_> {
        Timing {
            name: None,
            every: self.every,
            timeout: self.timeout,
            failures: self.failures,
        }
    }
}

/// The type of a DNS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Record {
    A,
    Aaaa,
    Cname,
    Txt,
    Mx,
    Srv,
    Ns,
}

impl Record {
    pub fn word(self) -> &'static str {
        match self {
            Record::A => "A",
            Record::Aaaa => "AAAA",
            Record::Cname => "CNAME",
            Record::Txt => "TXT",
            Record::Mx => "MX",
            Record::Srv => "SRV",
            Record::Ns => "NS",
        }
    }
}
