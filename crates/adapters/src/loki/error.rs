//! Why there is no answer from Loki.

use stead_core::time::Time;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Loki at {at} does not answer since {since}: {why}")]
    Away {
        at: String,
        since: Time,
        why: String,
    },
    #[error("Loki at {at} refuses: {why}")]
    Refused { at: String, why: String },
    #[error("Loki at {at} answered something else: {why}")]
    Answer { at: String, why: String },
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Away { .. } => "loki-away",
            Error::Refused { .. } => "loki-refused",
            Error::Answer { .. } => "loki-answer",
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Away { .. } => {
                "Look at Loki, at the network and at `loki.url` in stead.yaml; it is asked again by itself."
            }
            Error::Refused { .. } => {
                "Look at `token`, `username`, `password` and `tenant` under `loki` in stead.yaml, at Loki's own limits, or ask for a shorter time."
            }
            Error::Answer { .. } => {
                "See that `loki.url` in stead.yaml is a Loki's address, with the path before `/loki/api` if there is one; or ask for a shorter time."
            }
        }
    }

    /// All of it in one line.
    pub fn sentence(&self) -> String {
        format!("{self}. {}", self.remedy())
    }
}
