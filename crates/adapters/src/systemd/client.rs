//! One connection to the manager, each call under a limit.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures::{Stream, StreamExt};
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, Variant};

use super::translate::{Properties, Seen};
use super::{Error, Options};

const MANAGER: &str = "org.freedesktop.systemd1";
pub(super) const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Signals waiting to be read; the client library drops the oldest beyond, and the next look finds what they said.
const SIGNALS: usize = 512;

#[derive(Debug, Clone)]
pub(super) struct Client {
    connection: Connection,
    limit: Duration,
}

/// A line of the manager's list: name, and whether it failed or is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub name: String,
    pub active: String,
}

/// What a signal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    Changed {
        path: String,
    },
    New {
        name: String,
    },
    Removed {
        name: String,
    },
    JobRemoved {
        job: String,
        result: String,
    },
    /// Unit files were read again or enabled or disabled.
    Files,
}

impl Client {
    pub async fn connect(options: &Options) -> Result<Client, Error> {
        if !options.marker.exists() {
            return Err(Error::Absent);
        }
        let path = &options.bus;
        let stream = UnixStream::connect(path)
            .map_err(|io| Error::NoBus(format!("{}: {io}", path.display())))?;
        let limit = options.call_limit;
        let builder = zbus::connection::Builder::unix_stream(stream).method_timeout(limit);
        let connection = tokio::time::timeout(limit, builder.build())
            .await
            .map_err(|_| Error::Hangs(limit))?
            .map_err(|error| Error::from_bus(error, limit))?;
        Ok(Client { connection, limit })
    }

    async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, Error>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        let call = self
            .connection
            .call_method(Some(MANAGER), path, Some(interface), method, body);
        match tokio::time::timeout(self.limit, call).await {
            Ok(answer) => answer.map_err(|error| Error::from_bus(error, self.limit)),
            Err(_) => Err(Error::Hangs(self.limit)),
        }
    }

    async fn manager<B>(&self, method: &str, body: &B) -> Result<Message, Error>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.call(ROOT, MANAGER_INTERFACE, method, body).await
    }

    fn understood<T>(&self, answer: Result<T, zbus::Error>) -> Result<T, Error> {
        answer.map_err(|error| Error::Answer(std::sync::Arc::new(error)))
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.call(ROOT, "org.freedesktop.DBus.Peer", "Ping", &())
            .await
            .map(|_| ())
    }

    pub async fn version(&self) -> Result<String, Error> {
        let answer = self
            .call(ROOT, PROPERTIES, "Get", &(MANAGER_INTERFACE, "Version"))
            .await?;
        let body = answer.body();
        let version: Variant<'_> = self.understood(body.deserialize())?;
        Ok(match version {
            Variant::Str(text) => text.as_str().to_owned(),
            _ => String::new(),
        })
    }

    /// The manager's signals from now on.
    pub async fn signals(&self) -> Result<impl Stream<Item = Signal> + Unpin + use<>, Error> {
        let bad = |error| Error::from_bus(error, self.limit);
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(MANAGER)
            .path_namespace(ROOT)
            .build()
            .map_err(bad)?;
        let stream =
            MessageStream::for_match_rule(rule, &self.connection, NonZeroUsize::new(SIGNALS));
        let stream = match tokio::time::timeout(self.limit, stream).await {
            Ok(stream) => stream.map_err(bad)?,
            Err(_) => return Err(Error::Hangs(self.limit)),
        };
        // Without it the manager keeps its signals to itself.
        match self.manager("Subscribe", &()).await {
            Ok(_) => {}
            Err(Error::Refused { name, .. }) if name.ends_with("AlreadySubscribed") => {}
            Err(error) => return Err(error),
        }
        Ok(Box::pin(stream.filter_map(|message| async move {
            message.ok().as_ref().and_then(signal)
        })))
    }

    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        type Line = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let answer = self.manager("ListUnits", &()).await?;
        let lines: Vec<Line> = self.understood(answer.body().deserialize())?;
        Ok(lines
            .into_iter()
            .map(|line| Listed {
                name: line.0,
                active: line.3,
            })
            .collect())
    }

    /// Everything about one unit; loads it if it is not. A unit without a file is an answer (`not-found`).
    pub async fn inspect(&self, name: &str) -> Result<Seen, Error> {
        let answer = self.manager("LoadUnit", &(name,)).await?;
        let path: OwnedObjectPath = self.understood(answer.body().deserialize())?;
        let unit = self
            .properties(path.as_str(), "org.freedesktop.systemd1.Unit")
            .await?;
        let service = if name.ends_with(".service") && unit.text("LoadState") == "loaded" {
            self.properties(path.as_str(), "org.freedesktop.systemd1.Service")
                .await?
        } else {
            Properties::default()
        };
        Ok(Seen::new(name, &unit, &service))
    }

    async fn properties(&self, path: &str, interface: &str) -> Result<Properties, Error> {
        let answer = self.call(path, PROPERTIES, "GetAll", &(interface,)).await?;
        let body = answer.body();
        let all: HashMap<&str, Variant<'_>> = self.understood(body.deserialize())?;
        Ok(Properties::keep(&all))
    }

    pub async fn reset_failed(&self, name: &str) -> Result<(), Error> {
        match self.manager("ResetFailedUnit", &(name,)).await {
            // Not loaded: there is nothing to reset.
            Err(Error::Refused { name, .. }) if name.ends_with("NoSuchUnit") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Enqueues a restart; the job's path.
    pub async fn restart(&self, name: &str) -> Result<String, Error> {
        self.job("RestartUnit", name).await
    }

    /// Asks for a stop; the job's path.
    pub async fn stop(&self, name: &str) -> Result<String, Error> {
        self.job("StopUnit", name).await
    }

    async fn job(&self, method: &str, name: &str) -> Result<String, Error> {
        let answer = self.manager(method, &(name, "replace")).await?;
        let job: OwnedObjectPath = self.understood(answer.body().deserialize())?;
        Ok(job.to_string())
    }
}

fn signal(message: &Message) -> Option<Signal> {
    let header = message.header();
    let (member, path) = (header.member()?.as_str(), header.path()?.as_str());
    let body = message.body();
    match member {
        "PropertiesChanged" => Some(Signal::Changed {
            path: path.to_owned(),
        }),
        "UnitNew" | "UnitRemoved" => {
            let (name, _): (String, OwnedObjectPath) = body.deserialize().ok()?;
            Some(if member == "UnitNew" {
                Signal::New { name }
            } else {
                Signal::Removed { name }
            })
        }
        "JobRemoved" => {
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) =
                body.deserialize().ok()?;
            Some(Signal::JobRemoved {
                job: job.to_string(),
                result,
            })
        }
        "UnitFilesChanged" => Some(Signal::Files),
        // `true` when it begins; only its end is of interest.
        "Reloading" => (!body.deserialize::<bool>().ok()?).then_some(Signal::Files),
        _ => None,
    }
}
