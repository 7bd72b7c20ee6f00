//! Why the engine gave no answer, and whether that is certain to have had no effect.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{text:?} is not an engine address: {why}")]
    Address { text: String, why: String },
    #[error("there is no container engine at {0}")]
    NoSocket(String),
    #[error("permission denied on {0}")]
    Permission(String),
    #[error("nobody listens at {0}")]
    Refused(String),
    #[error("the engine did not answer within {} ms", .0.as_millis())]
    Hangs(Duration),
    #[error("{0} is not there")]
    NotFound(String),
    #[error("the engine answered {status}: {message}")]
    Engine { status: u16, message: String },
    #[error("the connection to the engine broke: {0}")]
    Lost(String),
    #[error("the engine's answer was not understood: {0}")]
    Answer(String),
    #[error("{0}")]
    Input(String),
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Address { .. } => "engine-address",
            Error::NoSocket(_) => "engine-absent",
            Error::Permission(_) => "engine-permission",
            Error::Refused(_) => "engine-not-running",
            Error::Hangs(_) => "engine-hangs",
            Error::NotFound(_) => "container-not-found",
            Error::Engine { .. } => "engine-error",
            Error::Lost(_) => "engine-lost",
            Error::Answer(_) => "engine-answer",
            Error::Input(_) => "bad-target",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Address { .. } => "Correct DOCKER_HOST.",
            Error::NoSocket(_) => {
                "Install Docker or Podman, start it (systemctl start docker), or set DOCKER_HOST to its socket."
            }
            Error::Permission(_) => {
                "Run the agent as root, or add its user to the group that owns the socket."
            }
            Error::Refused(_) => "Start the engine: systemctl start docker.",
            Error::Hangs(_) => {
                "Look at the engine's log (journalctl -u docker) and restart it if it stays so."
            }
            Error::NotFound(_) => "It was removed or renamed; look at the list of containers.",
            Error::Engine { .. } => "Do what the engine says, then try again.",
            Error::Lost(_) => "The engine was probably restarted; Stead connects again by itself.",
            Error::Answer(_) => "The engine may be newer than this Stead; update Stead.",
            Error::Input(_) => "Correct the definition.",
        }
    }

    /// Whether the request cannot have had an effect. A break or a time-out after sending may have had one.
    pub fn certain(&self) -> bool {
        !matches!(self, Error::Hangs(_) | Error::Lost(_) | Error::Answer(_))
    }

    pub(super) fn not_found(&self) -> bool {
        matches!(self, Error::NotFound(_) | Error::Engine { status: 404, .. })
    }

    pub(super) fn advice(&self) -> String {
        format!("{self}. {}", self.remedy())
    }

    pub(super) fn from_client(
        error: bollard::errors::Error,
        address: &str,
        limit: Duration,
    ) -> Error {
        use bollard::errors::Error as Client;
        match error {
            Client::RequestTimeoutError => Error::Hangs(limit),
            Client::SocketNotFoundError(_) => Error::NoSocket(address.to_owned()),
            Client::DockerResponseServerError {
                status_code: 404,
                message,
            } => Error::NotFound(message),
            Client::DockerResponseServerError {
                status_code,
                message,
            } => Error::Engine {
                status: status_code,
                message: crate::redact::redact(&message, 1024),
            },
            Client::DockerStreamError { error } => Error::Engine {
                status: 500,
                message: crate::redact::redact(&error, 1024),
            },
            Client::HyperLegacyError { err } => {
                let connecting = err.is_connect();
                from_source(&err, connecting, address)
            }
            Client::IOError { err } => from_source(&err, false, address),
            Client::HyperResponseError { err } => Error::Lost(chain(&err)),
            other @ (Client::JsonDataError { .. }
            | Client::JsonSerdeError { .. }
            | Client::APIVersionParseError {}) => Error::Answer(other.to_string()),
            other => Error::Lost(chain(&other)),
        }
    }
}

/// An I/O error says more than the client's wrapping; only one before anything was sent is certain.
fn from_source(
    error: &(dyn std::error::Error + 'static),
    connecting: bool,
    address: &str,
) -> Error {
    use std::io::ErrorKind;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if connecting && let Some(io) = cause.downcast_ref::<std::io::Error>() {
            match io.kind() {
                ErrorKind::NotFound => return Error::NoSocket(address.to_owned()),
                ErrorKind::PermissionDenied => return Error::Permission(address.to_owned()),
                ErrorKind::ConnectionRefused => return Error::Refused(address.to_owned()),
                _ => {}
            }
        }
        next = cause.source();
    }
    if connecting {
        Error::Refused(format!("{address} ({})", chain(error)))
    } else {
        Error::Lost(chain(error))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
