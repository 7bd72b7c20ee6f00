//! Why there is no answer from Ollama.

use std::time::Duration;

use crate::json::Failure;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no file names an Ollama on this node")]
    NotNamed,
    #[error("Ollama cannot be reached at {url}: {why}")]
    Unreachable { url: String, why: String },
    #[error("Ollama did not answer within {} s", .0.as_secs())]
    Hangs(Duration),
    #[error("the connection to Ollama broke: {0}")]
    Lost(String),
    #[error("Ollama has no model of that name: {0}")]
    NoModel(String),
    #[error("Ollama refused with status {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("Ollama's answer was not understood: {0}")]
    Answer(String),
}

impl Error {
    pub(super) fn of(failure: Failure, url: &str) -> Error {
        match failure {
            Failure::Unreachable(why) => Error::Unreachable {
                url: url.to_owned(),
                why,
            },
            Failure::Hangs(limit) => Error::Hangs(limit),
            Failure::Lost(why) => Error::Lost(why),
            Failure::Refused { status, text } if status.as_u16() == 404 => Error::NoModel(text),
            Failure::Refused { status, text } => Error::Refused {
                status: status.as_u16(),
                text,
            },
            Failure::NotUnderstood(why) => Error::Answer(why),
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Error::NotNamed => "ollama-not-named",
            Error::Unreachable { .. } => "ollama-unreachable",
            Error::Hangs(_) => "ollama-hangs",
            Error::Lost(_) => "ollama-lost",
            Error::NoModel(_) => "model-not-found",
            Error::Refused { .. } => "ollama-refused",
            Error::Answer(_) => "ollama-answer",
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            Error::NotNamed => "Write `ollama: {}` in the node's node.yaml.",
            Error::Unreachable { .. } => {
                "See that Ollama runs there and that `ollama.url` in node.yaml is its address as seen from the node."
            }
            Error::Hangs(_) | Error::Lost(_) => {
                "Look at Ollama's own log on the node; Stead asks again by itself."
            }
            Error::NoModel(_) => "See `ollama list` on the node; `ollama pull NAME` brings it.",
            Error::Refused { .. } => "Look at Ollama's own log on the node.",
            Error::Answer(_) => {
                "See that `ollama.url` is an Ollama's address; a newer Ollama may need a newer Stead."
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
}
