//! Why there is no answer from Portainer.

use std::time::Duration;

use crate::json::Failure;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Portainer cannot be reached at {url}: {why}")]
    Unreachable { url: String, why: String },
    #[error("Portainer does not accept the key")]
    Key,
    #[error("Portainer did not answer within {} s", .0.as_secs())]
    Hangs(Duration),
    #[error("Portainer refused with status {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("Portainer's answer was not understood: {0}")]
    Answer(String),
}

impl Error {
    pub(super) fn of(failure: Failure, url: &str) -> Error {
        match failure {
            Failure::Unreachable(why) | Failure::Lost(why) => Error::Unreachable {
                url: url.to_owned(),
                why,
            },
            Failure::Hangs(limit) => Error::Hangs(limit),
            Failure::Refused { status, .. } if matches!(status.as_u16(), 401 | 403) => Error::Key,
            Failure::Refused { status, text } => Error::Refused {
                status: status.as_u16(),
                text,
            },
            Failure::NotUnderstood(why) => Error::Answer(why),
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => "portainer-unreachable",
            Error::Key => "portainer-key",
            Error::Hangs(_) => "portainer-hangs",
            Error::Refused { .. } => "portainer-refused",
            Error::Answer(_) => "portainer-answer",
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => {
                "See that it runs, and that `portainer.NAME.url` in stead.yaml is its address as seen from the server."
            }
            Error::Key => {
                "Make a new access token under \"My account\" in Portainer, and write it into the secret that `key` names."
            }
            Error::Hangs(_) => "Look at Portainer's own log; Stead asks again by itself.",
            Error::Refused { .. } => "Look at Portainer's own log.",
            Error::Answer(_) => {
                "See that `url` is a Portainer's address; a newer Portainer may need a newer Stead."
            }
        }
    }
}
