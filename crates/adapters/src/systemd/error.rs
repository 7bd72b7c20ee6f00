//! Why the manager gave no answer.

use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("this machine was not started by systemd")]
    Absent,
    #[error("no bus to systemd: {0}")]
    NoBus(String),
    #[error("systemd did not answer within {} ms", .0.as_millis())]
    Hangs(Duration),
    #[error("systemd refused: {message}")]
    Refused { name: String, message: String },
    #[error("the connection to systemd broke: {0}")]
    Lost(String),
    #[error("systemd's answer was not understood: {0}")]
    Answer(Arc<zbus::Error>),
    #[error("{0}")]
    Journal(String),
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Absent => "systemd-absent",
            Error::NoBus(_) => "systemd-no-bus",
            Error::Hangs(_) => "systemd-hangs",
            Error::Refused { .. } => "systemd-refused",
            Error::Lost(_) => "systemd-lost",
            Error::Answer(_) => "systemd-answer",
            Error::Journal(_) => "journal-unreadable",
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Absent => {
                "Units are not watched on this node; use containers or checks instead."
            }
            Error::NoBus(_) => "Run the agent as root, or install and start dbus.",
            Error::Hangs(_) => {
                "Look at the machine's load and journal; Stead asks again by itself."
            }
            Error::Refused { .. } => "Run the agent as root, then try again.",
            Error::Lost(_) => "Stead connects again by itself.",
            Error::Answer(_) => "This systemd may be newer than this Stead; update Stead.",
            Error::Journal(_) => {
                "See that journalctl is installed and the agent may read the journal."
            }
        }
    }

    /// Whether the request cannot have had an effect.
    pub fn certain(&self) -> bool {
        !matches!(self, Error::Hangs(_) | Error::Lost(_) | Error::Answer(_))
    }

    pub(super) fn advice(&self) -> String {
        format!("{self}. {}", self.remedy())
    }

    pub(super) fn from_bus(error: zbus::Error, limit: Duration) -> Error {
        match error {
            zbus::Error::InputOutput(io) if io.kind() == std::io::ErrorKind::TimedOut => {
                Error::Hangs(limit)
            }
            zbus::Error::InputOutput(io) => Error::Lost(io.to_string()),
            zbus::Error::Connection(io, address) => Error::NoBus(format!("{io} ({address})")),
            zbus::Error::Handshake(why) => Error::NoBus(why),
            zbus::Error::MethodError(name, message, _) => Error::Refused {
                message: message.unwrap_or_else(|| name.to_string()),
                name: name.to_string(),
            },
            zbus::Error::FDO(error) => match *error {
                zbus::fdo::Error::NoReply(_)
                | zbus::fdo::Error::Timeout(_)
                | zbus::fdo::Error::TimedOut(_) => Error::Hangs(limit),
                zbus::fdo::Error::Disconnected(why) => Error::Lost(why),
                other => Error::Refused {
                    name: word(&other),
                    message: other.to_string(),
                },
            },
            other => Error::Answer(Arc::new(other)),
        }
    }
}

fn word(error: &zbus::fdo::Error) -> String {
    zbus::DBusError::name(error).to_string()
}
