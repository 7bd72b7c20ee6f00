//! The word that says what sort of event it is, and how much it matters.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The word that says what sort of event it is: `service_unhealthy`. At most 64 of `a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

/// Why a text is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an event kind: use at most 64 lower-case letters, digits, '_', '.' or '-'")]
pub struct InvalidKind(pub String);

impl Kind {
    pub fn new(text: &str) -> Result<Kind, InvalidKind> {
        let fits = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b));
        if fits {
            Ok(Kind(Arc::from(text)))
        } else {
            Err(InvalidKind(text.chars().take(80).collect()))
        }
    }
    pub(super) fn known(text: &'static str) -> Kind {
        Kind(Arc::from(text))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Kind, D::Error> {
        let text = alloc::borrow::Cow::<str>::deserialize(d)?;
        Kind::new(&text).map_err(serde::de::Error::custom)
    }
}

/// How much an event matters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[default]
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
    /// 0 info, 1 warning, 2 critical, as the log stores it.
    pub fn rank(self) -> u8 {
        self as u8
    }
    /// Reads the word, and the ones other tools use for the same.
    pub fn from_word(text: &str) -> Option<Severity> {
        Some(match text.to_ascii_lowercase().to_owned().as_str() {
            "info" | "ok" | "notice" | "debug" => Severity::Info,
            "warning" | "warn" => Severity::Warning,
            "critical" | "crit" | "error" | "err" | "fatal" => Severity::Critical,
            _ => return None,
        })
    }
    pub fn from_rank(rank: u8) -> Severity {
        match rank {
            0 => Severity::Info,
            1 => Severity::Warning,
            _ => Severity::Critical,
        }
    }
}
